"""A client of FOLIO's data import, for one tenant and one user."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

USER = "67dfac11-1caf-4470-9ad1-d533f6360bdd"
TENANT = "diku"
V1 = "/data-import/upload"
LATER = "/data-import/uploadDefinitions"
PROFILE = {"id": "e34d7b92-9b83-11eb-a8b3-0242ac130003", "name": "Default", "dataType": "MARC"}
JSON = "application/json"
OCTETS = "application/octet-stream"


class Reply(NamedTuple):
    status: int
    text: str
    type: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Message and code of each error of a 422."""
        assert (self.status, self.type) == (422, JSON), self
        return [(error["message"], error["code"]) for error in self.json["errors"]]


@dataclass
class Client:
    session: aiohttp.ClientSession
    address: str
    key: str | None
    tenant: str | None = TENANT
    user: str | None = USER
    more: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        sent = {"x-okapi-token": self.key, "x-okapi-tenant": self.tenant, "x-okapi-user-id": self.user}
        return {name: value for name, value in sent.items() if value is not None} | dict(self.more)

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Bytes are sent as they are, everything else as JSON; a header of None is left out."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = self.headers()
        if data is not None:
            sent["Content-Type"] = OCTETS if isinstance(body, bytes) else JSON
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.address + path, data=data, headers=sent, skip_auto_headers=["Content-Type"]
        ) as reply:
            return Reply(reply.status, await reply.text(), reply.content_type, reply.headers.copy())

    async def define(self, *names: str, path: str = V1 + "/definition") -> dict[str, Any]:
        reply = await self.ask("POST", path, {"fileDefinitions": [{"name": name} for name in names]})
        assert reply.status == 201, reply
        return reply.json  # type: ignore[no-any-return]

    async def send(self, definition: Mapping[str, Any], position: int, content: bytes) -> Reply:
        file = definition["fileDefinitions"][position]["id"]
        return await self.ask("POST", f"{V1}/file?uploadDefinitionId={definition['id']}&fileId={file}", content)

    async def see(self, definition: Mapping[str, Any], path: str = V1 + "/definition") -> dict[str, Any]:
        return (await self.ask("GET", f"{path}/{definition['id']}")).json  # type: ignore[no-any-return]

    async def found(self, query: str, path: str = V1 + "/definition", name: str = "uploadDefinitions") -> list[Any]:
        url = URL(path).with_query(query=query, limit="1000")
        reply = await self.ask("GET", str(url))
        assert reply.status == 200, reply
        return reply.json[name]  # type: ignore[no-any-return]
