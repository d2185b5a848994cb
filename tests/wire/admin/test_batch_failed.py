"""Failed records: by cause, and as a file that fails in the same way when it is imported again."""

import asyncio
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import openpyxl
import pytest

from server.engine.batches.failure_causes import id_of, masked
from server.engine.vendors.folio.source_records import control_file
from storage.catalog.base import Batch, Outcome
from tests.wire.admin.house import Signed

MARC = b"00050     2200037   4500245001200000\x1e01\x1faTitle..\x1e\x1d"
BAD_MARC = b"abcde" + MARC[5:]
MARCXML = "http://www.loc.gov/MARC21/slim"
LONG = "x" * 100_000  # more than the catalog keeps of a record
UNH = b"UNH+1+INVOIC:D:96A'BGM+380+94999+9'"

Control = Callable[[str], bytes]
Files = Mapping[str, bytes]


def of_people(read: str, **options: object) -> Control:
    """Records without an e-mail address fail."""
    document = {
        "dataImportControlFileVersion": 0,
        "model": "example:people",
        "files": {"DEFAULT": {"read": read, **options}},
        "instructions": [
            {"action": "upsert", "destination": "profile"},
            *({"source": name, "destination": "profile", "name": name} for name in ("email", "name")),
        ],
    }
    return lambda _: json.dumps(document).encode()


def of_library(read: str) -> Control:
    """Records that cannot be read fail."""
    return lambda job: control_file(job, "demo", read)


def saved(*rows: Sequence[object], sheets: Sequence[str] = ("Data",)) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


class Case(NamedTuple):
    control: Control
    content: bytes
    failing: int
    filename: str = "people.dat"
    begins: bytes = b""


def json_of(*records: object) -> bytes:
    return json.dumps(records).encode()


def chunk(*records: bytes) -> bytes:
    texts = [{"record": record.decode()} for record in records]
    metadata = {"contentType": "MARC_RAW", "counter": len(texts), "last": True}
    return json.dumps({"id": "c1", "recordsMetadata": metadata, "initialRecords": texts}).encode()


def marcxml(*records: str, root: str = f'collection xmlns="{MARCXML}"') -> bytes:
    return f"<{root}>{''.join(records)}</{root.partition(' ')[0]}>".encode()


GOOD_XML = '<record><leader>x</leader><datafield tag="245"><subfield code="a">T</subfield></datafield></record>'
BAD_XML = '<record><datafield tag="245"><subfield>no code</subfield></datafield></record>'
BAD_JSON_MARC = {"leader": "x", "fields": [{"245": 7}]}
GOOD_JSON_MARC = {"leader": "x", "fields": [{"001": "n"}]}

