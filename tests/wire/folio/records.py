"""Library records to send, and what it takes to follow their import."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pymarc import Field, Indicators, Record, Subfield

from tests.wire.folio.client import LATER, PROFILE, Client

_pause = threading.Event()  # never set

JOBS = "/change-manager/jobExecutions"
META = "/metadata-provider"
ENDED = ("COMMITTED", "ERROR", "CANCELLED", "DISCARDED")
MESSAGE = "UNH+1+INVOIC:D:96A:UN'BGM+380+94999+9'UNT+3+1'"
EDIFACT = (
    f"UNA:+.? 'UNB+UNOC:3+A+B+200101:1000+1'{MESSAGE}UNH+2+INVOIC:D:96A:UN'BGM+380+95000+9'UNT+9+2'UNZ+2+1'".encode()
)


def marc(number: int, title: str = "A title") -> bytes:
    record = Record(force_utf8=True)
    record.add_field(Field("001", data=f"n{number}"))
    record.add_field(Field("245", Indicators("1", "0"), [Subfield("a", f"{title} {number}"), Subfield("b", "/ more")]))
    encoded: bytes = record.as_marc()
    return encoded


def torn(number: int) -> bytes:
    """A record whose directory cannot be read."""
    good = marc(number)
    return good[:24] + b"x" * 12 + good[36:]


async def until(client: Client, job: str, *wanted: str) -> dict[str, Any]:
    """The job once it has one of these statuses; the time limit of the test ends a vain wait."""
    while True:
        found = await seen(client, job)
        if found["status"] in (wanted or ENDED):
            return found
        await asyncio.to_thread(_pause.wait, 0.02)


async def seen(client: Client, job: str) -> dict[str, Any]:
    reply = await client.ask("GET", f"{JOBS}/{job}")
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


async def processed(client: Client, *files: tuple[str, bytes], data_type: str = "MARC") -> list[dict[str, Any]]:
    """Files through definition, upload and processFiles; their jobs at the end."""
    definition = await client.define(*(name for name, _ in files), path=LATER)
    for file, (_, content) in zip(definition["fileDefinitions"], files, strict=True):
        path = f"{LATER}/{definition['id']}/files/{file['id']}"
        assert (await client.ask("POST", path, content)).status == 200
    body = {"uploadDefinition": definition, "jobProfileInfo": PROFILE | {"dataType": data_type}}
    assert (await client.ask("POST", f"{LATER}/{definition['id']}/processFiles", body)).status == 204
    return [await until(client, file["jobExecutionId"]) for file in definition["fileDefinitions"]]


async def online(client: Client) -> str:
    """A job that records will be posted to."""
    reply = await client.ask("POST", JOBS, {"sourceType": "ONLINE", "userId": client.user})
    assert reply.status == 201, reply
    job: str = reply.json["parentJobExecutionId"]
    return job


def chunk(
    records: Sequence[str], *, counter: int = 0, last: bool = False, kind: str = "MARC_RAW", **more: Any
) -> dict[str, Any]:
    metadata = {"last": last, "counter": counter or len(records), "contentType": kind, **more}
    return {
        "id": str(uuid4()),
        "recordsMetadata": metadata,
        "initialRecords": [{"record": record} for record in records],
    }


async def entries(client: Client, job: str, **query: str) -> list[dict[str, Any]]:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    reply = await client.ask("GET", f"{META}/jobLogEntries/{job}?{text or 'limit=100'}")
    assert reply.status == 200, reply
    found: list[dict[str, Any]] = reply.json["entries"]
    return found
