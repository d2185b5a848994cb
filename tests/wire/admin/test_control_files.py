"""Control files on the site: sending one, each mistake under its line, and what was made with it."""

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from aiohttp import FormData

from tests.wire.admin.conftest import write_imports
from tests.wire.admin.house import Signed, open_admin
from tests.wire.admin.pages import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTROL = """{
  "dataImportControlFileVersion": 0,
  "model": "example:people",
  "files": {"DEFAULT": {"read": "json"}},
  "instructions": [
    {"action": "new", "destination": "profile"},
    {"source": "email", "destination": "profile",
     "name": "email",
     "filters": ["haplo:to-lower-case"]}
  ]
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Signed]:
    folder = tmp_path_factory.mktemp("controls")
    async with open_admin(folder / "data", write_imports(folder / "imports"), jobs_run=False) as house:
        yield await house.signed()


async def send(site: Signed, text: str, **fields: str) -> Page:
    return await site.post("/admin/control-files/new", {"text": text, "comment": "A comment", **fields})


def messages(page: Page) -> Mapping[int, list[str]]:
    """What stands under each line."""
    found: dict[int, list[str]] = {}
    for line in page.body.split('id="line-')[1:]:
        number, _, rest = line.partition('"')
        said = re.findall(r'<p class="says[^>]*><span class="hushed">[^<]*</span>([^<]*)</p>', rest)
        if said:
            found[int(number)] = said
    return found


async def test_a_control_file_that_is_good_is_kept_as_it_came(shared: Signed) -> None:
    page = await send(shared, CONTROL.replace("\n", "\r\n"))
    digest = hashlib.sha256(CONTROL.encode()).hexdigest()
    assert page.to == f"/admin/control-files/{digest}?notice=control-file-added"
    shown = await shared.get(page.to)
    assert "The control file is saved." in shown.text
    for words in (digest, "A comment", "haplo-batch", "read as json", "None yet."):
        assert words in shown.text
    assert messages(shown) == {}
    assert shown.links["New import…"] == f"/admin/new-import?control={digest}"
    assert shown.links["example:people"] == "/admin/models/example%3Apeople"
    file = await shared.get(shown.links["Download"])
    assert file.body == CONTROL
    assert file.headers["Content-Disposition"] == f'attachment; filename="control-{digest[:10]}.json"'


async def test_a_client_can_make_batches_with_it(shared: Signed) -> None:
    digest = (await send(shared, CONTROL.replace("json", "json-lines"))).to[21:85]
    batch = await shared.engine.batches.create("haplo-batch", control=digest, comment="Made with it")
    page = await shared.get(f"/admin/control-files/{digest}")
    assert f"/admin/batches/{batch.identifier}" in page.links.values()
    assert "Made with it" in page.text
    listed = await shared.get("/admin/control-files")
    assert listed.links[f"{digest[:10]}…"] == f"/admin/control-files/{digest}"


async def test_it_comes_as_a_file_too(shared: Signed) -> None:
    form = FormData({"text": "", "comment": ""})
    content = b"\xef\xbb\xbf" + CONTROL.replace("json", "marc").encode()
    form.add_field("file", content, filename="control.json")
    page = await shared.send("/admin/control-files/new", form)
    assert page.status == 303
    assert "Unnamed control file" in (await shared.get(page.to)).text


MISTAKES = {
    "version": (CONTROL.replace('Version": 0', 'Version": 1'), {2: ["Bad version of control file, should be 0"]}),
    "model": (CONTROL.replace("example:", "no:"), {3: ["Model not implemented: no:people"]}),
    "reader": (CONTROL.replace('"json"', '"papyrus"'), {4: ["Unknown reader for file DEFAULT: papyrus"]}),
    "action": (CONTROL.replace('"new"', '"now"'), {6: ["Unknown action in instruction: now"]}),
    "property": (
        CONTROL.replace('"source": "email", ', ""),
        {7: ["Expected property not found in field instruction: source"]},
    ),
    "filter": (
        CONTROL.replace("to-lower", "to-low"),
        {9: ["Filter haplo:to-low-case is not available; the filters are: "]},
    ),
    "several": (
        CONTROL.replace('"new"', '"now"').replace('"json"', "7"),
        {4: ["Unknown reader for file DEFAULT: 7"], 6: ["Unknown action in instruction: now"]},
    ),
    "no object": ("\n\n[]", {3: ["Not a control file", "Control file does not specify model in the model property"]}),
    "json": (CONTROL.replace('"new",', '"new"'), {6: ["Not JSON: unexpected character, expected"]}),
    "ends early": (CONTROL[:60], {3: ["Not JSON: "]}),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_each_mistake_stands_under_its_line(shared: Signed, name: str) -> None:
    text, expected = MISTAKES[name]
    before = (await shared.get("/admin/control-files")).body
    page = await send(shared, text)
    assert page.status == 400
    found = messages(page)
    assert found.keys() == expected.keys()
    for line, wanted in expected.items():
        assert all(any(said.startswith(begin) for said in found[line]) for begin in wanted)
    assert 'value="A comment"' in page.body
    assert (await shared.get("/admin/control-files")).body == before


async def test_a_link_leads_to_each_line(shared: Signed) -> None:
    page = await send(shared, MISTAKES["action"][0])
    assert page.links["Line 6"] == "#line-6"
    assert "line-6" in page.ids


async def test_what_a_run_would_say_stands_under_its_line_too(shared: Signed) -> None:
    page = await send(shared, CONTROL.replace('"name": "email"', '"name": "e-mail"'))
    assert page.status == 303  # as the API takes it
    shown = await shared.get(page.to)
    assert messages(shown) == {7: ["Unknown name in field e-mail for destination profile"]}


async def test_one_endless_line_is_laid_out_to_be_read_but_kept_as_it_came(shared: Signed) -> None:
    document = json.loads(CONTROL) | {"note": "long " * 80}
    text = json.dumps(document)
    page = await send(shared, text)
    assert page.to[21:85] == hashlib.sha256(text.encode()).hexdigest()
    assert 'id="line-12"' in (await shared.get(page.to)).body
    document["instructions"][1]["filters"] = ["none"]
    assert [*messages(await send(shared, json.dumps(document)))] != [1]


async def test_a_process_shows_its_control_file_here_too(shared: Signed) -> None:
    batch = await shared.engine.batches.create("haplo-standard", process="people", comment="x")
    page = await shared.get(f"/admin/control-files/{batch.control}")
    assert page.status == 200
    assert "a process; it was not sent" in page.text


async def test_a_long_document_is_shown_around_its_mistakes(shared: Signed) -> None:
    long = CONTROL.replace('"instructions": [', '"instructions": [' + "\n" * 5000)
    page = await send(shared, long.replace("to-lower", "to-low"))
    ((line, (message,)),) = messages(page).items()
    assert line == 5009
    assert message.startswith("Filter haplo:to-low-case is not available; the filters are: haplo:code-to-ref, ")
    assert "more lines are not shown here" in page.text
    assert 'id="line-4000"' not in page.body


async def test_what_is_too_long_for_the_field_is_not_put_there(shared: Signed) -> None:
    form = FormData({"comment": "big"})
    form.add_field("file", CONTROL.replace("}\n", " " * 70_000 + "}").encode() + b"x", filename="big.json")
    page = await shared.send("/admin/control-files/new", form)
    assert page.status == 400
    assert "too long to be changed here" in page.text
    assert "<textarea" not in page.body


async def test_wrong_forms_are_asked_for_again(shared: Signed) -> None:
    assert "Choose a file, or write" in (await send(shared, " \r\n ")).text
    assert "Choose who may use" in (await send(shared, CONTROL, api="voss")).text
    for text in (
        "7",
        "null",
        '"x"',
        "[" * 900 + "]" * 900,
        '{"instructions": ' + "[" * 900 + "]" * 900 + "}",
        "\x00",
        "\ufeff",
    ):
        assert (await send(shared, text)).status == 400


async def test_what_is_not_there_is_a_page_that_says_so(shared: Signed) -> None:
    for digest in ("0" * 64, "xyz", "0" * 63):
        for end in ("", "/download"):
            page = await shared.get(f"/admin/control-files/{digest}{end}")
            assert page.status == 404
            assert "<h1>" in page.body


async def test_lists_are_paged(shared: Signed) -> None:
    connection = sqlite3.connect(shared.house.data_dir / "catalog.db")
    digest = (await send(shared, CONTROL)).to[21:85]
    rows = [("haplo-batch", digest, f"copy {n}", "2026-01-01T00:00:00.000000Z") for n in range(60)]
    connection.executemany("INSERT INTO control_files (api, digest, comment, created) VALUES (?, ?, ?, ?)", rows)
    made = [
        (f"made-{n}", "haplo-batch", "c", digest, "ready", 0, "2026-01-01T00:00:00.000000Z", "{}") for n in range(130)
    ]
    connection.executemany(
        "INSERT INTO batches (identifier, api, comment, control, state, errors, created, properties) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        made,
    )
    connection.commit()
    connection.close()
    first = await shared.get("/admin/control-files")
    assert "100 or more" in first.text
    second = await shared.get(first.links["Next page"])
    assert "copy 5" in second.text
    assert "copy 59" not in second.text
    assert second.links["First page"] == "/admin/control-files"
    page = await shared.get(f"/admin/control-files/{digest}")
    older = await shared.get(page.links["Next page"])
    assert older.status == 200
    assert not {to for to in older.links.values() if "made-" in to} & {
        to for to in page.links.values() if "made-" in to
    }


async def test_a_control_file_with_very_much_in_it_has_a_page_all_the_same(shared: Signed) -> None:
    document = json.loads(CONTROL)
    document["files"] |= {f"file{number}": {"read": "json"} for number in range(5000)}
    document["long" * 10_000] = dict.fromkeys(map(str, range(100_000)), 1)
    content = json.dumps(document).encode()
    digest = await shared.engine.batches.add_control("haplo-batch", content, "Very much")
    began = time.process_time()
    page = await shared.get(f"/admin/control-files/{digest}")
    assert time.process_time() - began < 5
    assert page.status == 200
    assert "4 901, in the download" in page.text
    assert page.text.count("read as json") == 100
    assert len(page.body) < 1 << 20
