"""A new import: files are checked, the summary says what would happen, and it happens once it is confirmed."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openpyxl import Workbook

from server.engine.execution.worker import JobOrder, JobSignals
from server.engine.review.proposals import Proposal
from server.engine.uploads.flow import UploadLimits
from server.engine.worker_process import job_runner
from storage.opening import open_storage
from storage.records.base import Row
from tests.wire.admin.house import AdminHouse, Signed, open_admin
from tests.wire.admin.pages import Page

NAMES = {
    "code": {"type": "text", "required": True},
    "name": {},
    "size": {"type": "integer"},
    "tags": {"multivalue": True},
}
MODEL = {
    "name": "test:things",
    "destinations": [
        {"name": "thing", "table": "things", "kind": "dictionary", "key": ["code"], "optional": True, "names": NAMES},
        {
            "name": "title",
            "table": "titles",
            "kind": "dictionary",
            "optional": True,
            "names": {"number": {"required": True}, "title": {}},
        },
    ],
}
FIELDS = [{"source": name, "destination": "thing", "name": name} for name in ("code", "name", "size")]
UPSERT = [{"action": "upsert", "destination": "thing"}, *FIELDS]
MARC = [
    {"action": "new", "destination": "title"},
    {
        "action": "for-each",
        "source": "fields",
        "instructions": [
            {"source": "001", "destination": "title", "name": "number", "multivalue": True},
            {
                "action": "within",
                "source": "245",
                "instructions": [
                    {
                        "action": "for-each",
                        "source": "subfields",
                        "instructions": [{"source": "a", "destination": "title", "name": "title", "multivalue": True}],
                    }
                ],
            },
        ],
    },
]


def control(files: Mapping[str, object], instructions: object = None) -> dict[str, Any]:
    return {
        "dataImportControlFileVersion": 0,
        "model": "test:things",
        "files": files,
        "instructions": UPSERT if instructions is None else instructions,
    }


def any_file(read: str, **options: object) -> dict[str, object]:
    return {"DEFAULT": {"read": read, **options}}


CONTROLS = {
    "csv": control(any_file("csv-with-name-row")),
    "semicolons": control(any_file("csv-with-name-row", separator=";")),
    "lines": control(any_file("json-lines")),
    "json": control(any_file("json")),
    "sheet": control(any_file("xlsx-with-name-row")),
    "marc": control(any_file("marc"), MARC),
    "two": control({"later": {"read": "csv-with-name-row"}, "earlier": {"read": "json-lines"}}),
}

GOOD_AND_BAD = b"code,name,size,shoe\na,Ada,1,38\nb,Ben,two,44\nc,Chloe,3,\n,Nobody,4,\n"


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    folder = tmp_path / "imports"
    (folder / "models").mkdir(parents=True)
    (folder / "processes").mkdir()
    (folder / "models" / "things.json").write_text(json.dumps(MODEL))
    for id, document in CONTROLS.items():
        process = {"id": id, "label": f"Things by {id}", "control": document}
        (folder / "processes" / f"{id}.json").write_text(json.dumps(process))
    return folder


async def send(site: Signed, process: str, *files: tuple[str, str, bytes], **fields: str) -> Page:
    """`files`: the field, the file's name and its content."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    for field, filename, content in files:
        form.add_field(field, content, filename=filename)
    return await site.send(f"/admin/new-import?process={process}", form)


async def proposed(site: Signed, process: str, *files: tuple[str, str, bytes], **fields: str) -> str:
    page = await send(site, process, *files, **fields)
    assert page.status == 303, page.text
    return page.to.rpartition("/")[2]


async def checked(site: Signed, identifier: str) -> Proposal:
    proposal = await site.engine.review.proposals.get(identifier)
    await site.engine.jobs.wait(proposal.job.id)
    return await site.engine.review.proposals.get(identifier)


async def summary(site: Signed, process: str, filename: str, content: bytes) -> tuple[str, Page]:
    identifier = await proposed(site, process, ("file", filename, content))
    await checked(site, identifier)
    return identifier, await site.get(f"/admin/new-import/{identifier}")


async def decide(site: Signed, identifier: str, what: str) -> Page:
    return await site.post(f"/admin/new-import/{identifier}/{what}")


