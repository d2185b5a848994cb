"""Reading the files of a proposed import otherwise: what may be chosen, and a second check of the same files."""

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openpyxl import Workbook

from tests.wire.admin.house import Signed
from tests.wire.admin.pages import Page

MODEL = {
    "name": "test:goods",
    "destinations": [
        {
            "name": "good",
            "table": "goods",
            "kind": "dictionary",
            "key": ["code"],
            "names": {"code": {}, "name": {}, "price": {"type": "decimal"}},
        }
    ],
}
SHORT = {"model": "test:goods", "destination": "good", "write": "upsert"}


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    folder = tmp_path / "imports"
    for name in ("models", "processes"):
        (folder / name).mkdir(parents=True)
    (folder / "models" / "goods.json").write_text(json.dumps(MODEL))
    for id, read in {"csv": "csv-with-name-row", "book": "xlsx-with-name-row", "lines": "json-lines"}.items():
        (folder / "processes" / f"{id}.json").write_text(json.dumps({**SHORT, "id": id, "read": read}))
    return folder


def book() -> bytes:
    made, file = Workbook(), BytesIO()
    made.active.title = "Read me"
    made.active.append(["This file has goods"])
    goods = made.create_sheet("Goods & <more>")
    goods.append(["code", "name", "price"])
    goods.append(["a", "Apple", "1,50"])
    made.save(file)
    return file.getvalue()


async def check(site: Signed, process: str, filename: str, content: bytes, **fields: str) -> tuple[str, Page]:
    form = aiohttp.FormData(fields, default_to_multipart=True)
    form.add_field("file", content, filename=filename)
    answer = await site.send(f"/admin/new-import?process={process}", form)
    return await ended(site, answer)


async def again(site: Signed, identifier: str, **fields: str) -> tuple[str, Page]:
    return await ended(site, await site.post(f"/admin/new-import/{identifier}/again", fields))


async def ended(site: Signed, answer: Page) -> tuple[str, Page]:
    assert answer.status == 303, answer.text
    identifier = answer.to.partition("?")[0].rpartition("/")[2]
    await site.engine.jobs.wait((await site.engine.review.proposals.get(identifier)).job.id)
    return identifier, await site.get(f"/admin/new-import/{identifier}")


async def rows(site: Signed) -> list[Any]:
    def read() -> list[Any]:
        return [
            {name: row.values[name] for name in ("code", "name", "price")}
            for row in site.engine.records.store.rows("goods")
        ]

    return await asyncio.to_thread(read)


async def test_a_file_is_read_otherwise_without_being_sent_again(site: Signed) -> None:
    content = "code;name;price\na;Müsli;1.250,50\n".encode("cp1252")
    first, page = await check(site, "csv", "goods.csv", content)
    assert 'href="#otherwise"' in page.body
    second, page = await again(site, first, separator=";", charset="windows-1252")
    assert "1.250,50" in page.text
    assert "Every record failed" in page.text
    third, page = await again(site, second, decimal=",")
    assert "Import 1 record" in page.text
    for said in ("separator ';'", "charset 'windows-1252'", "decimal ','"):
        assert said in page.text  # what was chosen before still holds
    confirmed = await site.post(f"/admin/new-import/{third}/confirm")
    batch = await site.engine.batches.get("admin", confirmed.to.partition("?")[0].rpartition("/")[2])
    assert (await site.engine.jobs.wait(batch.job or "")).counts.created == 1
    assert await rows(site) == [{"code": "a", "name": "Müsli", "price": "1250.50"}]


async def test_the_sheets_of_a_workbook_are_there_to_choose_from(site: Signed) -> None:
    first, page = await check(site, "book", "goods.xlsx", book())
    assert "no column of it is read" in page.text
    assert "<option>Goods &amp; &lt;more&gt;</option>" in page.body
    second, page = await again(site, first, sheet="Goods & <more>", decimal=",")
    assert "Import 1 record" in page.text
    assert "<option>Read me</option>" in page.body  # another may be chosen still
    assert (await site.post(f"/admin/new-import/{second}/confirm")).status == 303


async def test_a_wrong_option_is_told_and_the_check_stays_undecided(site: Signed) -> None:
    first, _ = await check(site, "csv", "goods.csv", b"code,price\na,1\n")
    for fields in ({"charset": "klingon"}, {"separator": "ab"}, {"decimal": ";"}, {"sheet": "2"}):
        answer = await site.post(f"/admin/new-import/{first}/again", fields)
        assert answer.status == 409
        assert next(iter(fields)) in answer.text.lower()
    assert (await site.post(f"/admin/new-import/{first}/confirm")).status == 303


async def test_a_form_with_mistakes_keeps_what_was_chosen(site: Signed) -> None:
    form = aiohttp.FormData({"charset": "klingon", "decimal": ",", "comment": "Mine"}, default_to_multipart=True)
    form.add_field("file", b"code\na\n", filename="goods.csv")
    page = await site.send("/admin/new-import?process=csv", form)
    assert page.status == 400
    assert 'value="klingon"' in page.body
    assert '<option value="," selected>comma: 1.250,50</option>' in page.body


@pytest.mark.parametrize(
    ("process", "options"),
    [
        ("csv", {"charset", "separator", "quote", "decimal"}),
        ("book", {"sheet", "decimal"}),
        ("lines", {"decimal"}),
    ],
)
async def test_only_what_the_process_can_use_is_offered(site: Signed, process: str, options: set[str]) -> None:
    page = await site.get(f"/admin/new-import?process={process}")
    every = ("charset", "separator", "quote", "sheet", "decimal")
    assert {name for name in every if f'name="{name}"' in page.body} == options


async def test_columns_of_one_name_are_told_before_the_import(site: Signed) -> None:
    _, page = await check(site, "csv", "goods.csv", b"code,name,name\na,one,two\n")
    assert 'more than one column is called "name"' in page.text
    assert "All records can be imported, but read the remarks about the files" in page.text