CASES = {
    "json-lines": Case(
        of_people("json-lines"),
        b'\xef\xbb\xbf{"email": "a@b"}\n\n{"name": "Zo\xc3\xab"}\r\n{broken\n{"email": "c@d"}\n{"name": 7}',
        3,
        "people.jsonl",
        b'{"name": "Zo',
    ),
    "json": Case(of_people("json"), json_of({"name": "Zoë"}, {"email": "a@b"}, {"name": "Bob, [Jr]"}), 2),
    "json, values of an object": Case(of_people("json"), b'{"a": {"name": "A"}, "b": {"email": "b@c"}}', 1),
    "json, one record": Case(of_people("json", singleRecord=True), b'{"name": "A"}', 1, begins=b'{"name"'),
    "csv": Case(
        of_people("csv-with-name-row"),
        b'\xef\xbb\xbfname,email\r\nAda,a@b\r\n"Bob\nthe ""second""",\r\n\r\nC,c@d,more\r\nDora,\r\n',
        3,
        "people.csv",
        b"\xef\xbb\xbfname,email\r\n",
    ),
    "csv in another charset": Case(
        of_people("csv-with-name-row", charset="windows-1252", separator=";", quote="'"),
        "größe;name;email\n1;'Zoë;';\n2;Ada;a@b\n3;Bob;".encode("cp1252"),
        2,
        begins="größe;name;email\n1;'Zoë;';\n".encode("cp1252"),
    ),
    "csv in UTF-16": Case(
        of_people("csv-with-name-row", charset="utf-16"),
        "name,email\nZoë,\nAda,a@b\nBob,\n".encode("utf-16"),
        2,
        begins="name,email\nZoë,\n".encode("utf-16"),
    ),
    "csv, bytes of another charset": Case(of_people("csv-with-name-row"), b"name,email\nZo\xeb,a@b\nA,c@d\nB,\n", 2),
    "tsv": Case(of_people("tsv-with-name-row"), b"\nname\temail\nAda\ta@b\nBob\t\nCleo\n", 2, "people.tsv"),
    "xml": Case(
        of_people("xml-text-of-children"),
        '<?xml version="1.0"?><!-- x --><people xmlns:p="urn:p" of="a &lt; b"><p:one><name>Zoë</name></p:one>'
        "<p:one><email>a@b</email></p:one><p:one><name/></p:one><p:none/></people>".encode(),
        3,
    ),
    "xml in Latin-1": Case(
        of_people("xml-text-of-children"),
        '<?xml version="1.0" encoding="ISO-8859-1"?><r><p><name>Zoë</name></p></r>'.encode("latin-1"),
        1,
    ),
    "xml in UTF-16": Case(of_people("xml-text-of-children"), "<r><p><name>Zoë</name></p></r>".encode("utf-16"), 1),
    "xml in windows-1252": Case(
        of_people("xml-attributes"),
        '<?xml version="1.0" encoding="windows-1252"?><größe><p name="„Zoë“"/></größe>'.encode("cp1252"),
        1,
    ),
    "xml, one record": Case(
        of_people("xml-text-of-children", singleRecord=True),
        '<?xml version="1.0" encoding="ISO-8859-1"?><p><name>Zoë</name></p>'.encode("latin-1"),
        1,
    ),
    "xml-attributes": Case(of_people("xml-attributes"), b'<r><p name="A>B"/><p email="a@b"/><p name="C">x</p></r>', 2),
    "marc": Case(of_library("source-records-marc"), MARC + BAD_MARC + MARC + b"\n" + BAD_MARC, 2, "books.mrc"),
    "marc, cut off": Case(of_people("marc"), MARC + b"00050     22000", 2),
    "marc, without a mark": Case(of_library("source-records-marc"), MARC + b"00099" + MARC[5:-1], 1),
    "marc-xml": Case(of_library("source-records-marc-xml"), marcxml(GOOD_XML, BAD_XML, GOOD_XML, BAD_XML), 2),
    "marc-xml, the root is a record": Case(
        of_library("source-records-marc-xml"), BAD_XML.replace("record>", "m:record>", 2).encode(), 1
    ),
    "marc-xml in envelopes": Case(
        of_people("marc-xml"),
        marcxml(f"<record><metadata>{GOOD_XML}</metadata></record>" * 2, root="OAI-PMH"),
        2,
    ),
    "marc-json": Case(of_library("source-records-marc-json"), json_of(GOOD_JSON_MARC, BAD_JSON_MARC, [1]), 2),
    "marc-json on lines": Case(
        of_library("source-records-marc-json"),
        b"\n".join(json.dumps(one).encode() for one in (GOOD_JSON_MARC, BAD_JSON_MARC, GOOD_JSON_MARC)),
        1,
    ),
    "marc-json, one record": Case(
        of_library("source-records-marc-json"), json.dumps(BAD_JSON_MARC, indent=1).encode(), 1
    ),
    "edifact": Case(
        of_library("source-records-edifact"),
        b"UNA:+.? 'UNB+UNOC:3+A+B+250101:1200+REF?+1'" + UNH + b"UNT+3+1'" + UNH + b"UNT+9+1'UNZ+2+REF?+1'",
        1,
        begins=b"UNA:+.? 'UNB+UNOC:3+A+B+250101:1200+REF?+1'UNH",
    ),
    "edifact, odd signs": Case(of_people("edifact"), b"UNA|!.\\ ~UNH!1!INVOIC|D~BGM!380~UNT!3!1~", 1),
    "edifact, segments": Case(of_people("edifact", record="segment"), UNH, 2),
    "chunk": Case(of_library("source-records-chunk"), chunk(MARC, BAD_MARC, MARC + MARC), 2),
    "xlsx": Case(
        of_people("xlsx-with-name-row"),
        saved(
            ["name", "email", 2024],
            ["Ada", "a@b"],
            ["<Zoë> & co", None, 7],
            [],
            [" Bob ", "", 7.5, "more"],
            [True, None, -1],
        ),
        3,
        "people.xls",
        b"PK\x03\x04",
    ),
    "xlsx, another sheet": Case(
        of_people("xlsx-with-name-row", sheet=2), saved(["name", "email"], ["Bob"], sheets=("A", "B")), 1
    ),
    "xlsx, a named sheet": Case(
        of_people("xlsx-with-name-row", sheet="B & C"), saved(["name", "email"], ["Bob"], sheets=("A", "B & C")), 1
    ),
    "csv, a long record": Case(
        of_people("csv-with-name-row"), f"name,email\nA,\nB,b@c\n{LONG},\nC,\n".encode(), 3, "people.csv"
    ),
    "json, a long record": Case(of_people("json"), json_of({"name": LONG + "end"}, {"email": "a@b"}), 1),
    "json-lines, a long record": Case(of_people("json-lines"), b'{"name": "' + LONG.encode() + b'"}\n{}\n', 2),
    "xml, a long record": Case(of_people("xml-attributes"), f'<r><p name="{LONG}"/><p/></r>'.encode(), 2),
    "marc, a long record": Case(of_people("marc"), MARC + b"99999" + MARC[5:-1] + b"x" * 90_000 + b"\x1d" + MARC, 3),
    "xlsx, a long record": Case(
        of_people("xlsx-with-name-row"),
        saved(["name", "email", "c", "d"], ["A"], [LONG[:30_000], None, LONG[:30_000], LONG[:30_000]], ["B"]),
        3,
    ),
    "json-lines, a line too long": Case(
        of_people("json-lines"), b'{"email": "a@b"}\n{"name": "' + b"x" * (17 << 20) + b'"}\n{}\n', 2
    ),
    "csv, a line too long": Case(
        of_people("csv-with-name-row"), b"name,email\nA,\n" + b"x" * (17 << 20) + b",\nB,", 3
    ),
}  # fmt: skip


