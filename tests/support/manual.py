"""The manual as data: its pages, headings, fenced blocks and tables, and a small world in which examples are imported.

The first word after a fence names the language for readers, the words behind it say what tests do with the block:

    json model                a model, known to all examples below it on the page
    json process | control    an import: examples below it are read and mapped by it
    json instructions         the same, as the instructions of a control file for the last model
    json input, csv input …   a file, imported into tables that are empty under each heading
    json rows TABLE           what `penstock records export TABLE` writes then
    text messages             what the log of these imports says
    json wrong WHAT           a document with a mistake (WHAT: model, process or control)
    text says                 what `penstock WHAT check` says of it
    console                   commands and what they print
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from server.engine.definitions.definitions import check_process
from server.mapping.model.model import Model, parse_model
from server.mapping.model.scope import Loss
from server.mapping.program.compile import compile_control
from server.mapping.record.export import make_export
from server.readers import READERS
from server.readers.base import BadRecord
from tests.support.mapping_world import RecordScope, World

MANUAL = Path(__file__).parents[2] / "server/manual"
VERSION = {"dataImportControlFileVersion": 0}

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^#{1,6} (.*)$", re.M)


class Block(NamedTuple):
    """A fenced block: the words behind its fence, its text, the heading above it and its line on the page."""

    words: Sequence[str]
    text: str
    heading: str
    line: int

    @property
    def role(self) -> str:
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def document(self) -> Any:
        return json.loads(self.text)


class Row(NamedTuple):
    """A row of a table: its cells by the names of the columns, the heading above it and its line on the page."""

    cells: Mapping[str, str]
    heading: str
    line: int


def pages() -> list[Path]:
    """Returns the pages of the manual."""
    return sorted(MANUAL.glob("*.md"))


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page."""
    text = page.read_text("utf-8")
    headings = _headings(text)
    return [
        Block(found["info"].split(), found["text"], _above(headings, found.start()), text.count("\n", 0, found.start()))
        for found in _FENCE.finditer(text)
    ]


def rows(page: Path) -> Iterator[Row]:
    """Yields the rows of every table of a page."""
    text = _FENCE.sub(lambda found: re.sub(r"[^\n]", "", found[0]), page.read_text("utf-8"))
    headings, start = _headings(text), 0
    names: list[str] = []
    for number, line in enumerate(text.split("\n")):
        cells = _cells(line)
        if not cells:
            names = []
        elif not names:
            names = cells
        elif not set(line) <= set("|-: "):
            yield Row(dict(zip(names, cells, strict=True)), _above(headings, start), number)
        start += len(line) + 1


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _headings(text: str) -> list[tuple[int, str]]:
    plain = _FENCE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return [(found.start(), found[1]) for found in _HEADING.finditer(plain)]


def _above(headings: Sequence[tuple[int, str]], place: int) -> str:
    return next((heading for start, heading in reversed(headings) if start < place), "")


class Tables(World):
    """Tables whose rows are numbered from 1 each, as a record database does it."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, int] = {}

    def reserve(self, table: str) -> int:
        self._last[table] = self._last.get(table, 0) + 1
        return self._last[table]


@dataclass
class _Scope(RecordScope):
    """Keeps apart what is an error and what is only a warning, which a record that failed does not have."""

    warnings: list[str] = field(default_factory=list)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        super().lose(loss, error)
        if error is None:
            self.warnings.append(loss.sentence)


@dataclass
class Page:
    """A page on its way through its examples: the models and the import in hand, the tables, and what was said."""

    models: dict[str, Model] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    control: dict[str, Any] = field(default_factory=dict)
    world: Tables = field(default_factory=Tables)
    messages: list[str] = field(default_factory=list)

    def add_model(self, document: Any) -> None:
        model = parse_model(document, "model.json")
        self.models[model.name], self.documents[model.name] = model, document

    def use_process(self, document: Any) -> None:
        self.control = dict(check_process(Path("process.json"), document, self.models).control)

    def use_instructions(self, instructions: Any) -> None:
        files = {"DEFAULT": {"read": "json-lines"}}
        self.control = {**VERSION, "model": list(self.models)[-1], "files": files, "instructions": instructions}

    def empty(self) -> None:
        self.world, self.messages = Tables(), []

    def load(self, content: bytes) -> None:
        """Imports a file: the changes are applied, the messages kept as the log has them."""
        program = compile_control(self.control, self.models[self.control["model"]], self.models)
        self.messages += program.setup_messages
        entry = next(iter(self.control["files"].values()))
        for block in READERS[entry["read"]].blocks(BytesIO(content), entry):
            self.messages += block.remarks
            for number, record in enumerate(block.records, block.end.record - len(block.records)):
                self._record(program, record, number)

    def _record(self, program: Any, record: object, number: int) -> None:
        scope = _Scope(self.world, self.world.hints)
        if isinstance(record, BadRecord):
            scope.report(record.message)
        else:
            result = program.run(record, scope)
            if not result.aborted:
                self.world.apply(result.changes)
                scope.messages += scope.warnings
        self.messages += [f"{message} (record {number})" for message in scope.messages]

    def rows(self, table: str) -> list[dict[str, object]]:
        """Returns the rows of a table as `penstock records export` writes them."""
        stored = self.world.tables.get(table, {})
        columns = dict.fromkeys(column for row in stored.values() for column in row.values)
        export = make_export(table, columns, self.models.values())
        return [export.row(id, row.values) for id, row in sorted(stored.items())]
