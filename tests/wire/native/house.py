"""What there is to see: one model, a process for it, and batches made by hand."""

import asyncio
import json
from typing import Any

import aiohttp

from server.engine.batches.scheduling import Plan
from tests.support.replay import House

MODEL = {
    "name": "example:people",
    "label": "People",
    "description": "Everybody.",
    "destinations": [
        {
            "name": "profile",
            "label": "Person",
            "table": "people",
            "kind": "dictionary",
            "key": ["email"],
            "names": {"email": {"type": "email-address", "required": True}, "name": {}, "tags": {"multivalue": True}},
        }
    ],
}
CONTROL: dict[str, Any] = {
    "dataImportControlFileVersion": 0,
    "model": "example:people",
    "files": {"DEFAULT": {"read": "json-lines"}},
    "instructions": [
        {"action": "new", "destination": "profile"},
        *({"source": name, "destination": "profile", "name": name} for name in ("email", "name", "tags")),
    ],
}
PROCESSES = {"people": {"id": "people", "label": "People feed", "control": CONTROL}}

PATH = "/api/v1"


def bearer(house: House, scope: str = "native") -> dict[str, str]:
    return {"Authorization": f"Bearer {house.keys[scope]}"}


async def get(house: House, path: str, status: int = 200, **headers: str) -> Any:
    """Returns the document of an answer to a client with a key."""
    async with house.session.get(house.address + path, headers=bearer(house) | headers) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return json.loads(text)


async def refused(house: House, path: str, status: int = 400) -> tuple[str, str]:
    found = (await get(house, path, status))["error"]
    assert found.keys() == {"code", "message"}
    return found["code"], found["message"]


async def pages(house: House, path: str, name: str) -> list[Any]:
    """Every item, by following the links."""
    found, following = [], path
    while following is not None:
        page = await get(house, following)
        assert page.keys() == {name, "next"}
        found += page[name]
        following = page["next"]
    return found


async def opened(house: House, *rows: object, comment: str = "Some", filename: str = "people.jsonl") -> str:
    """The identifier of a batch of the process `people` that has not been scheduled."""
    batch = await house.engine.batches.create("haplo-standard", process="people", comment=comment)
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    upload = await house.engine.uploads.receive_octets(_source(lines), filename=filename)
    await house.engine.batches.add_file("haplo-standard", batch.identifier, "data", upload)
    return batch.identifier


async def scheduled(house: House, *rows: object, plan: Plan | None = None, **more: str) -> tuple[str, str]:
    """The identifiers of a batch and of its job."""
    batch = await opened(house, *rows, **more)
    job = await house.engine.batches.schedule("haplo-standard", batch, "import", plan=plan)
    return batch, job.id


async def imported(house: House, *rows: object, **more: str) -> tuple[str, str]:
    batch, job = await scheduled(house, *rows, **more)  # type: ignore[arg-type]
    await asyncio.wait_for(house.engine.jobs.wait(job), 60)
    return batch, job


async def next_event(answer: aiohttp.ClientResponse, *kinds: str) -> tuple[str, str, Any]:
    """Kind, id and data of the next event of these kinds; heartbeats are passed over."""
    while True:
        fields = await asyncio.wait_for(_fields(answer), 60)
        if fields.get("event") in kinds or (fields and not kinds):
            return fields["event"], fields["id"], json.loads(fields["data"])


async def _fields(answer: aiohttp.ClientResponse) -> dict[str, str]:
    found = {}
    while line := (await answer.content.readline()).decode().rstrip("\r\n"):
        name, _, value = line.partition(": ")
        if name:
            found[name] = value
    if not found and answer.content.at_eof():
        raise EOFError
    return found


def _source(content: bytes):  # type: ignore[no-untyped-def]
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read