async def imported(site: Signed, page: Page) -> Any:
    """The counts of the import that a confirmation led to."""
    assert page.status == 303, page.text
    batch = await site.engine.batches.get("admin", page.to.partition("?")[0].rpartition("/")[2])
    assert batch.job is not None
    return (await site.engine.jobs.wait(batch.job)).counts


async def rows(site: Signed, table: str = "things") -> list[Row]:
    def read() -> list[Row]:
        return list(site.engine.records.store.rows(table)) if table in site.engine.records.store.tables() else []

    return await asyncio.to_thread(read)


def sheet(*lines: tuple[object, ...]) -> bytes:
    book, file = Workbook(), BytesIO()
    for line in lines:
        book.active.append(line)
    book.save(file)
    return file.getvalue()


def marc(number: str, title: str) -> bytes:
    fields = [("001", number.encode() + b"\x1e"), ("245", b"00\x1fa" + title.encode() + b"\x1e")]
    directory, data = b"", b""
    for tag, content in fields:
        directory += f"{tag}{len(content):04}{len(data):05}".encode()
        data += content
    base = 24 + len(directory) + 1
    length = base + len(data) + 1
    return f"{length:05}nam a22{base:05} a 4500".encode() + directory + b"\x1e" + data + b"\x1d"


def records(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


# choosing


async def test_every_process_can_be_chosen(site: Signed) -> None:
    page = await site.get("/admin/new-import")
    assert page.status == 200
    assert all(f"Things by {id}" in page.text for id in CONTROLS)
    assert '/admin/new-import?process=csv"' in page.body


async def test_the_form_says_which_files_it_takes(site: Signed) -> None:
    page = await site.get("/admin/new-import?process=two")
    assert "code,name,size" in page.text
    assert '{"code":"…","name":"…","size":1}' in page.text
    assert page.text.index("later") < page.text.index("earlier"), "in the order in which they were written"
    assert set(page.form("/admin/new-import?process=two").fields) >= {"file-0", "file-1", "comment", "csrf"}


async def test_an_unknown_process_or_control_file_is_not_found(site: Signed) -> None:
    for query in ("process=none", "control=" + "0" * 64, "control=", "process="):
        assert (await site.get(f"/admin/new-import?{query}")).status == 404, query
    assert (await send(site, "none", ("file", "a.csv", GOOD_AND_BAD))).status == 404


async def test_a_template_is_the_names_of_the_columns(site: Signed) -> None:
    page = await site.get("/admin/new-import/template?process=semicolons&file=")
    assert page.headers["Content-Disposition"] == 'attachment; filename="semicolons.csv"'
    assert page.body.removeprefix("\ufeff") == "code;name;size\r\n"
    assert (await site.get("/admin/new-import/template?process=lines&file=")).status == 404
    assert (await site.get("/admin/new-import/template?process=csv&file=other")).status == 404


async def test_a_template_that_is_filled_in_can_be_imported(site: Signed) -> None:
    page = await site.get("/admin/new-import/template?process=csv&file=")
    _, shown = await summary(site, "csv", "filled.csv", page.body.encode() + b"a,Ada,1\r\n")
    assert "Import 1 record" in shown.text


async def test_a_template_of_a_workbook_is_a_workbook(site: Signed) -> None:
    async with site.session.get(site.address + "/admin/new-import/template?process=sheet&file=") as answer:
        content = await answer.read()
    _, page = await summary(site, "sheet", "empty.xlsx", content)
    assert "There are no records in this file" in page.text
    assert "The check could not be completed" not in page.text


async def test_a_control_file_that_was_sent_imports_too(site: Signed) -> None:
    digest = await site.engine.batches.add_control("admin", json.dumps(CONTROLS["csv"]).encode(), "By hand")
    assert (await site.get(f"/admin/new-import?control={digest}")).status == 200
    form = aiohttp.FormData()
    form.add_field("file", GOOD_AND_BAD, filename="things.csv")
    page = await site.send(f"/admin/new-import?control={digest}", form)
    identifier = page.to.rpartition("/")[2]
    await checked(site, identifier)
    counts = await imported(site, await decide(site, identifier, "confirm"))
    assert (counts.created, counts.failed) == (3, 1)


async def test_files_can_be_read_otherwise_than_the_process_says(site: Signed) -> None:
    page = await site.get("/admin/new-import?process=csv")
    assert set(page.form("/admin/new-import?process=csv").fields) >= {"charset", "separator"}
    form = aiohttp.FormData()
    form.add_field("file", "code;name\na;Zoë\n".encode("cp1252"), filename="things.csv")
    form.add_field("charset", "windows-1252")
    form.add_field("separator", ";")
    sent = await site.send("/admin/new-import?process=csv", form)
    identifier = sent.to.rpartition("/")[2]
    await checked(site, identifier)
    shown = await site.get(f"/admin/new-import/{identifier}")
    assert (
        "The files are read otherwise than the process csv says: charset 'windows-1252', separator ';'." in shown.text
    )
    await imported(site, await decide(site, identifier, "confirm"))
    (row,) = await rows(site, "things")
    assert row.values["name"] == "Zoë"


async def test_an_option_that_cannot_be_is_told_in_the_form(site: Signed) -> None:
    form = aiohttp.FormData()
    form.add_field("file", GOOD_AND_BAD, filename="things.csv")
    form.add_field("charset", "klingon")
    page = await site.send("/admin/new-import?process=csv", form)
    assert page.status == 400
    assert "Unknown charset 'klingon'" in page.text


# the summary, and what becomes of it


@pytest.mark.parametrize(
    ("process", "filename", "content", "table"),
    [
        ("csv", "things.csv", GOOD_AND_BAD, "things"),
        ("lines", "things.jsonl", records({"code": "a", "size": 1}, {"name": "x"}, {"code": "b"}) + b"{,\n", "things"),
        ("json", "things.json", json.dumps([{"code": "a"}, {"name": "x"}, {"code": "b"}]).encode(), "things"),
        ("sheet", "things.xlsx", sheet(("code", "name", "size"), ("a", "Ada", 1), (None, "x", 2)), "things"),
        ("marc", "titles.mrc", marc("1", "Rivers") + b"00030 broken record\x1d" + marc("2", "Gates"), "titles"),
    ],
)
async def test_the_import_does_what_the_summary_says(
    site: Signed, process: str, filename: str, content: bytes, table: str
) -> None:
    identifier = await proposed(site, process, ("file", filename, content))
    proposal = await checked(site, identifier)
    assert proposal.job.counts.failed > 0
    assert proposal.job.counts.created > 0
    assert await rows(site, table) == []
    counts = await imported(site, await decide(site, identifier, "confirm"))
    assert counts == proposal.job.counts
    assert len(await rows(site, table)) == counts.created


async def test_the_summary_shows_a_sample_of_each_kind(site: Signed) -> None:
    identifier, _ = await summary(site, "csv", "first.csv", b"code,name,size\na,Ada,1\nb,Ben,2\n")
    await imported(site, await decide(site, identifier, "confirm"))
    again = b"code,name,size\na,Ada,1\nb,Benjamin,2\nc,Chloe,3\n,Nobody,4\n"
    _, page = await summary(site, "csv", "second.csv", again)
    assert "created 1 Record 2 in second.csv , line 4" in page.text
    assert "updated 1 Record 1 in second.csv , line 3 Changed row in things name Ben → becomes Benjamin" in page.text
    assert "unchanged 1 Record 0 in second.csv , line 2" in page.text
    assert "failed 1 Record 3 in second.csv , line 5" in page.text
    assert "code b" not in page.text, "only what changes is shown of a changed row"


async def test_the_first_five_of_each_kind_are_shown_wherever_they_stand(site: Signed) -> None:
    """Rows are written many at a time; those that are to be shown are found all the same."""
    known = b"code,name\n" + b"".join(b"k%d,Known\n" % n for n in range(8))
    identifier, _ = await summary(site, "csv", "known.csv", known)
    await imported(site, await decide(site, identifier, "confirm"))
    lines = [b"n%d,New\n" % n for n in range(5000)]
    for n, place in enumerate((10, 1500, 1501, 2999, 3000, 3500, 4999)):
        lines[place] = b"k%d,Changed\n" % n
    proposal = await checked(site, await proposed(site, "csv", ("file", "more.csv", b"code,name\n" + b"".join(lines))))
    assert (proposal.job.counts.created, proposal.job.counts.updated) == (4993, 7)
    kinds = {kind.status: kind for kind in (await site.engine.review.summaries.of(proposal)).kinds}
    assert [one.record for one in kinds["created"].samples] == [0, 1, 2, 3, 4]
    assert [one.record for one in kinds["updated"].samples] == [10, 1500, 1501, 2999, 3000]
    assert await site.engine.jobs.outcomes(proposal.job.id, statuses=["created"]) == kinds["created"].samples


async def test_every_column_has_its_place(site: Signed) -> None:
    _, page = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    assert "code a code of thing things.code text" in page.text
    assert "shoe 38 not used" in page.text
    assert "Names that no column fills tags of thing, text" in page.text
    _, page = await summary(site, "csv", "less.csv", b"name\nAda\n")
    assert "Read, but not in the file code for code size for size" in page.text
    assert "code of thing, text required" in page.text


async def test_columns_within_a_record_have_their_place_too(site: Signed) -> None:
    _, page = await summary(site, "marc", "titles.mrc", marc("1", "Rivers"))
    assert "fields[].001 1 number of title titles.number text" in page.text
    assert "fields[].245.subfields[].a Rivers title of title titles.title text" in page.text
    assert "leader" in page.text


async def test_two_files_of_one_process(site: Signed) -> None:
    files = (("file-0", "one.csv", b"code,name\na,Ada\n"), ("file-1", "two.jsonl", records({"code": "b"})))
    identifier = await proposed(site, "two", *files, comment="Both files")
    proposal = await checked(site, identifier)
    assert [(file.name, file.filename) for file in proposal.files] == [("later", "one.csv"), ("earlier", "two.jsonl")]
    page = await site.get(f"/admin/new-import/{identifier}")
    assert page.headings[0] == "Both files"
    assert {"Columns of one.csv", "Columns of two.jsonl"} <= set(page.headings)
    counts = await imported(site, await decide(site, identifier, "confirm"))
    assert counts.created == 2


async def test_of_two_files_one_may_be_enough(site: Signed) -> None:
    identifier = await proposed(site, "two", ("file-1", "rows.jsonl", records({"code": "b"})))
    assert (await checked(site, identifier)).job.counts.created == 1


# deciding


async def test_the_two_batches_name_each_other(site: Signed) -> None:
    identifier, page = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    assert "Import 3 records" in page.text
    confirmed = await decide(site, identifier, "confirm")
    batch = confirmed.to.partition("?")[0]
    await imported(site, confirmed)
    assert f"/admin/batches/{identifier}" in (await site.get(batch)).links.values()
    assert {batch, f"/admin/new-import/{identifier}"} <= set(
        (await site.get(f"/admin/batches/{identifier}")).links.values()
    )
    assert batch in (await site.get(f"/admin/new-import/{identifier}")).links.values()
    assert (await site.get(batch.replace("batches", "new-import"))).to == batch


@pytest.mark.parametrize("before", ["confirm", "abandon", "again"])
@pytest.mark.parametrize("then", ["confirm", "abandon", "again"])
async def test_what_is_decided_stays_so(site: Signed, before: str, then: str) -> None:
    identifier, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    first = await decide(site, identifier, before)
    assert first.status == 303
    made = len(await site.engine.batches.list(api="admin"))
    second = await decide(site, identifier, then)
    assert second.status == 409
    assert "Correct this first:" in second.text
    assert len(await site.engine.batches.list(api="admin")) == made
    assert f"/admin/new-import/{identifier}/confirm" not in second.body


async def test_two_people_who_confirm_at_once_import_once(site: Signed) -> None:
    identifier, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    pages = await asyncio.gather(*(decide(site, identifier, "confirm") for _ in range(4)))
    assert sorted(page.status for page in pages) == [303, 409, 409, 409]
    assert len(await site.engine.batches.list(api="admin")) == 2


async def test_what_is_abandoned_leaves_no_file(site: Signed, admin: AdminHouse) -> None:
    identifier, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    blob = blob_of(admin.data_dir, GOOD_AND_BAD)
    assert blob.exists()
    assert (await decide(site, identifier, "abandon")).to.endswith("?notice=import-abandoned")
    await wait_for_deletion(site, identifier)
    assert not blob.exists()
    page = await site.get(f"/admin/new-import/{identifier}")
    assert "Nothing was imported, and the files were removed" in page.text
    assert (await site.engine.batches.get("admin", identifier)).state == "cancelled"
    assert await rows(site) == []
    copied = await site.post(f"/admin/batches/{identifier}/copy")
    assert copied.status == 400
    assert "send them again" in copied.text


async def test_files_that_another_batch_needs_stay(site: Signed, admin: AdminHouse) -> None:
    kept, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    dropped, _ = await summary(site, "csv", "same.csv", GOOD_AND_BAD)
    await decide(site, dropped, "abandon")
    await wait_for_deletion(site, dropped)
    assert not (await site.engine.review.proposals.get(dropped)).files
    assert blob_of(admin.data_dir, GOOD_AND_BAD).exists()
    assert (await imported(site, await decide(site, kept, "confirm"))).created == 3


async def test_where_all_failed_there_is_nothing_to_confirm(site: Signed) -> None:
    identifier, page = await summary(site, "csv", "things.csv", b"code,name\n,Ada\n,Ben\n")
    assert "Every record failed: nothing can be imported" in page.text
    assert "Import 0" not in page.text
    assert (await decide(site, identifier, "confirm")).status == 409


async def test_where_nothing_would_change_there_is_nothing_to_confirm(site: Signed) -> None:
    identifier, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    await imported(site, await decide(site, identifier, "confirm"))
    identifier, page = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    assert "Nothing would change" in page.text
    assert (await decide(site, identifier, "confirm")).status == 409


async def test_a_model_that_was_changed_is_told_and_can_be_checked_again(site: Signed, admin: AdminHouse) -> None:
    identifier, page = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    assert "was changed" not in page.text
    changed = json.loads(json.dumps(MODEL))
    changed["destinations"][0]["names"]["size"]["type"] = "text"
    await asyncio.to_thread((admin.imports / "models" / "things.json").write_text, json.dumps(changed))
    assert await asyncio.to_thread(site.engine.definitions.reload) == []
    page = await site.get(f"/admin/new-import/{identifier}")
    assert "The model test:things was changed after this check" in page.text
    later = (await decide(site, identifier, "again")).to.partition("?")[0].rpartition("/")[2]
    await checked(site, later)
    page = await site.get(f"/admin/new-import/{later}")
    assert "was changed" not in page.text


async def test_a_process_that_was_changed_is_told_and_its_old_control_file_is_used(
    site: Signed, admin: AdminHouse
) -> None:
    identifier, _ = await summary(site, "csv", "things.csv", GOOD_AND_BAD)
    other = {"id": "csv", "label": "Another", "control": control(any_file("csv-with-name-row"), UPSERT[:2])}
    await asyncio.to_thread((admin.imports / "processes" / "csv.json").write_text, json.dumps(other))
    assert await asyncio.to_thread(site.engine.definitions.reload) == []
    assert "The process csv was changed" in (await site.get(f"/admin/new-import/{identifier}")).text
    await imported(site, await decide(site, identifier, "confirm"))
    assert (await rows(site))[0].values["name"] == "Ada"


# what is sent wrongly

AMBIGUOUS = b"<r>" + b"<!-- a --><!-- <p/> --><p\t/>--><!--" * 1000 + b"<\t/>"  # comments that may end in many places


@pytest.mark.parametrize(
    ("process", "files", "said"),
    [
        ("csv", [], "Choose a file to import"),
        ("csv", [("file", "", b"")], "Choose a file to import"),
        ("csv", [("file", "empty.csv", b"")], "empty.csv is empty"),
        ("csv", [("file", "a.csv", b"code\na\n"), ("file", "a.csv", b"code\nb\n")], "two files for a.csv"),
        ("two", [("file", "other.csv", b"code\na\n")], "known are later, earlier"),
        ("two", [("file-0", "a.csv", b"x"), ("file", "later.csv", b"y")], "two files for later"),
    ],
)
async def test_wrong_files_are_told_and_nothing_is_kept(
    site: Signed, admin: AdminHouse, process: str, files: list[tuple[str, str, bytes]], said: str
) -> None:
    page = await send(site, process, *files, comment="Kept as typed")
    assert page.status == 400
    assert said in page.text
    assert 'value="Kept as typed"' in page.body
    assert await site.engine.batches.list() == []
    assert not [path for path in (admin.data_dir / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("process", "filename", "content", "said"),
    [
        ("csv", "things.xlsx", sheet(("code",), ("a",)), "looks like an Excel workbook, but is read as"),
        ("sheet", "things.csv", GOOD_AND_BAD, "looks like a table of text (CSV), but is read as an Excel workbook"),
        ("lines", "things.csv", GOOD_AND_BAD, "looks like a table of text (CSV), but is read as JSON Lines"),
        ("csv", "things.csv", b"code;name\na;Ada\nb;Ben\n", "semicolons between its columns, but is read with commas"),
        ("json", "things.json", records({"code": "a"}, {"code": "b"}), "looks like JSON Lines, but is read as JSON"),
        ("marc", "things.json", b'[{"code": "a"}]', "looks like JSON, but is read as binary MARC"),
        ("lines", "things.xml", AMBIGUOUS, "things.xml looks like XML, but is read as JSON Lines"),
    ],
)
async def test_a_file_of_another_format_is_told(
    site: Signed, process: str, filename: str, content: bytes, said: str
) -> None:
    identifier, page = await summary(site, process, filename, content)
    assert said in page.text
    assert f"/admin/new-import/{identifier}/confirm" not in page.body


async def test_files_that_fit_are_not_doubted(site: Signed) -> None:
    for process, filename, content in (
        ("csv", "one.csv", b"code\na\n"),
        ("csv", "things.csv", GOOD_AND_BAD),
        ("lines", "one.jsonl", records({"code": "a"})),
        ("lines", "one.txt", records({"code": "a"}, {"code": "b"})),
        ("sheet", "one.xlsx", sheet(("code",), ("a",))),
        ("marc", "one.mrc", marc("1", "Rivers")),
    ):
        _, page = await summary(site, process, filename, content)
        assert "looks like" not in page.text, filename
        assert "seems to have" not in page.text, filename


async def test_a_check_that_breaks_off_says_why_and_cannot_be_confirmed(site: Signed) -> None:
    identifier, page = await summary(site, "json", "things.json", b'[{"code": "a"}, {"code": ')
    assert page.text.count("things.json: ") == 1, "the reason is told once"
    assert "The check could not be completed" in page.text
    assert (await decide(site, identifier, "confirm")).status == 409
    assert (await decide(site, identifier, "abandon")).status == 303


async def test_the_token_may_come_in_the_header_and_must_come(site: Signed) -> None:
    for headers, status in (({"X-CSRF-Token": site.token}, 303), ({"X-CSRF-Token": "stale"}, 400), ({}, 400)):
        form = aiohttp.FormData()
        form.add_field("file", GOOD_AND_BAD, filename="things.csv")
        where = "/admin/new-import?process=csv"
        page = await site.ask("POST", where, data=form, headers={"Origin": site.address, **headers})
        assert page.status == status
    assert len(await site.engine.batches.list()) == 1


async def test_other_batches_are_no_proposals(site: Signed, admin: AdminHouse) -> None:
    batch = await site.engine.batches.create("admin", process="csv", comment="Made elsewhere")
    page = await site.get(f"/admin/new-import/{batch.identifier}")
    assert page.to == f"/admin/batches/{batch.identifier}"
    assert (await decide(site, batch.identifier, "confirm")).status == 404
    assert (await site.get("/admin/new-import/none")).status == 404


# while it is checked, and when the server goes away


@pytest.fixture
async def waiting(tmp_path: Path, imports: Path) -> AsyncIterator[AdminHouse]:
    """A server that runs no jobs."""
    async with open_admin(tmp_path / "data", imports, jobs_run=False) as house:
        yield house


async def test_while_it_waits_the_page_follows_and_lets_go(waiting: AdminHouse) -> None:
    site = await waiting.signed()
    identifier = await proposed(site, "csv", ("file", "things.csv", GOOD_AND_BAD))
    page = await site.get(f"/admin/new-import/{identifier}")
    assert "Waiting to be checked" in page.text
    assert 'id="proposal" data-live' in page.body
    assert (await decide(site, identifier, "confirm")).status == 409
    assert (await decide(site, identifier, "again")).status == 409
    assert (await decide(site, identifier, "abandon")).status == 303
    assert (await site.engine.batches.get("admin", identifier)).state == "cancelled"
    page = await site.get(f"/admin/new-import/{identifier}")
    assert "Abandoned" in page.text
    assert "data-live" not in page.body


class StopAfter(threading.Event):
    """Asks a run to stop once it has looked so often."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0


async def test_a_check_that_is_interrupted_shows_the_same_in_the_end(waiting: AdminHouse) -> None:
    """A dry run leaves nothing behind, so it begins anew: so do its samples."""
    site = await waiting.signed()
    lines = b"".join(b"k%d,%s\n" % (n, b"" if n % 7 == 3 else b"x") for n in range(2500))
    content = b"name,code\n" + lines
    shown = []
    for stops in ((), (0, 1, 2, 2)):
        identifier = await proposed(site, "csv", ("file", "things.csv", content))
        for looks in (*stops, 1000):
            verdict = await work(site, waiting, identifier, StopAfter(looks))
            assert verdict == ("done" if looks == 1000 else "interrupted")
        found = await site.engine.review.summaries.of(await site.engine.review.proposals.get(identifier))
        shown.append((found.kinds, found.matched, [file.columns for file in found.files]))
    assert shown[0] == shown[1]
    assert len(shown[0][0][4].samples) == 5


async def work(site: Signed, house: AdminHouse, identifier: str, stop: threading.Event) -> str:
    """What a worker does with the job of a proposal."""
    storage = await asyncio.to_thread(open_storage, house.data_dir)
    try:
        now = datetime.now(UTC) + timedelta(seconds=1)
        job = await storage.queue.claim("a worker", now, 60, modes=("dry-run",))
        assert job is not None
        assert job.id == (await site.engine.review.proposals.get(identifier)).job.id
        order = JobOrder(job.id, "a worker", dict(site.engine.definitions.models), 1000)
        verdict = await asyncio.to_thread(job_runner(storage), order, JobSignals(stop, lambda read: None))
        if verdict.kind == "interrupted":
            assert await storage.queue.release(job.id, "a worker", now, counted=False)
        return verdict.kind
    finally:
        await storage.close()


async def test_a_proposal_outlives_the_server(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, jobs_run=False) as house:
        site = await house.signed()
        identifier = await proposed(site, "csv", ("file", "things.csv", GOOD_AND_BAD))
    async with open_admin(tmp_path / "data", imports) as house:
        site = await house.signed()
        await checked(site, identifier)
        assert "Import 3 records" in (await site.get(f"/admin/new-import/{identifier}")).text
        assert (await imported(site, await decide(site, identifier, "confirm"))).created == 3


async def test_what_was_abandoned_is_let_go_after_a_restart(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, jobs_run=False) as house:
        site = await house.signed()
        identifier = await proposed(site, "csv", ("file", "things.csv", GOOD_AND_BAD))
        await decide(site, identifier, "abandon")
    blob = blob_of(tmp_path / "data", GOOD_AND_BAD)
    assert blob.exists()
    async with open_admin(tmp_path / "data", imports) as house:
        await wait_for_deletion(await house.signed(), identifier)
        assert not blob.exists()


async def test_a_body_that_is_too_large_leaves_nothing(tmp_path: Path, imports: Path) -> None:
    limits = UploadLimits(min_free_bytes=0, max_upload_bytes=1000)
    async with open_admin(tmp_path / "data", imports, limits=limits) as house:
        site = await house.signed()
        page = await send(site, "csv", ("file", "large.csv", b"code\n" + b"a\n" * 1000))
        assert page.status == 413
        assert await site.engine.batches.list() == []


def blob_of(data_dir: Path, content: bytes) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    return data_dir / "blobs" / "sha256" / digest[:2] / digest[2:4] / digest


async def wait_for_deletion(site: Signed, identifier: str) -> None:
    """Until the task that removes the files has been done."""
    proposal = await site.engine.review.proposals.get(identifier)
    task = (await site.engine.jobs.list(batch=proposal.batch.id))[0]
    assert task.kind == "let-go"
    assert (await site.engine.jobs.wait(task.id)).state == "done"
