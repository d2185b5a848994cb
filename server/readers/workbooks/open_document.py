"""OpenDocument spreadsheets (.ods): the tables of `content.xml`, read element by element."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.cells import DateCell
from server.readers.base import FileBroken
from server.readers.cell_faults import Cell, Fault, Piece, error_of, unreadable, without_result
from server.readers.workbooks.cell_text import as_number
from server.readers.workbooks.event_sheet import LONGEST_TEXT, MOST_COLUMNS
from server.readers.workbooks.part_events import Attributes, SheetRows, elements, local, too_large
from server.readers.workbooks.xlsx_package import UNPACKED_CAP, Parts

CONTENT = "content.xml"
MANIFEST = "META-INF/manifest.xml"

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?").fullmatch
_TIME = re.compile(r"(-?)PT([0-9]{1,9})H([0-9]{1,2})M([0-9]{1,2})(?:[.,][0-9]{1,12})?S").fullmatch
_BLANKS = re.compile("[ \t\r\n]+")
_COUNT = re.compile("[0-9]{1,7}").fullmatch
_SHOWN_ERROR = re.compile(r"#[A-Z0-9_/]+[!?]?|Err:[0-9]+").fullmatch
_CELLS = ("table-cell", "covered-table-cell")


class OpenDocument:
    """The tables of a spreadsheet; raises FileBroken."""

    def __init__(self, parts: Parts, truths: tuple[Cell, Cell]) -> None:
        self._parts = parts
        self._truths = truths
        if MANIFEST in parts:
            with parts.opened(MANIFEST) as stream:
                if elements(MANIFEST, stream, lambda tag: tag == "encryption-data"):
                    raise FileBroken("The spreadsheet is protected by a password; save it without one")
        with parts.opened(CONTENT, UNPACKED_CAP) as stream:
            found = elements(CONTENT, stream, lambda tag: tag == "table")
        names = (_named(more, "name") for parent, _, more in found if parent == "spreadsheet")
        self.sheets = tuple(dict.fromkeys(names))

    def pieces(self, sheet: str) -> Iterator[tuple[Piece, int]]:
        if sheet not in self.sheets:
            raise FileBroken(f"Cannot read sheet {sheet!r}: the spreadsheet has none of that name")
        try:
            with self._parts.opened(CONTENT, UNPACKED_CAP) as stream:
                yield from _Rows(sheet, self._truths).pieces(stream)
        except FileBroken as error:
            raise FileBroken(f"Cannot read sheet {sheet!r}: {error}") from error


@dataclass(slots=True)
class _CellText:
    """What a cell shows: its paragraphs, one a line, without notes and drawings."""

    paragraphs: list[list[str]] = field(default_factory=list)
    open: bool = False
    length: int = 0

    def begin(self) -> None:
        self.paragraphs.append([])
        self.open = True

    def add(self, text: str, where: str) -> None:
        self.length += len(text)
        if self.length > LONGEST_TEXT:
            raise FileBroken(f"{where}: a cell is longer than {LONGEST_TEXT:,} characters")
        self.paragraphs[-1].append(text)

    @property
    def whole(self) -> str:
        return "\n".join("".join(paragraph) for paragraph in self.paragraphs)


class _Rows(SheetRows):
    """Makes rows of the elements of one table."""

    def __init__(self, sheet: str, truths: tuple[Cell, Cell]) -> None:
        super().__init__(CONTENT)
        self._sheet = sheet
        self._truths = truths
        self._path: list[str] = []
        self._read = False  # the table is this one, and no other of the same name was before
        self._done = False
        self._number = 0  # of the row, from 1
        self._row: dict[int, Cell | Fault] = {}
        self._place = 0
        self._row_times = self._cell_times = 1
        self._attributes: Attributes = {}
        self._text = _CellText()
        parser = self.feed.parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data

    @property
    def _in_cell(self) -> bool:
        return self._path[-1] in _CELLS

    def _start(self, name: str, attributes: Attributes) -> None:
        self.feed.enter()
        tag = local(name)
        if tag == "table" and self._path and self._path[-1] == "spreadsheet":
            self._read = not self._done and _named(attributes, "name") == self._sheet
        elif self._read:
            self._begin(tag, attributes)
        self._path.append(tag)

    def _begin(self, tag: str, attributes: Attributes) -> None:
        nested = any(cell in self._path for cell in _CELLS)
        if tag == "table-row" and not nested:
            self._row, self._place = {}, 0
            self._row_times = self._times(attributes, "number-rows-repeated")
        elif tag in _CELLS and not nested:
            self._attributes, self._text = attributes, _CellText()
            self._cell_times = self._times(attributes, "number-columns-repeated")
        elif tag == "p" and self._in_cell:
            self._text.begin()
        elif self._text.open and "annotation" not in self._path:
            self._sign(tag, attributes)

    def _sign(self, tag: str, attributes: Attributes) -> None:
        if tag == "s":
            self._text.add(" " * self._times(attributes, "c"), self.feed.where)
        elif tag in ("tab", "line-break"):
            self._text.add("\t" if tag == "tab" else "\n", self.feed.where)

    def _end(self, name: str) -> None:
        self.feed.leave()
        tag = self._path.pop()
        if not self._read:
            return
        nested = any(cell in self._path for cell in _CELLS)
        if tag in _CELLS and not nested:
            self._end_cell()
        elif tag == "table-row" and not nested:
            self._end_row()
        elif tag == "p" and self._in_cell:
            self._text.open = False
        elif tag == "table" and self._path[-1] == "spreadsheet":
            self._read, self._done = False, True

    def _data(self, text: str) -> None:
        if self._text.open and self._path[-1] in ("p", "span", "a"):
            self._text.add(_BLANKS.sub(" ", text), self.feed.where)

    def _times(self, attributes: Attributes, name: str) -> int:
        written = _named(attributes, name) or "1"
        if not _COUNT(written):
            raise FileBroken(f"{self.feed.where}: {name} is {written[:20]!r}")
        return int(written)

    def _end_cell(self) -> None:
        value = self._cell()
        if value != "":
            end = self._place + self._cell_times
            if end > MOST_COLUMNS:
                raise too_large(CONTENT, end, self._number + 1)
            self._row |= dict.fromkeys(range(self._place, end), value)
        self._place += self._cell_times

    def _end_row(self) -> None:
        first, self._number = self._number + 1, self._number + self._row_times
        if self._row:
            self._add(first, self._row, times=self._row_times)

    def _cell(self) -> Cell | Fault:
        more = self._attributes
        kinds = [
            value for key, value in more.items() if local(key) == "value-type"
        ]  # the program's own beside the norm's
        formula, text = _named(more, "formula"), self._text.whole
        if "error" in kinds or (formula and _SHOWN_ERROR(text)):
            return error_of(text)
        if not kinds:
            return without_result(formula.partition(":")[2].removeprefix("=")) if formula and not text else text
        return self._typed(kinds[0], text)

    def _typed(self, kind: str, text: str) -> Cell | Fault:
        more = self._attributes
        if kind in ("float", "percentage", "currency"):
            written = _named(more, "value")
            return as_number(written) if _NUMBER(written) else unreadable(written, "a number")
        if kind == "date":
            return _date(_named(more, "date-value"))
        if kind == "time":
            return _time(_named(more, "time-value"))
        if kind == "boolean":
            return self._truths[_named(more, "boolean-value") == "true"]
        return text or _named(more, "string-value")


def _date(written: str) -> Cell | Fault:
    for kind in (datetime.date, datetime.datetime):
        try:
            return DateCell(kind.fromisoformat(written).isoformat())
        except ValueError:
            continue
    return unreadable(written, "a date")


def _time(written: str) -> Cell | Fault:
    found = _TIME(written)
    if found is None:
        return unreadable(written, "a time")
    sign, hours, minutes, seconds = found.groups()
    return f"{sign}{int(hours):02}:{int(minutes):02}:{int(seconds):02}"


def _named(attributes: Attributes, name: str) -> str:
    return next((value for key, value in attributes.items() if local(key) == name), "")
