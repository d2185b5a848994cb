"""A model, import processes for it, and requests that use them."""

import json
from typing import Any
from urllib.parse import urlencode

from storage.catalog.base import Batch
from tests.support.replay import Ask, House

PATH = "/API/WorkflowImportQueue/CreateBatch"

MODEL: dict[str, Any] = {
    "name": "example:members",
    "label": "Members",
    "destinations": [
        {
            "name": "member",
            "table": "members",
            "kind": "dictionary",
            "key": ["UniqueId"],
            "names": {
                "UniqueId": {"type": "text", "required": True},
                "Email": {"type": "email-address"},
                "Credits": {"type": "integer"},
                "Active": {"type": "boolean"},
                "Tags": {"multivalue": True},
            },
        }
    ],
}


def _process(id: str, write: str, **more: object) -> dict[str, Any]:
    read = {"model": "example:members", "destination": "member", "read": "json-lines"}
    return {"id": id, "label": id, **read, "write": write, **more}


PROCESSES = [
    _process("12", "create"),
    _process("update", "update"),
    _process("upsert", "upsert"),
    _process("mapped", "upsert", columns={"Member No": "UniqueId", "E-mail": "Email"}),
    {
        "id": "control",
        "label": "With a control file",
        "control": {
            "dataImportControlFileVersion": 0,
            "model": "example:members",
            "files": {"DEFAULT": {"read": "csv-with-name-row"}},
            "instructions": [
                {"action": "new", "destination": "member"},
                {"source": "No", "destination": "member", "name": "UniqueId"},
                {"action": "set-value", "destination": "member", "name": "Credits", "value": 5},
            ],
        },
    },
]

WANTED = {"fileName": "ACME 2026/11/22", "importProcessId": "12", "creationPath": "ACME"}


def path(*, without: str = "", **changes: str) -> str:
    """The path with a query string in which `$` may stand."""
    query = {name: value for name, value in {**WANTED, **changes}.items() if name != without}
    return f"{PATH}?{urlencode(query).replace('%24', '$$')}"


def create(body: bytes | None = b'{"UniqueId": "1"}\n', *, to: str | None = None, **headers: str) -> Ask:
    return Ask("POST", to or path(), body, headers={"Authorization": "apikey $key", **headers})


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def created(house: House, body: bytes, **changes: str) -> Batch:
    """The batch that a request makes, once its job has ended."""
    ask = create(body, to=path(**changes))
    answer = await house.ask(ask, await house.things(ask.names()))
    assert answer.status == 200, answer.body
    batch = await house.engine.batches.get("learningbuilder", json.loads(answer.body)["queueBatchId"])
    assert batch.job is not None
    await house.engine.jobs.wait(batch.job)
    return await house.engine.batches.get("learningbuilder", batch.identifier)


async def messages(house: House, batch: Batch) -> list[tuple[str, str | None]]:
    return [(row.state, row.message) for row in await house.engine.learningbuilder.rows(batch)]
