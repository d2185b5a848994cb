"""The page of a batch and what can be done there."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from storage.catalog.sql import batches
from storage.queues.base import Counts
from tests.wire.admin.house import Signed

GOOD = {"email": "ada@example.org", "name": "Ada", "age": 36}
ODD = {"email": "bob@example.org", "name": "Bob", "age": "many"}  # is imported, with a message
BAD = {"name": "Bob"}


async def test_the_page_tells_what_came_and_what_became_of_it(site: Signed) -> None:
    batch = await site.imported(GOOD, BAD, comment="Weekly feed")
    page = await site.get(f"/admin/batches/{batch.identifier}")
    assert page.status == 200
    assert page.headings[0] == "Weekly feed"
    for words in ("complete", "haplo-standard", "people.jsonl", "START: ", "END: ", "read 2 created", "(record 1)"):
        assert words in page.text
    assert batch.identifier in page.text
    assert page.links["people"] == "/admin/processes/people"
    assert page.links["Copy as new batch…"].endswith("/copy")
    assert "Import data…" not in page.links
    assert f'href="/admin/control-files/{batch.control}"' in page.body


async def test_the_numbers_add_up(site: Signed) -> None:
    batch = await site.imported(GOOD, ODD, BAD)
    page = await site.get(f"/admin/batches/{batch.identifier}")
    counts = dict(re.findall(r'<div class="(?:\w+)(?: none)?">\s*<dt>(\w+)</dt>\s*<dd>(\d+)</dd>', page.body))
    assert len(counts) == 7
    assert counts["read"] == "3"
    assert int(counts.pop("read")) == sum(map(int, counts.values()))


async def test_a_wrong_identifier_is_a_page(site: Signed) -> None:
    for path in ("", "/log", "/failed", "/copy", "/files/1", "/files/x"):
        page = await site.get(f"/admin/batches/nothing-here{path}")
        assert (page.status, page.headings) == (404, ["Nothing here"]), path


async def test_a_file_comes_back_as_it_was_sent(site: Signed) -> None:
    batch = await site.batch(GOOD, name="data0")
    (file,) = await site.engine.batches.files(batch)
    path = f"/admin/batches/{batch.identifier}/files/{file.id}"
    page = await site.get(path)
    assert page.status == 200
    assert page.body == '{"email": "ada@example.org", "name": "Ada", "age": 36}\n'
    assert page.headers["Content-Disposition"] == (
        "attachment; filename=\"people.jsonl\"; filename*=UTF-8''people.jsonl"
    )
    assert page.headers["Content-Type"] == "application/octet-stream"
    part = await site.get(path, headers={"Range": "bytes=2-6"})
    assert (part.status, part.body) == (206, "email")


async def test_a_file_of_another_batch_is_not_here(site: Signed) -> None:
    one, other = await site.batch(GOOD), await site.batch(BAD)
    (file,) = await site.engine.batches.files(other)
    page = await site.get(f"/admin/batches/{one.identifier}/files/{file.id}")
    assert page.status == 404


async def test_an_api_made_batch_that_is_open_has_no_buttons_and_says_why(site: Signed) -> None:
    batch = await site.batch(GOOD)
    page = await site.get(f"/admin/batches/{batch.identifier}")
    assert "Still open for files" in page.text
    assert not {"Dry run…", "Import data…", "Copy as new batch…", "Cancel…"} & page.links.keys()
    refused = await site.post(f"/admin/batches/{batch.identifier}/import")
    assert refused.status == 409
    assert "still open for files" in refused.text


async def test_a_copy_is_ready_and_can_be_run(site: Signed) -> None:
    batch = await site.imported(GOOD)
    path = f"/admin/batches/{batch.identifier}"
    asked = await site.get(f"{path}/copy")
    assert "Copy this batch?" in asked.text
    made = await site.post(asked.form(f"{path}/copy").action)
    assert made.status == 303
    page = await site.get(made.to)
    assert page.headings[0] == "Example (copy)"
    assert "This is the copy." in page.text
    assert page.links["Dry run…"].endswith("/dry-run")
    assert page.links[batch.identifier[:10] + "…"] == path
    assert "Copied to" in (await site.get(path)).text
    copy = await site.engine.batches.get(None, made.to.rpartition("/")[2].partition("?")[0])
    assert (copy.control, copy.process, copy.state) == (batch.control, batch.process, "ready")
    started = await site.post(f"/admin/batches/{copy.identifier}/import")
    assert started.status == 303
    job = await site.engine.jobs.wait(str((await site.engine.batches.get(None, copy.identifier)).job))
    assert (job.state, job.counts.read, job.counts.failed) == ("done", 1, 1)  # the key is taken: the same row again


async def test_a_copy_keeps_the_last_upload_of_each_name(site: Signed) -> None:
    batch = await site.batch(GOOD)
    again = await site.batch(BAD)
    (newer,) = await site.engine.batches.files(again)

    async def read(pieces: list[bytes] = [b"{}", b""]) -> bytes:  # noqa: B006
        return pieces.pop(0)

    upload = await site.engine.uploads.receive_octets(read, filename="second.jsonl")
    await site.engine.batches.add_file(batch.api, batch.identifier, "data0", upload)
    await site.run(batch)
    made = await site.post(f"/admin/batches/{batch.identifier}/copy")
    copy = await site.engine.batches.get(None, made.to.rpartition("/")[2].partition("?")[0])
    assert [file.filename for file in await site.engine.batches.files(copy)] == ["second.jsonl"]
    assert newer.digest not in [file.digest for file in await site.engine.batches.files(copy)]


async def ready(site: Signed, *rows: object) -> str:
    batch = await site.imported(*rows)
    made = await site.post(f"/admin/batches/{batch.identifier}/copy")
    return made.to.partition("?")[0]


async def test_a_dry_run_says_that_nothing_was_kept(site: Signed) -> None:
    path = await ready(site, GOOD)
    asked = await site.get(f"{path}/dry-run")
    assert "Run the import in dry run mode? Data will be checked but not imported." in asked.text
    await site.post(f"{path}/dry-run")
    batch = await site.engine.batches.get(None, path.rpartition("/")[2])
    await site.engine.jobs.wait(str(batch.job))
    page = await site.get(path)
    assert "Dry run only: This application has not been updated with imported data." in page.text
    assert "Copy as new batch…" in page.links


async def test_of_two_who_press_at_once_one_is_told(site: Signed) -> None:
    path = await ready(site, GOOD)
    answers = await asyncio.gather(*(site.post(f"{path}/import") for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [303, 409]
    (told,) = [answer for answer in answers if answer.status == 409]
    assert "another person was quicker" in told.text
    assert told.links["Back to the batch"] == path


async def test_a_change_needs_the_token(site: Signed) -> None:
    path = await ready(site, GOOD)
    refused = await site.post(f"{path}/import", {"csrf": "stale"})
    assert refused.status == 400
    assert (await site.engine.batches.get(None, path.rpartition("/")[2])).state == "ready"


async def test_a_scheduled_batch_can_be_cancelled_once(site: Signed) -> None:
    path = await ready(site, GOOD)
    await site.engine.background.stop()
    await site.post(f"{path}/import")
    assert "Cancel…" in (await site.get(path)).links
    done = await site.post(f"{path}/cancel")
    assert done.status == 303
    assert "cancelled" in (await site.get(path)).text
    assert (await site.post(f"{path}/cancel")).status == 409


async def test_the_log_is_searched_and_paged(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.admin.batches.batch.LINES", 3)
    batch = await site.imported(*[ODD | {"email": f"{n}@example.org"} for n in range(8)], GOOD)
    path = f"/admin/batches/{batch.identifier}/log"
    seen = []
    page = await site.get(path)
    while True:
        seen += re.findall(r'class="said">([^<]*)<', page.body)
        if "Next page" not in page.links:
            break
        page = await site.get(page.links["Next page"])
    assert [line.split()[-1] for line in seen[1:-1]] == [f"{n})" for n in range(8)]
    found = await site.get(f"{path}?text=record+5")
    assert re.findall(r"record \d", found.text) == ["record 5"]
    infos = await site.get(f"{path}?level=info")
    assert "START" in infos.text
    assert "record 5" not in infos.text


async def test_a_search_of_a_long_log_says_how_far_it_looked(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.engine.batches.listing.LOG_WINDOW", 4)
    batch = await site.imported(*[ODD | {"email": f"{n}@example.org"} for n in range(8)])
    page = await site.get(f"/admin/batches/{batch.identifier}/log?text=record+6")
    assert "0 of them are like that" in page.text
    further = await site.get(page.links["Search on"])
    assert "(record 6)" in further.text


async def test_a_job_leads_to_its_batch(site: Signed) -> None:
    batch = await site.imported(GOOD)
    answer = await site.get(f"/admin/jobs/{batch.job}")
    assert (answer.status, answer.to) == (303, f"/admin/batches/{batch.identifier}")
    assert (await site.get("/admin/jobs/none")).status == 404


async def test_what_a_client_sent_is_shown_as_text(site: Signed) -> None:
    nasty = "<script>alert(1)</script>"
    batch = await site.imported(ODD | {"age": nasty}, comment=nasty, name="data0")
    page = await site.get(f"/admin/batches/{batch.identifier}")
    assert nasty not in page.body
    assert nasty in page.text


async def test_a_running_batch_shows_how_far_it_is(site: Signed) -> None:
    path = await ready(site, GOOD)
    await site.engine.background.stop()
    await site.post(f"{path}/dry-run")
    batch = await site.engine.batches.get(None, path.rpartition("/")[2])
    storage = site.engine.storage
    assert await storage.queue.claim("nobody", datetime.now(UTC), 60.0) is not None

    def work(connection: Connection) -> None:
        assert storage.queue.progress(connection, str(batch.job), "nobody", Counts(read=7, created=7), 0, 0.25)
        assert batches.move(connection, batch.id, ["scheduled"], "running")

    await storage.catalog.write(work)
    page = await site.get(path)
    for words in ("running", "25 %", "read 7", "rows/s", "This is a dry run: data is checked, not imported."):
        assert words in page.text
    assert 'id="state" data-live' in page.body
    asked = await site.post(f"{path}/cancel")
    assert asked.to == f"{path}?notice=cancel-asked"
    assert "Stopping at the next checkpoint." in (await site.get(path)).text


async def test_a_batch_without_files_has_a_page_too(site: Signed) -> None:
    (key,) = [key for key in await site.engine.access.keys.list() if "admin" in key.scopes]
    batch = await site.engine.batches.create("cli", process="people", comment="", state="ready", key=key)
    page = await site.get(f"/admin/batches/{batch.identifier}")
    for words in ("No file has been received yet.", "admin key", "Nothing yet: the log begins when the batch runs."):
        assert words in page.text
    assert page.headings[0] == "Batch"
    for more in ("log", "failed"):
        assert (await site.get(f"/admin/batches/{batch.identifier}/{more}")).status == 200
    assert (await site.get(f"/admin/batches/{batch.identifier}/failed/download")).status == 404
