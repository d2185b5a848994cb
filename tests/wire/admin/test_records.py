"""Records on the site: tables, pages of rows that take the same time however many there are, one row, and export."""

import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.wire.admin.house import Signed, open_admin

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 1_000_000

MODEL = {
    "name": "example:people",
    "label": "People",
    "qualifiers": ["former"],
    "destinations": [
        {
            "name": "profile",
            "label": "Person",
            "table": "people",
            "kind": "object",
            "title": "title",
            "key": ["email"],
            "lookups": {"username": "user"},
            "names": {
                "title": {"type": "person-name", "required": True},
                "email": {"type": "email-address", "description": "where letters go"},
                "user": {"type": "text"},
                "born": {"type": "datetime"},
                "active": {"type": "boolean"},
                "age": {"type": "integer"},
                "tags": {"type": "text", "multivalue": True},
                "home": {"type": "url"},
                "address": {"type": "postal-address"},
                "facts": {"type": "json"},
                "note": {"type": "text-multiline"},
                "boss": {"type": "ref", "refers_to": "people"},
            },
        },
        {
            "name": "book",
            "table": "books",
            "kind": "dictionary",
            "depends": "profile",
            "depends_column": "author",
            "optional": True,
            "key": ["series", "volume"],
            "names": {"title": {}, "series": {}, "volume": {"type": "integer"}, "sold": {"type": "boolean"}},
        },
        {
            "name": "empty",
            "table": "later",
            "kind": "dictionary",
            "optional": True,
            "names": {"flag": {"type": "boolean"}},
        },
        {
            "name": "small",
            "table": "hundred",
            "kind": "dictionary",
            "optional": True,
            "key": ["code"],
            "names": {"code": {}, "text": {}},
        },
        {
            "name": "large",
            "table": "million",
            "kind": "dictionary",
            "optional": True,
            "key": ["code"],
            "names": {"code": {}, "text": {}},
        },
    ],
}

CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "example:people",
    "files": {"DEFAULT": {"read": "json-lines"}},
    "instructions": [
        {"action": "new", "destination": "profile"},
        {"source": "name", "destination": "profile", "name": "title"},
        *(
            {"source": n, "destination": "profile", "name": n}
            for n in ("email", "user", "age", "home", "note", "facts")
        ),
        {"source": "former", "destination": "profile", "name": "user", "qualifier": "former"},
        {"source": "born", "destination": "profile", "name": "born", "dateFormat": "yyyy-MM-dd"},
        {"source": "active", "destination": "profile", "name": "active"},
        {"source": "address", "destination": "profile", "name": "address"},
        {"source": "boss", "destination": "profile", "name": "boss", "filters": ["haplo:string-to-ref"]},
        {
            "action": "for-each",
            "source": "tags",
            "wrapValues": True,
            "instructions": [{"source": "value", "destination": "profile", "name": "tags", "multivalue": True}],
        },
        {
            "action": "for-each",
            "source": "books",
            "instructions": [
                {"action": "new", "destination": "book"},
                *({"source": n, "destination": "book", "name": n} for n in ("title", "series", "volume")),
                {"action": "set-value", "destination": "book", "name": "sold", "value": True},
            ],
        },
    ],
}

ADA = {
    "name": {"last": "Moss", "first": "Ada"},
    "email": "ada@example.org",
    "user": "ada",
    "former": "adele",
    "born": "1990-02-03",
    "active": "true",
    "age": 41,
    "tags": ["red", "green", "blue", "grey"],
    "home": "https://example.org/ada",
    "address": {"street1": "1 High St", "city": "Leeds", "country": "GB"},
    "facts": {"a": [1, 2]},
    "note": "x" * 100 + "\nlast line",
    "books": [{"title": "One", "series": "s", "volume": 1}, {"title": "Two", "series": "s", "volume": 2}],
}
BEN = {"name": {"last": "<b>Ben</b>"}, "email": "b@example.org", "home": "javascript:alert(1)", "boss": "1"}


def fill(database: Path, table: str, rows: int) -> None:
    """As an import would have left it, quicker."""
    connection = sqlite3.connect(database)
    connection.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
        f"INSERT INTO {table} (code, text, _job, _record, _version, _created_at, _updated_at) "
        "SELECT 'c' || i, 'text ' || i, 'none', i, 1, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM n"
    )
    connection.commit()
    connection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for room, document in (("models", MODEL), ("processes", {"id": "people", "control": CONTROL})):
        (folder / room).mkdir()
        (folder / room / "people.json").write_text(json.dumps(document))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> AsyncIterator[Signed]:
    """One server with two people and a million rows; these tests only read."""
    async with open_admin(tmp_path_factory.mktemp("records") / "data", folder) as house:
        site = await house.signed()
        batch = await site.batch(ADA, BEN, {"name": {"last": "Nobody"}, "email": "wrong"})
        await site.run(batch)
        for table, rows in (("hundred", 100), ("million", MANY)):
            await asyncio.to_thread(fill, house.data_dir / "records.db", table, rows)
        yield site


