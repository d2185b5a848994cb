"""What comes of a batch: several requests in a row, to the end of the job."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from server.engine.batches.log_text import log_text
from tests.support.replay import Ask, File, House, Multipart
from tests.wire.haplo.people import CONTROL, control
from tests.wire.haplo.test_cases import BATCH, STANDARD, to_batch, to_standard

ADA = {"email": "ada@example.org", "name": "Ada"}
BOB = {"email": "bob@example.org", "name": "Bob"}


def upload(batch: str, records: object, name: str = "data0") -> Ask:
    content = records if isinstance(records, bytes) else json.dumps(records).encode()
    return to_batch("file", Multipart(batch=batch, name=name, file=File(content)))


async def said(house: House, ask: Ask) -> str:
    answer = await house.ask(ask)
    assert answer.status == 200, answer.body
    return answer.body


async def made(house: House, document: dict[str, Any] | None = None) -> str:
    content = CONTROL if document is None else json.dumps(document).encode()
    digest = await said(house, to_batch("control", Multipart(file=File(content))))
    return await said(house, to_batch("batch", {"control": digest}))


async def run(house: House, batch: str, mode: str = "import", *uploads: Ask) -> tuple[str, list[str], int]:
    """State of the batch at the end, its log, and the count of errors."""
    for each in uploads:
        await said(house, each)
    assert await said(house, to_batch("schedule", {"batch": batch, "mode": mode})) == "SCHEDULED"
    job = (await house.engine.batches.get("haplo-batch", batch)).job
    assert job is not None
    await house.engine.jobs.wait(job)
    after = await house.engine.batches.get("haplo-batch", batch)
    return after.state, [log_text(line) for line in await house.engine.jobs.log(job)], after.errors


async def people(house: House) -> list[Any]:
    return [row.values["name"] for row in await house.rows("people")]


async def listed(house: House) -> list[tuple[str, str]]:
    """Comment and digest of each entry, from the database itself."""

    def read() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(house.data_dir / "catalog.db")) as connection:
            return connection.execute("SELECT comment, digest FROM control_files ORDER BY id").fetchall()

    return await asyncio.to_thread(read)


async def test_the_identifier_has_the_form_of_the_vendors(house: House) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{42}[A-Za-z0-9]", await made(house))


async def test_absent_and_empty_comments_are_named(house: House) -> None:
    digest = await said(house, to_batch("control", Multipart(comment="", file=File(CONTROL))))
    batches = [await said(house, to_batch("batch", {"control": digest, **more})) for more in ({}, {"comment": ""})]
    for batch in batches:
        found = await house.engine.batches.get("haplo-batch", batch)
        assert (found.comment, found.state) == ("Unnamed batch", "uploading")
    assert await listed(house) == [("Unnamed control file", digest)]


async def test_the_same_control_file_is_listed_once_for_each_comment(house: House) -> None:
    for comment in ("One", "One", "Other"):
        await said(house, to_batch("control", Multipart(comment=comment, file=File(CONTROL))))
    digest = sha256(CONTROL).hexdigest()
    assert await listed(house) == [("One", digest), ("Other", digest)]


async def test_an_import_writes_the_rows(house: House) -> None:
    batch = await made(house)
    state, log, errors = await run(house, batch, "import", upload(batch, [ADA, BOB]))
    assert (state, errors) == ("complete", 0)
    assert log[0].startswith("START: ")
    assert log[-1].startswith("END: ")
    assert await people(house) == ["Ada", "Bob"]


async def test_a_dry_run_writes_nothing(house: House) -> None:
    batch = await made(house)
    state, log, _ = await run(house, batch, "dry-run", upload(batch, [ADA]))
    assert state == "dry-run"
    assert (log[0][:7], log[-1][:5]) == ("START: ", "END: ")
    assert await people(house) == []


async def test_of_two_files_of_a_name_the_last_is_used(house: House) -> None:
    batch = await made(house)
    await run(house, batch, "import", upload(batch, [ADA]), upload(batch, [BOB]))
    assert await people(house) == ["Bob"]


async def test_a_batch_without_files_completes(house: House) -> None:
    state, log, errors = await run(house, await made(house))
    assert (state, errors, len(log)) == ("complete", 0, 2)


async def test_a_file_that_the_control_file_does_not_name(house: House) -> None:
    batch = await made(house, control(files={"data0": {"read": "json"}}))
    state, log, _ = await run(house, batch, "import", upload(batch, [ADA], "other"))
    assert state == "error"
    assert log[1].startswith(
        "EXCEPTION: Error during import: Could not find file specification in control file for file other "
        "(and DEFAULT file entry does not exist)"
    )
    assert await people(house) == []


async def test_broken_json_imports_nothing(house: House) -> None:
    batch = await made(house)
    state, log, _ = await run(house, batch, "import", upload(batch, b'[{"email": "ada@example.org"}, '))
    assert state == "error"
    assert len([line for line in log if line.startswith("EXCEPTION: Error during import: ")]) == 1
    assert await people(house) == []


async def test_errors_are_capped_in_the_log_and_counted_in_full(house: House) -> None:
    instructions = [*control()["instructions"], {"action": "log-error", "message": "noted"}]
    batch = await made(house, control(instructions=instructions))
    records = [{"email": f"{n}@example.org", "name": str(n)} for n in range(600)]
    state, log, errors = await run(house, batch, "import", upload(batch, records))
    assert (state, errors) == ("complete", 600)
    assert log[1] == "noted (record 0)"
    assert log[499] == "noted (record 498)"
    assert log[500:-1] == ["Too many errors in import batch, no further errors will be reported"]


async def test_of_two_schedules_at_once_one_is_refused(house: House) -> None:
    batch = await made(house)
    answers = await asyncio.gather(*(house.ask(to_batch("schedule", {"batch": batch})) for _ in range(8)))
    refused = [answer.body for answer in answers if answer.status != 200]
    assert refused == [f"Batch {batch} is not in the 'uploading' state"] * 7


async def test_the_standard_api_from_kind_to_rows(house: House) -> None:
    batch = await said(house, to_standard("batch", {"kind": "people", "comment": "Example import"}))
    content = json.dumps([ADA]).encode()
    file = Multipart(batch=batch, name="any", file=File(content))
    assert await said(house, to_standard("file", file)) == sha256(content).hexdigest()
    assert await said(house, to_standard("schedule", {"batch": batch})) == "SCHEDULED"
    job = (await house.engine.batches.get("haplo-standard", batch)).job
    assert job is not None
    assert (await house.engine.jobs.wait(job)).state == "done"
    assert await people(house) == ["Ada"]


@pytest.mark.parametrize("path", [f"{BATCH}/batch", f"{STANDARD}/batch"])
async def test_the_administrators_key_opens_both(house: House, path: str) -> None:
    answer = await house.ask(Ask("POST", path, {}, key="admin"))
    assert (answer.status, answer.body) == (400, "Bad request (failed validation)")


async def test_a_batch_notes_whose_key_made_it(house: House) -> None:
    batch = await house.engine.batches.get(None, await made(house))
    (key,) = [key for key in await house.engine.access.keys.list() if key.id == batch.created_by]
    assert key.scopes == ("haplo-batch",)
