"""Models on the site: what they say, writing them with mistakes shown by the line, and control files made from them."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import FormData

from server.mapping.language.skeleton import generate_skeleton
from tests.wire.admin.house import Signed

BOOKS = """{
  "name": "my/books: ü",
  "destinations": [
    {"name": "book", "table": "books", "kind": "object", "title": "title", "key": ["isbn"],
     "names": {
       "title": {"required": true, "description": "what it is called"},
       "isbn": {"type": "isbn"},
       "owner": {"type": "ref", "refers_to": "people"}}}
  ]
}
"""
DEEP = "[" * 900 + "]" * 900
BOOKS_PATH = "/admin/models/my/books%3A%20%C3%BC"


async def save(site: Signed, text: str, **fields: str) -> Any:
    return await site.post("/admin/models/-/save", {"text": text, **fields})


async def version_of(site: Signed, name: str) -> str:
    page = await site.get(f"/admin/models/-/change?name={quote(name)}")
    return page.form("/admin/models/-/save").fields["replaces"]


async def test_the_list_has_every_model_with_its_destinations(site: Signed) -> None:
    page = await site.get("/admin/models")
    assert page.status == 200
    assert page.links["example:people"] == "/admin/models/example%3Apeople"
    assert page.links["people"] == "/admin/records/people"
    assert "folio:source-records" in page.links
    assert "the server" in page.text


async def test_a_model_says_all_of_itself(site: Signed) -> None:
    page = await site.get("/admin/models/example%3Apeople")
    assert page.headings[:3] == ["People", "Facts", "profile"]
    for words in ("example:people", "email-address", "Key email", "dictionary"):
        assert words in page.text
    assert page.links["People from a spreadsheet"] == "/admin/processes/people-csv"


async def test_a_model_that_is_not_there_is_a_page_that_says_so(site: Signed) -> None:
    page = await site.get("/admin/models/nobody")
    assert page.status == 404
    assert "Model not found: nobody" in page.text


async def test_a_new_model_is_saved_and_in_force_at_once(site: Signed) -> None:
    saved = await save(site, BOOKS.replace("\n", "\r\n"))
    assert saved.to == "/admin/models/my/books:%20%C3%BC?notice=model-saved"
    page = await site.get(saved.to)
    assert "The model is saved and in force." in page.text
    assert "ref to people" in page.text
    (file,) = [path for path in site.house.imports.glob("models/*") if path.name != "people.json"]
    assert file.name == "my-books.json"
    assert file.read_text() == BOOKS
    assert "books" in (await site.get("/admin/records")).links


async def test_a_model_comes_as_a_file_too(site: Signed) -> None:
    form = FormData({"text": "what is written below gives way"})
    form.add_field("file", b"\xef\xbb\xbf" + BOOKS.encode(), filename="books.json")
    assert (await site.send("/admin/models/-/save", form)).status == 303


def line_with(page: Any, message: str) -> int:
    """The line that the message stands under."""
    before = page.body[: page.body.index(f"</span>{message}")]
    return int(re.findall(r'id="line-(\d+)"', before)[-1])


async def test_each_mistake_stands_under_its_line(site: Signed) -> None:
    wrong = BOOKS.replace('"isbn": {"type": "isbn"}', '"isbn": {"type": "number ten", "colour": 1}').replace(
        "object", "x"
    )
    page = await save(site, wrong)
    assert page.status == 400
    assert line_with(page, "destinations[0].kind:") == 4
    assert line_with(page, "destinations[0].names.isbn.colour: unknown key") == 7
    assert line_with(page, "destinations[0].names.isbn.type:") == 7
    assert page.form("/admin/models/-/save").fields["csrf"] == site.token
    assert "what it is called" in page.body.partition("<textarea")[2]
    assert "books" not in (await site.get("/admin/models")).text


async def test_what_is_no_json_says_line_and_column(site: Signed) -> None:
    page = await save(site, BOOKS.replace('"isbn": {"type"', '"isbn": {"type",'))
    assert page.status == 400
    assert line_with(page, "Not JSON: ") == 7
    assert "in column 23" in page.text


async def test_a_document_on_one_line_is_laid_out_to_be_read(site: Signed) -> None:
    document = json.loads(BOOKS)
    document["destinations"][0]["names"]["isbn"]["type"] = "wrong"
    document["description"] = "long " * 80
    page = await save(site, json.dumps(document))
    assert line_with(page, "destinations[0].names.isbn.type:") > 10


async def test_a_ref_to_nowhere_stands_under_its_name(site: Signed) -> None:
    page = await save(site, BOOKS.replace('"refers_to": "people"', '"refers_to": "cellar"'))
    assert line_with(page, "model my/books: ü, destination book, Name owner: refers_to") == 8


async def test_replacing_a_model_asks_first_and_keeps_the_old_one(site: Signed) -> None:
    await save(site, BOOKS)
    changed = BOOKS.replace("what it is called", "its title")
    asked = await save(site, changed)
    assert asked.status == 400
    assert "There is a model my/books: ü already." in asked.text
    version = re.search(r'name="replaces" value="([0-9a-f]{64})"', asked.body)[1]  # type: ignore[index]
    assert (await save(site, changed, replaces=version)).status == 303
    assert "its title" in (await site.get(BOOKS_PATH)).text
    (old,) = site.house.imports.glob("replaced/models/*.json")
    assert old.read_text() == BOOKS


async def test_who_changes_what_somebody_else_changed_meanwhile_is_told(site: Signed) -> None:
    await save(site, BOOKS)
    page = await site.get("/admin/models/-/change?name=my/books%3A%20%C3%BC")
    fields = page.form("/admin/models/-/save").fields
    assert "what it is called" in page.body
    site.house.imports.joinpath("models/my-books.json").write_text(BOOKS.replace("what it is called", "theirs"))
    told = await save(site, BOOKS.replace("what it is called", "mine"), replaces=fields["replaces"])
    assert told.status == 400
    assert "was changed by another person meanwhile" in told.text
    assert "theirs" in site.house.imports.joinpath("models/my-books.json").read_text()


async def test_two_who_save_at_once_do_not_overwrite_each_other(site: Signed) -> None:
    pages = await asyncio.gather(*(save(site, BOOKS.replace("what it is called", f"by {n}")) for n in range(4)))
    assert sorted(page.status for page in pages) == [303, 400, 400, 400]


async def test_a_model_that_a_process_would_break_over_is_refused(site: Signed) -> None:
    process = {"id": "short", "model": "example:people", "destination": "profile", "read": "json-lines"}
    process |= {"write": "create", "columns": {"years": "age"}}  # type: ignore[dict-item]
    assert (await site.post("/admin/processes/-/save", {"text": json.dumps(process)})).status == 303
    path = site.house.imports / "models/people.json"
    text = path.read_text()
    version = await version_of(site, "example:people")
    document = json.loads(text)
    del document["destinations"][0]["names"]["age"]
    page = await save(site, json.dumps(document), replaces=version)
    assert page.status == 400
    assert "processes/short.json: columns.years" in page.text
    assert path.read_text() == text


async def test_what_runs_would_newly_complain_of_must_be_seen_before_it_is_saved(site: Signed) -> None:
    version = await version_of(site, "example:people")
    document = json.loads(site.house.imports.joinpath("models/people.json").read_text())
    del document["destinations"][0]["names"]["age"]
    page = await save(site, json.dumps(document), replaces=version)
    assert page.status == 400
    assert "process people: Unknown name in field age for destination profile" in page.text
    assert (await save(site, json.dumps(document), replaces=version, anyway="on")).status == 303


async def test_the_built_in_model_cannot_be_replaced(site: Signed) -> None:
    page = await save(site, BOOKS.replace("my/books: ü", "folio:source-records"))
    assert page.status == 400
    assert line_with(page, "the model folio:source-records is built in") == 2
    assert (await site.get("/admin/models/-/change?name=folio:source-records")).status == 409


async def test_a_folder_that_cannot_be_written_is_said_and_nothing_typed_is_lost(site: Signed) -> None:
    await save(site, BOOKS)
    site.house.imports.joinpath("replaced").write_text("a file where a folder should be")
    version = await version_of(site, "my/books: ü")
    page = await save(site, BOOKS.replace("what it is called", "its title"), replaces=version)
    assert page.status == 400
    assert "my-books.json cannot be written (Not a directory); let the server write to the imports folder" in page.text
    assert "its title" in page.body.partition("<textarea")[2]
    assert site.house.imports.joinpath("models/my-books.json").read_text() == BOOKS


async def test_other_mistakes_in_the_folder_are_told_as_theirs(site: Signed) -> None:
    site.house.imports.joinpath("models/other.json").write_text("{")
    page = await save(site, BOOKS)
    assert page.status == 400
    assert "other.json: cannot be read as JSON" in page.text


async def test_nothing_at_all_is_asked_for_again(site: Signed) -> None:
    page = await save(site, "  ")
    assert page.status == 400
    assert "Choose a file, or write the model into the field." in page.text


async def test_strange_documents_are_refused_in_words(site: Signed) -> None:
    for text in ("[]", "7", '"x"', "null", "{}", '{"name": 7}', '{"name": "x", "destinations": [7, null]}', DEEP):
        page = await save(site, text)
        assert page.status == 400
        assert "Correct" in page.text


async def test_a_control_file_to_start_from(site: Signed) -> None:
    page = await site.get(
        "/admin/models/-/control-file?model=example:people&reader=csv-with-name-row&pick=0-0&pick=0-2"
    )
    assert page.status == 200
    model = site.engine.definitions.models["example:people"]
    expected = generate_skeleton(model, {("profile", "email"), ("profile", "age")}, "csv-with-name-row")
    file = await site.get(page.links["Download"])
    assert orjson.loads(file.body) == expected
    assert "attachment" in file.headers["Content-Disposition"]
    used = await site.get(page.links["Use it…"])
    assert "TODO-age" in used.body
    assert "TODO-name" not in used.body
    whole = await site.get("/admin/models/-/control-file?model=example:people&reader=papyrus&pick=9-9&pick=x")
    assert "TODO-name" in whole.body
    assert (await site.get("/admin/models/-/control-file?model=nobody")).status == 404
