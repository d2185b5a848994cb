"""Every example of the manual is run: what a page shows is what the import language does."""

import json
import re
from pathlib import Path

import pytest

from server.cli import run
from server.engine.definitions.definitions import check_control
from server.mapping.values.filters import Filters
from server.mapping.values.javascript import NOTHING
from server.mapping.values.types.dates import LETTERS, date_parser
from tests.support.manual import Block, Page, Row, blocks, pages, rows
from tests.support.mapping_world import RecordScope

OF_THE_LANGUAGE = ("model", "process", "control", "instructions", "input", "rows", "messages", "wrong", "says")
ROLES = {"", *OF_THE_LANGUAGE, "file", "run", "module", "same", "settings", "unit", "example"}
TABLE = "things"


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", pages(), ids=named)
def test_every_json_block_is_json_and_says_what_it_is(path: Path) -> None:
    for block in blocks(path):
        assert block.role in ROLES, f"{path.name}:{block.line}"
        if block.words[:1] == ["json"] and block.role not in ("input", "rows"):
            assert block.document
            assert block.role, f"{path.name}:{block.line}: say what the block is"


@pytest.mark.parametrize("path", pages(), ids=named)
def test_every_example_does_what_the_page_says(path: Path) -> None:
    page, heading = Page(), ""
    for block in blocks(path):
        if block.heading != heading:
            page.empty()
            heading = block.heading
        _do(page, block, f"{path.name}:{block.line}")


def _do(page: Page, block: Block, place: str) -> None:
    match block.role:
        case "model":
            page.add_model(block.document)
        case "process":
            page.use_process(block.document)
            assert check_control(page.control, page.models) == [], place
        case "control":
            page.control = block.document
            assert check_control(page.control, page.models) == [], place
        case "instructions":
            page.use_instructions(block.document)
            assert check_control(page.control, page.models) == [], place
        case "input":
            page.load(block.text.encode())
        case "rows":
            assert page.rows(block.words[2]) == [json.loads(line) for line in block.text.splitlines()], place
        case "messages":
            assert page.messages == block.text.splitlines(), place


@pytest.mark.parametrize("path", pages(), ids=named)
def test_what_the_checks_say_is_what_the_page_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is checked beside the models of the page, as `penstock … check` does it."""
    monkeypatch.chdir(tmp_path)
    wrong: Block | None = None
    for block in blocks(path):
        if block.role == "model":
            _write(tmp_path / "imports/models" / f"{block.document['name'].replace(':', '-')}.json", block.text)
        if block.role == "wrong":
            wrong = block
        if block.role == "says":
            assert wrong is not None, f"{path.name}:{block.line}"
            said = _checked(wrong, tmp_path, capsys)
            assert said == block.text, f"{path.name}:{block.line}"


def _checked(wrong: Block, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    what = wrong.words[2]
    group = {"model": "models", "process": "processes", "control": "control"}[what]
    file = folder / f"{what}.json"
    _write(file, wrong.text)
    capsys.readouterr()
    assert run([group, "check", file.name]) == 1
    said = capsys.readouterr()
    return (said.out + said.err).replace("penstock: ", "")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def tables(*columns: str) -> list[object]:
    """Returns the tables that have these columns, each as a parameter of a test."""
    found: dict[str, list[Row]] = {}
    for path in pages():
        for row in rows(path):
            if tuple(row.cells) == columns:
                found.setdefault(f"{path.stem}: {row.heading}", []).append(row)
    return [pytest.param(table, id=name) for name, table in found.items()]


@pytest.mark.parametrize("table", tables("value", "options", "stored"))
def test_every_value_is_stored_as_the_table_of_its_type_says(table: list[Row]) -> None:
    assert [_stored(row) for row in table] == [row.cells["stored"] for row in table]


def _stored(row: Row) -> str:
    """What becomes of one value: the stored one as the page shows it, or the first message."""
    page, options = Page(), json.loads("{" + _code(row.cells["options"]) + "}")
    page.add_model(_model_of(row.heading.strip("`"), key=options.pop("key", [])))
    new, other = {"action": "new", "destination": "thing"}, {"source": "y", "destination": "thing", "name": "y"}
    page.use_instructions([new, other, {"source": "x", "destination": "thing", "name": "x", **options}])
    page.load(json.dumps({"x": json.loads(_code(row.cells["value"])), "y": "there"}).encode())
    if page.messages:
        return page.messages[0].removesuffix(" (record 0)")
    return _as_shown(page.rows(TABLE)[0]["x"])


def _as_shown(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _model_of(type_: str, key: list[str]) -> object:
    x = {"type": type_, **({"refers_to": TABLE} if type_ == "ref" else {})}
    names: object = {"x": x, "y": {}}
    destination = {"name": "thing", "table": TABLE, "kind": "dictionary", "key": key, "names": names}
    return {"name": "test:things", "types": ["example:type"], "destinations": [destination]}


def _code(cell: str) -> str:
    return re.sub(r"^`+ ?| ?`+$", "", cell)


@pytest.mark.parametrize("table", tables("letters", "means", "pattern", "text", "stored as"))
def test_every_date_pattern_reads_what_its_table_says(table: list[Row]) -> None:
    parsed = [date_parser(_code(row.cells["pattern"]))(_code(row.cells["text"])) for row in table]
    assert parsed == [_code(row.cells["stored as"]) for row in table]
    assert {letter for row in table for letter in re.findall(r"`([A-Za-z])`", row.cells["letters"])} == LETTERS


@pytest.mark.parametrize("table", tables("filter", "value", "becomes"))
def test_every_filter_does_what_its_table_says(table: list[Row]) -> None:
    assert [_filtered(row) for row in table] == [row.cells["becomes"] for row in table]


def _filtered(row: Row) -> str:
    step = Filters({}).get(_code(row.cells["filter"]))
    assert step is not None, row.cells["filter"]
    found = step(json.loads(_code(row.cells["value"])), RecordScope(None))
    return "nothing" if found is NOTHING else _as_shown(found)