async def test_tables_are_listed_with_how_many_rows_they_can_have(shared: Signed) -> None:
    page = await shared.get("/admin/records")
    assert page.status == 200
    assert page.headings == ["Records"]
    for table in ("people", "books", "later", "hundred", "million", "source_records"):
        assert page.links[table] == f"/admin/records/{table}"
    assert "1 000 000" in page.text
    assert "Person of People" in page.text
    assert "none yet" in page.text


async def test_a_table_shows_values_as_their_types(shared: Signed) -> None:
    columns = "&".join(
        f"column={name}" for name in ("title", "born", "active", "tags", "home", "address", "facts", "boss")
    )
    page = await shared.get(f"/admin/records/people?{columns}")
    for words in ("Ada Moss", "1990-02-03", "true", "red green blue and 1 more", "1 High St, Leeds, GB", '{"a":[1,2]}'):
        assert words in page.text
    assert page.links["people 1"] == "/admin/records/people/1"
    assert page.links["2"] == "/admin/records/people/2"
    assert "<b>Ben" not in page.body
    assert "javascript:" not in str(page.links.values())
    assert "ada@example.org" not in page.text


async def test_of_many_columns_the_first_are_shown_and_the_rest_can_be_chosen(shared: Signed) -> None:
    page = await shared.get("/admin/records/people")
    assert "Columns: 8 of 13" in page.text
    assert "Ada Moss" in page.text
    assert "ada@example.org" in page.text
    assert "x" * 80 + "…" not in page.text
    note = await shared.get("/admin/records/people?column=note")
    assert "x" * 80 + "…" in note.text


async def test_rows_are_found_by_their_key_and_by_look_ups(shared: Signed) -> None:
    for query, found in (
        ("is-email=ada@example.org", "Ada Moss"),
        ("is-user=ada", "Ada Moss"),
        ("is-email=zz", "No row"),
    ):
        page = await shared.get(f"/admin/records/people?{query}")
        assert found in page.text
        assert "Ben" not in page.text
    both = await shared.get("/admin/records/books?is-series=s&is-volume=2")
    assert "Two" in both.text
    assert "One" not in both.text


async def test_what_has_no_index_is_not_searched(shared: Signed) -> None:
    page = await shared.get("/admin/records/million?is-text=text%201")
    assert "c50" in page.text
    one_of_two = await shared.get("/admin/records/books?is-series=s")
    assert "One" in one_of_two.text


async def test_a_row_is_gone_to_by_its_id(shared: Signed) -> None:
    assert (await shared.get("/admin/records/people?id=2")).to == "/admin/records/people/2"
    for wrong in ("x", "0", "-1", "1.5", "²", "9" * 30):
        page = await shared.get(f"/admin/records/people?id={wrong}")
        assert page.status == 400
        assert "should be a whole number, 1 or higher" in page.text


async def test_rows_are_paged_both_ways(shared: Signed) -> None:
    first = await shared.get("/admin/records/hundred")
    assert {"Next page", "Last page"} <= first.links.keys()
    assert "Previous page" not in first.links
    second = await shared.get(first.links["Next page"])
    assert "c51" in second.text
    assert "c100" in second.text
    assert "Next page" not in second.links
    back = await shared.get(second.links["Previous page"])
    assert ids(back) == list(range(1, 51))
    last = await shared.get((await shared.get("/admin/records/million")).links["Last page"])
    assert ids(last) == list(range(MANY - 49, MANY + 1))
    assert ids(await shared.get(last.links["First page"])) == list(range(1, 51))


def ids(page: Any) -> list[int]:
    return [int(words) for words, to in page.links.items() if words.isdigit() and to.endswith(f"/{words}")]


async def test_strange_places_to_go_on_from_are_no_harm(shared: Signed) -> None:
    for query in ("after=x", "before=-1", "after=99999999999999999999", "before=0", "page=first", "after=1&before=1"):
        assert (await shared.get(f"/admin/records/hundred?{query}")).status == 200
    beyond = await shared.get("/admin/records/hundred?after=100")
    assert "There are no further rows." in beyond.text
    assert beyond.links["First page"] == "/admin/records/hundred?"


async def test_a_table_of_a_model_that_holds_nothing_yet(shared: Signed) -> None:
    page = await shared.get("/admin/records/later?is-flag=true&page=last")
    assert page.status == 200
    assert "There are no rows here yet." in page.text
    assert (await shared.get("/admin/records/later/1")).status == 404


