"""The manual is complete: what the code has is in it, and what it names the code has. Its links lead somewhere."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.mapping.language.control import ACTIONS
from server.mapping.model.model import LOOKUPS, TYPE_KINDS
from server.mapping.program.instructions import BUILDERS
from server.mapping.values.filters import FILTERS
from server.mapping.values.values import TYPES
from server.readers import READERS
from server.settings import read_settings
from storage.catalog.base import BatchState
from tests.acceptance.nginx import CONFIGURATION
from tests.support.manual import MANUAL, blocks, pages, rows

PROJECT = Path(__file__).parents[2]
DIFFERENT = ("proxy_pass", "proxy_read_timeout")  # directives of nginx that the tests set otherwise, or not at all
LOGGERS = ("log", "_log")
TALKING = ("server/mapping", "server/readers", "server/engine/execution", "storage/records")  # what messages come from
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


def page(name: str) -> str:
    return (MANUAL / f"{name}.md").read_text("utf-8")


def headings(text: str) -> list[str]:
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.findall(r"^#+ (.*)$", plain, re.M)


def anchors(text: str) -> set[str]:
    """Returns the names that code hosts, and the site, give the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}


def code_in(cells: list[str]) -> set[str]:
    return {found for cell in cells for found in re.findall(r"`([^`]+)`", cell)}


def test_every_instruction_has_a_section() -> None:
    assert set(BUILDERS) == set(ACTIONS)
    assert sorted(f"`{name}`" for name in BUILDERS) == sorted(set(headings(page("control-files"))) & {*_named(ACTIONS)})


def _named(names: object) -> Iterator[str]:
    return (f"`{name}`" for name in names)  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_property_of_an_instruction_is_named_in_its_section(action: str) -> None:
    section = page("control-files").split(f"\n### `{action}`\n")[1].split("\n### ")[0]
    properties = (*ACTIONS[action].required, *ACTIONS[action].nested)
    assert [name for name in properties if f'"{name}"' not in section and f"`{name}`" not in section] == []


def test_every_type_has_a_section_with_values() -> None:
    assert set(TYPES) == set(TYPE_KINDS)
    shown = {row.heading.strip("`") for row in rows(MANUAL / "models.md") if tuple(row.cells) == VALUES}
    assert shown == set(TYPES)


VALUES = ("value", "options", "stored")


def test_every_filter_is_in_the_tables_of_filters() -> None:
    found = [row.cells.get("filter") or row.cells.get("filter for refs") for row in rows(MANUAL / "control-files.md")]
    assert code_in([cell for cell in found if cell]) == set(FILTERS)


def test_every_reader_is_named() -> None:
    text = page("control-files")
    assert [name for name in READERS if f"`{name}`" not in text] == []


def test_every_lookup_is_named() -> None:
    assert [name for name in LOOKUPS if f"`{name}`" not in page("models")] == []


def test_every_state_of_a_batch_is_explained() -> None:
    states = [row.cells["state of a batch"] for row in rows(MANUAL / "commands.md") if "state of a batch" in row.cells]
    assert code_in(states) == set(BatchState.__args__)  # type: ignore[attr-defined]


def test_every_log_event_is_explained_and_no_other() -> None:
    """A new event is a row in server/manual/operations.md, "Log"; one that goes takes its row along."""
    explained = {
        _text
        for row in rows(MANUAL / "operations.md")
        if "event" in row.cells
        for _text in code_in([row.cells["event"]])
    }
    assert explained == set(events())


def events() -> Iterator[str]:
    """Yields the events of every log line; what differs each time is `…`."""
    for path in [*(PROJECT / "server").rglob("*.py"), *(PROJECT / "storage").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_logging(node.func) and node.args:
                yield from _event_of(node.args[0])
    yield "log lines could not be written"  # written by the log itself
    yield "a log line could not be rendered: …"


def _is_logging(called: ast.expr) -> bool:
    """A call of a logger, or of a method through which several places log."""
    if not isinstance(called, ast.Attribute):
        return False
    owner = called.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return (name in LOGGERS and called.attr in LEVELS) or called.attr == "_log_error"


def _event_of(event: ast.expr) -> Iterator[str]:
    if isinstance(event, ast.Constant) and isinstance(event.value, str):
        yield event.value.replace("%s", "…")
    elif isinstance(event, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in event.values)


def test_links_within_the_manual_and_out_of_it_lead_somewhere() -> None:
    broken = []
    for path in pages():
        text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            name, _, anchor = target.partition("#")
            to = (path.parent / name).resolve() if name else path
            if not target.startswith("http") and not (
                to.exists() and (not anchor or anchor in anchors(to.read_text("utf-8")))
            ):
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_every_page_is_linked_from_another() -> None:
    texts = {path: path.read_text("utf-8") for path in [*pages(), PROJECT / "README.md", PROJECT / "server/README.md"]}
    linked = {
        page
        for page in pages()
        for path, text in texts.items()
        if path != page and re.search(rf"\b{page.name}[)#]", text)
    }
    assert linked == set(pages())


def test_settings_in_the_manual_are_accepted(tmp_path: Path) -> None:
    for block in (block for path in pages() for block in blocks(path) if block.words[1:2] == ["settings"]):
        (tmp_path / "penstock.toml").write_text(block.text)
        settings = read_settings(tmp_path / "penstock.toml")
        assert [section for section in tomllib.loads(block.text) if section not in settings.model_fields_set] == []


def test_the_configuration_of_nginx_is_the_one_that_is_tested() -> None:
    (block,) = [block for block in blocks(MANUAL / "operations.md") if block.words == ["nginx"]]
    directives = [line.strip() for line in block.text.splitlines() if line.startswith("    ")]
    assert [line for line in directives if line not in CONFIGURATION and line.split()[0] not in DIFFERENT] == []


def test_every_message_in_a_table_is_one_that_the_code_has() -> None:
    patterns = list(texts())
    shown = {
        message
        for path in pages()
        for row in rows(path)
        for column in ("message", "it says")
        for message in code_in([row.cells.get(column, "")])
    }
    assert shown
    assert sorted(message for message in shown if not any(pattern.search(message) for pattern in patterns)) == []


def texts() -> Iterator[re.Pattern[str]]:
    """Yields the texts of the code as patterns, each value that is put in as `.*`."""
    for path in (path for room in TALKING for path in (PROJECT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and 15 <= len(node.value) <= 300:
                yield re.compile(_fixed(node.value))
            elif isinstance(node, ast.JoinedStr):
                fixed = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
                if sum(map(len, fixed)) >= 15:
                    yield re.compile("".join(_as_pattern(part) for part in node.values))


def _as_pattern(part: ast.expr) -> str:
    return _fixed(str(part.value)) if isinstance(part, ast.Constant) else ".*"


def _fixed(text: str) -> str:
    """`{src}` stands for a source that is put in later."""
    return re.escape(text).replace(re.escape("{src}"), ".*")
