"""Haplo's import APIs: batches with uploaded control files, batches of configured processes, and pushes."""

import shlex
from collections.abc import Iterable, Iterator

from aiohttp import web

from server.dialects.haplo import push, wire
from server.dialects.haplo.errors import TABLE, PushForbidden
from server.dialects.haplo.openapi import DESCRIPTION
from server.dialects.haplo.push import PushApi
from server.dialects.haplo.routes import BatchApi, StandardApi
from server.engine.access.scopes import Scope
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError
from server.mapping.language.processes import Process
from server.web.auth import Gate
from server.web.dialect import Example
from server.web.errors import answer_to


class Haplo:
    name = "haplo"
    prefixes = (BatchApi.prefix, StandardApi.prefix, push.PREFIX)
    description = DESCRIPTION
    scopes = (
        Scope(BatchApi.scope, "Haplo's Batch import API"),
        Scope(StandardApi.scope, "Haplo's Standard batch import API"),
        Scope(push.SCOPE, "Haplo's push-data: one request, imported at once"),
    )

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._apis = (BatchApi(engine, gate), StandardApi(engine, gate), PushApi(engine, gate))

    def routes(self) -> Iterable[web.RouteDef]:
        for api in self._apis:
            yield from api.routes()

    def examples(self, process: Process, base: str) -> Iterator[Example]:
        role = next((name for name in process.files if name != "DEFAULT"), "data0")
        api, batch = f"{base}{StandardApi.prefix}", shlex.quote(f"kind={process.id}")
        yield Example(
            "Haplo, Standard batch import API",
            f"{api}/batch",
            StandardApi.scope,
            f"BATCH=$(curl -s --user haplo:$KEY --data-urlencode {batch} {api}/batch)\n"
            f"curl --user haplo:$KEY -F batch=$BATCH -F name={shlex.quote(role)} -F file=@FILE {api}/file\n"
            f"curl --user haplo:$KEY -d batch=$BATCH {api}/schedule",
        )
        if process.push is not None and process.push.enabled:
            address = f"{base}{push.PREFIX}/{process.push.url}"
            command = f"curl --user haplo:$KEY --data-binary @FILE {address}"
            yield Example("Haplo, push-data", address, push.SCOPE, command)

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        """Renders the refusal of a key in the platform's JSON, and every other refusal as its API does."""
        if isinstance(error, PushForbidden):
            return push.rendered(request, wire.NOT_AUTHORISED)
        status, body = answer_to(TABLE, error)
        if isinstance(error, AccessRefused):
            return web.Response(status=status, body=body(error).encode(), content_type="application/json")
        return self.fail(request, status, body(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        if request.path.startswith(push.PREFIX + "/"):
            return push.rendered(request, wire.push_error(message), status)
        return web.Response(status=status, text=message)