async def imported(site: Signed, control: bytes, files: Files, filename: str) -> Batch:
    digest = await site.engine.batches.add_control("haplo-batch", control, "test")
    batch = await site.engine.batches.create("haplo-batch", control=digest, comment="Example")
    for name, content in files.items():
        pieces = [content, b""]

        async def read(pieces: list[bytes] = pieces) -> bytes:
            return pieces.pop(0)

        upload = await site.engine.uploads.receive_octets(read, filename=filename)
        await site.engine.batches.add_file("haplo-batch", batch.identifier, name, upload)
    await site.run(batch)
    return await site.engine.batches.get(None, batch.identifier)


async def downloaded(site: Signed, batch: Batch, file: str = "data0") -> tuple[bytes, Mapping[str, str]]:
    path = f"{site.address}/admin/batches/{batch.identifier}/failed/download"
    async with site.session.get(path, params={"file": file}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read(), dict(answer.headers)


async def failures(site: Signed, batch: Batch) -> Sequence[Outcome]:
    assert batch.job is not None
    return await site.engine.jobs.outcomes(batch.job, statuses=("failed",))  # type: ignore[arg-type]


def told(outcome: Outcome) -> tuple[str, bytes]:
    return masked(outcome.message or ""), (outcome.original or b"").strip()


@pytest.mark.parametrize("part", range(4))
async def test_what_failed_fails_again_and_nothing_else_comes(site: Signed, part: int) -> None:
    for name in [*CASES][part::4]:
        case = CASES[name]
        first = await imported(site, case.control(f"{name} 1"), {"data0": case.content}, case.filename)
        before = await failures(site, first)
        assert len(before) == case.failing, (name, before)
        content, headers = await downloaded(site, first)
        assert content.startswith(case.begins), (name, content[:200])
        assert headers["Content-Disposition"].startswith("attachment; "), name
        second = await imported(site, case.control(f"{name} 2"), {"data0": content}, case.filename)
        after = await failures(site, second)
        assert [told(one) for one in after] == [told(one) for one in before], (name, content[:500])
        job = await site.engine.jobs.get(str(second.job))
        assert (job.state, job.counts.read) == ("done", case.failing), (name, content[:500])


async def test_the_file_is_called_after_the_one_that_came(site: Signed) -> None:
    names = {"people.jsonl": "people-failed.jsonl", "Köpfe.txt": "Köpfe-failed.txt", "": "data0-failed.jsonl"}
    for filename, wanted in names.items():
        batch = await imported(site, of_people("json-lines")(""), {"data0": b"{}\n"}, filename)
        page = await site.get(f"/admin/batches/{batch.identifier}/failed")
        assert wanted in page.links, filename
        answer = await site.get(page.links[wanted])
        assert answer.status == 200


async def test_each_file_of_a_batch_gives_its_own(site: Signed) -> None:
    document: dict[str, Any] = json.loads(of_people("json-lines")(""))
    document["files"] = {"one": {"read": "json-lines"}, "two": {"read": "csv-with-name-row"}}
    files = {"one": b'{"name": "A"}\n{"email": "a@b"}\n', "two": f"name,email\nB,\n{LONG},\nC,c@d".encode()}
    batch = await imported(site, json.dumps(document).encode(), files, "")
    assert (await downloaded(site, batch, "one"))[0] == b'{"name": "A"}\n'
    assert (await downloaded(site, batch, "two"))[0] == f"name,email\nB,\n{LONG},\n".encode()
    for wrong in ("?file=three", ""):
        page = await site.get(f"/admin/batches/{batch.identifier}/failed/download{wrong}")
        assert page.status == 404


async def test_a_batch_whose_control_file_knows_no_such_file_offers_nothing(site: Signed) -> None:
    document: dict[str, Any] = json.loads(of_people("json-lines")(""))
    document["files"] = {"other": {"read": "json-lines"}}
    batch = await imported(site, json.dumps(document).encode(), {"data0": b"{}"}, "people.jsonl")
    page = await site.get(f"/admin/batches/{batch.identifier}/failed")
    assert page.status == 200
    assert "The import as a whole ended early" in page.text


async def test_causes_are_counted_and_filter_the_records(site: Signed) -> None:
    rows = [b"{broken %d\n" % n for n in range(5)] + [b"{}\n"] * 3 + [b'{"email": "x@y"}\n']
    batch = await imported(site, of_people("json-lines")(""), {"data0": b"".join(rows)}, "people.jsonl")
    path = f"/admin/batches/{batch.identifier}/failed"
    page = await site.get(path)
    assert "8 of 9 records failed" in page.text
    causes = [(one.count, one.record) for one in (await causes_of(site, batch)).causes]
    assert causes == [(5, 0), (3, 5)]
    (broken,) = [words for words in page.links if "not valid JSON" in words]
    chosen = await site.get(page.links[broken])
    assert "Record 4" in chosen.text
    assert "Record 5" not in chosen.text
    assert "{broken 3" in chosen.text
    assert (await site.get(f"{path}?cause=unknown")).status == 200


async def causes_of(site: Signed, batch: Batch) -> Any:
    return await site.engine.monitoring.failure_causes.causes(await site.engine.jobs.get(str(batch.job)))


async def test_records_stored_with_warnings_are_shown_by_cause_and_given_back(site: Signed) -> None:
    rows = [{"email": "a@example.org", "name": ["A", "<b>"]}, {"email": "b@example.org", "name": "B"}]
    batch = await imported(site, of_people("json")("x"), {"data0": json.dumps(rows).encode()}, "people.json")
    path = f"/admin/batches/{batch.identifier}"
    shown = await site.get(path)
    assert "1 with warnings" in shown.text
    listed = await site.get(f"{path}/warnings")
    assert "is not stored as" in listed.text
    assert "<b>" not in listed.body
    again = await site.get(f"{path}/warnings/download?file=data0")
    assert json.loads(again.body) == rows[:1]


async def test_failed_records_are_paged(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.admin.batches.failed.PAGE", 3)
    batch = await imported(site, of_people("json-lines")(""), {"data0": b"{}\n{x\n" * 5}, "people.jsonl")
    cause = (await causes_of(site, batch)).causes[0].id
    for query, wanted in (("", 10), (f"?cause={cause}", 5)):
        seen: list[str] = []
        page = await site.get(f"/admin/batches/{batch.identifier}/failed{query}")
        while True:
            seen += re.findall(r'class="where">\s*(Record \d+)', page.body)
            if "Next page" not in page.links:
                break
            page = await site.get(page.links["Next page"])
        assert len(seen) == len(set(seen)) == wanted


async def test_a_search_for_a_cause_says_how_far_it_looked(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.engine.batches.failure_causes.ALL", 4)
    batch = await imported(site, of_people("json-lines")(""), {"data0": b"{x\n" * 5 + b"{}\n"}, "people.jsonl")
    rare = (await failures(site, batch))[-1]
    cause = id_of(masked(rare.message or ""))
    page = await site.get(f"/admin/batches/{batch.identifier}/failed?cause={cause}")
    assert "0 of them have this cause" in page.text
    further = await site.get(page.links["Continue the search"])
    assert "Record 5" in further.text


async def test_a_record_that_cannot_be_read_again_breaks_the_download_off(site: Signed) -> None:
    content = b"name,email\nA,\n" * 20_000 + f"{LONG},\n".encode()
    batch = await imported(site, of_people("csv-with-name-row")(""), {"data0": content}, "people.csv")
    (file,) = await site.engine.batches.files(batch)
    assert (await downloaded(site, batch))[0].endswith(f"{LONG},\n".encode())
    _, path = await site.engine.batches.stored(batch.identifier, file.id)
    await asyncio.to_thread(shorten, path, 100_000)
    with pytest.raises(aiohttp.ClientPayloadError):
        await downloaded(site, batch)


def shorten(path: Path, size: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize("reads", ["csv-with-name-row", "xlsx-with-name-row"])
async def test_a_file_that_is_gone_is_a_clear_answer(site: Signed, reads: str) -> None:
    content = b"name,email\nA,\n" if reads.startswith("csv") else saved(["name", "email"], ["A"])
    batch = await imported(site, of_people(reads)(""), {"data0": content}, "people")
    (file,) = await site.engine.batches.files(batch)
    _, path = await site.engine.batches.stored(batch.identifier, file.id)
    await asyncio.to_thread(path.unlink)
    page = await site.get(f"/admin/batches/{batch.identifier}/failed/download")
    assert page.status == 409
    assert "the file that the records came in is gone" in page.text.lower()