async def test_what_is_not_there_is_a_page_that_says_so(shared: Signed) -> None:
    for path in (
        "nothing",
        "nothing/1",
        "people/99",
        f"people/{2**63}",
        "_checkpoints",
        "sqlite_sequence",
        "nothing/export",
    ):
        page = await shared.get(f"/admin/records/{path}")
        assert page.status in (400, 404)
        assert "<h1>" in page.body


async def test_a_row_says_all_of_itself(shared: Signed) -> None:
    page = await shared.get("/admin/records/people/1")
    assert page.headings[0] == "people 1"
    for words in (
        "adele",
        "user#former",
        "where letters go",
        "red green blue grey",
        "last line",
        "version 1",
        "number 0",
    ):
        assert words in page.text
    assert page.links["https://example.org/ada"] == "https://example.org/ada"
    assert page.links["people.jsonl"].startswith("/admin/batches/")
    batch = (await shared.engine.batches.list(limit=1))[0]
    assert f"/admin/batches/{batch.identifier}" in page.links.values()
    assert "Moss" in page.text.partition("As it is stored")[2]
    assert "javascript:alert(1)" in (await shared.get("/admin/records/people/2")).text
    assert "javascript:" not in str((await shared.get("/admin/records/people/2")).links.values())


async def test_rows_that_refer_to_a_row(shared: Signed) -> None:
    page = await shared.get("/admin/records/people/1")
    referring = page.text.partition("Rows that refer to it")[2]
    assert "books , by author: 1 , 2" in referring
    assert "Not looked for: rows of people by boss, which has no index." in referring
    assert "None" in (await shared.get("/admin/records/people/2")).text.partition("Rows that refer to it")[2]


async def test_a_row_whose_job_is_gone(shared: Signed) -> None:
    assert "not known here any more" in (await shared.get("/admin/records/hundred/7")).text


async def test_export_is_what_the_command_writes(shared: Signed, folder: Path) -> None:
    where = ["--data-dir", str(shared.house.data_dir)]
    for format in ("jsonl", "csv"):
        command = [sys.executable, "-m", "server", "records", "export", "people", "--format", format, *where]
        environment = {"PENSTOCK_IMPORTS__DIR": str(folder), "PATH": "/usr/bin:/bin"}
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, env=environment, check=True)
        page = await shared.get(f"/admin/records/people/export?format={format}")
        assert page.status == 200
        assert page.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''people.{format}"
        assert page.body.encode() == done.stdout


async def test_export_of_nothing_and_in_no_known_format(shared: Signed) -> None:
    assert (await shared.get("/admin/records/later/export")).body == ""
    assert (await shared.get("/admin/records/later/export?format=csv")).body == "_id,flag\r\n"
    assert (await shared.get("/admin/records/later/export?format=xml")).status == 400
    assert (await shared.ask("HEAD", "/admin/records/people/export")).status == 200


async def test_a_large_export_is_whole_and_in_order(shared: Signed) -> None:
    async with shared.session.get(f"{shared.address}/admin/records/million/export?format=csv") as answer:
        lines = (await answer.read()).decode().split("\r\n")
    assert lines[0] == "_id,code,text"
    assert lines[-1] == ""
    assert lines[1:-1] == [f"{n},c{n},text {n}" for n in range(1, MANY + 1)]


async def test_who_takes_an_export_slowly_or_leaves_holds_nothing(shared: Signed) -> None:
    """Others write to the table while a reader has taken its first part and nothing more."""
    async with shared.session.get(f"{shared.address}/admin/records/million/export") as answer:
        assert await answer.content.readline()
        connection = sqlite3.connect(shared.house.data_dir / "records.db", timeout=0.2)
        connection.execute("UPDATE hundred SET text = 'text ' || id")
        connection.commit()
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.close()
        assert busy == 0
    assert (await shared.get("/admin/records/hundred")).status == 200


@pytest.mark.parametrize(
    "path",
    ["", "?page=last", "?after={half}", "?before={half}", "?is-code=c{half}", "/{half}"],
    ids=["first", "last", "behind", "ahead", "search", "row"],
)
async def test_a_million_rows_answer_like_a_hundred(shared: Signed, path: str) -> None:
    async def median(table: str, half: int) -> float:
        taken = []
        for _ in range(9):
            start = time.perf_counter()
            page = await shared.get(f"/admin/records/{table}{path.replace('{half}', str(half))}")
            taken.append(time.perf_counter() - start)
            assert page.status == 200
        return statistics.median(taken)

    few, many = await median("hundred", 50), await median("million", MANY // 2)
    assert many < few * 4 + 0.05, (few, many)
