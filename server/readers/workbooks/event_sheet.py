"""The rows of any worksheet of an .xlsx, read element by element: slower than plain sheets, in any form XML allows."""

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from server.cells import DateCell
from server.readers.base import FileBroken
from server.readers.cell_faults import Cell, Fault, Piece, column_place, error_of, unreadable, without_result
from server.readers.workbooks.cell_text import as_number, duration, moment_of, unescaped
from server.readers.workbooks.number_formats import NumberKind
from server.readers.workbooks.part_events import Attributes, PartParser, SheetRows, local, too_large

MOST_COLUMNS = 26**3 + 26**2 + 26
LONGEST_TEXT = 4 << 20

_REF = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})").fullmatch
_ROW_NUMBER = re.compile("[0-9]{1,7}").fullmatch
_INDEX = re.compile("[0-9]{1,9}").fullmatch
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
_BLANKS = " \t\r\n"
_XML_SPACE = "http://www.w3.org/XML/1998/namespace space"
_TRUTHS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class References:
    """What cells refer to. `kinds` says by style what a number is; `modern`: days are counted from 1900, not 1904."""

    texts: Sequence[str]
    kinds: Sequence[NumberKind]
    modern: bool
    truths: tuple[Cell, Cell]


def event_pieces(part: str, stream: IO[bytes], references: References) -> Iterator[tuple[Piece, int]]:
    """Returns filled rows with their numbers, and how many bytes they were. Raises FileBroken."""
    return _Rows(part, references).pieces(stream)


def event_texts(part: str, stream: IO[bytes]) -> list[str]:
    """The shared texts, which cells refer to by number."""
    table = _Texts(part)
    for _ in table.feed.read(stream):
        pass
    return table.texts


class _Text:
    """Collects a text from its runs: what stands in `t`, without hints how to pronounce it."""

    def __init__(self, feed: PartParser) -> None:
        self._feed = feed
        self._runs: list[str] = []
        self._pieces: list[str] | None = None
        self._preserved = False
        self._hints = 0
        self._length = 0

    def clear(self) -> None:
        self._runs, self._length = [], 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "rPh":
            self._hints += 1
        elif name == "t" and not self._hints:
            self._pieces, self._preserved = [], attributes.get(_XML_SPACE) == "preserve"

    def end(self, name: str) -> None:
        if name == "rPh":
            self._hints -= 1
        elif name == "t" and self._pieces is not None:
            text = "".join(self._pieces)
            meant = text if self._preserved or text == " " else text.strip(_BLANKS)
            self._runs.append(unescaped(meant))
            self._pieces = None

    def data(self, text: str) -> None:
        if self._pieces is not None:
            self._length += len(text)
            if self._length > LONGEST_TEXT:
                raise FileBroken(f"{self._feed.where}: a text is longer than {LONGEST_TEXT:,} characters")
            self._pieces.append(text)

    @property
    def whole(self) -> str:
        return "".join(self._runs)


class _Texts:
    def __init__(self, part: str) -> None:
        self.texts: list[str] = []
        self.feed = PartParser(part)
        self._text = _Text(self.feed)
        self.feed.parser.StartElementHandler = self._start
        self.feed.parser.EndElementHandler = self._end
        self.feed.parser.CharacterDataHandler = self._text.data

    def _start(self, name: str, attributes: Attributes) -> None:
        self.feed.enter()
        tag = local(name)
        if tag == "si":
            self._text.clear()
        self._text.start(tag, attributes)

    def _end(self, name: str) -> None:
        self.feed.leave()
        tag = local(name)
        self._text.end(tag)
        if tag == "si":
            self.texts.append(self._text.whole)


class _Rows(SheetRows):
    """Makes rows of the elements of a worksheet."""

    def __init__(self, part: str, references: References) -> None:
        super().__init__(part)
        self._references = references
        self._text = _Text(self.feed)
        self._last = 0
        self._row: dict[int, Cell | Fault] = {}
        self._number: int | None = None
        self._place = -1
        self._attributes: Attributes = {}
        self._formula: list[str] | None = None
        self._value: list[str] | None = None
        self._inline = False
        self._length = 0
        self._into: list[str] | None = None  # what the characters belong to
        parser = self.feed.parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data

    def _start(self, name: str, attributes: Attributes) -> None:
        self.feed.enter()
        tag = local(name)
        begin = _BEGIN.get(tag)
        if begin is not None:
            begin(self, attributes)
        self._text.start(tag, attributes)

    def _end(self, name: str) -> None:
        self.feed.leave()
        tag = local(name)
        self._text.end(tag)
        if tag in ("v", "f"):
            self._into = None
        elif tag == "c":
            self._end_cell()
        elif tag == "row":
            self._end_row()

    def _data(self, text: str) -> None:
        if self._into is not None:
            self._length += len(text)
            if self._length > LONGEST_TEXT:
                raise FileBroken(f"{self.feed.where}: a cell is longer than {LONGEST_TEXT:,} characters")
            self._into.append(text)
        else:
            self._text.data(text)

    def _begin_row(self, attributes: Attributes) -> None:
        written = attributes.get("r")
        self._row, self._place = {}, -1
        self._number = None if written is None else self._row_number(written)

    def _begin_cell(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self._formula = self._value = None
        self._length = 0
        self._inline = False
        self._text.clear()
        self._place = self._placed(attributes.get("r"))

    def _begin_value(self, _: Attributes) -> None:
        if self._value is not None:
            raise FileBroken(f"{self.feed.where}: a cell has two values")
        self._value = self._into = []

    def _begin_formula(self, _: Attributes) -> None:
        self._formula = self._into = []

    def _begin_inline(self, _: Attributes) -> None:
        self._inline = True

    def _row_number(self, written: str) -> int:
        if not _ROW_NUMBER(written) or int(written) < 1:
            raise FileBroken(f"{self.feed.where}: a row has the number {written[:20]!r}")
        return int(written)

    def _placed(self, written: str | None) -> int:
        if written is None:
            return self._place + 1
        found = _REF(written)
        if found is None:
            raise FileBroken(f"{self.feed.where}: a cell has the place {written[:20]!r}")
        number = int(found[2])
        if self._number is None:
            self._number = number
        if number != self._number:
            raise FileBroken(f"{self.feed.where}: the cell {written} stands in row {self._number}")
        return column_place(found[1])

    def _end_cell(self) -> None:
        value = self._cell()
        if value == "":
            return
        if self._place >= MOST_COLUMNS:
            raise too_large(self.feed.part, self._place + 1, self._last + 1)
        if self._place in self._row:
            raise FileBroken(f"{self.feed.where}: column {self._place + 1} of the row has two cells")
        self._row[self._place] = value

    def _cell(self) -> Cell | Fault:
        kind = self._attributes.get("t", "n")
        if self._inline and self._value is None:
            return self._text.whole
        written = "".join(self._value or ())
        if self._formula is not None and not written and (kind != "str" or self._value is None):
            return without_result("".join(self._formula))
        if self._value is None and kind != "e":
            return ""
        if kind == "str":
            return unescaped(written)
        read = _READ.get(kind)
        return (
            unreadable(written, f"a value of a known kind, not {kind[:20]!r},") if read is None else read(self, written)
        )

    def _shared(self, written: str) -> Cell | Fault:
        index = written.strip(_BLANKS)
        if not index:
            return ""
        if not _INDEX(index) or int(index) >= len(self._references.texts):
            raise FileBroken(f"{self.feed.where}: there is no text number {index[:20]!r}")
        return self._references.texts[int(index)]

    def _truth(self, written: str) -> Cell | Fault:
        found = _TRUTHS.get(written.strip(_BLANKS).lower())
        return unreadable(written, "0 or 1") if found is None else self._references.truths[found]

    def _error(self, written: str) -> Cell | Fault:
        return error_of(written)

    def _iso_date(self, written: str) -> Cell | Fault:
        text = written.strip(_BLANKS)
        for kind, made in ((datetime.date, DateCell), (datetime.time, str), (datetime.datetime, DateCell)):
            try:
                return made(kind.fromisoformat(text).isoformat())
            except ValueError:
                continue
        return unreadable(written, "a date")

    def _numeric(self, written: str) -> Cell | Fault:
        text = written.strip(_BLANKS)
        if not _NUMBER(text):
            return written if text else ""
        value = as_number(text)
        style = self._attributes.get("s", "")
        kinds = self._references.kinds
        kind = kinds[int(style)] if _INDEX(style) and int(style) < len(kinds) else "number"
        if kind == "number":
            return value
        return duration(value) if kind == "duration" else moment_of(value, self._references.modern)

    def _end_row(self) -> None:
        number = self._number or self._last + 1
        if self._row:
            self._check_order(number)
            self._add(number, self._row)
        self._last = max(number, self._last)
        self._row, self._number = {}, None

    def _check_order(self, number: int) -> None:
        if number <= self._last:
            raise FileBroken(
                f"{self.feed.where}: row {number} comes after row {self._last}; "
                "save the workbook again in a spreadsheet program"
            )


_BEGIN: dict[str, Callable[[_Rows, Attributes], None]] = {
    "row": _Rows._begin_row,
    "c": _Rows._begin_cell,
    "v": _Rows._begin_value,
    "f": _Rows._begin_formula,
    "is": _Rows._begin_inline,
}
_READ: dict[str, Callable[[_Rows, str], Cell | Fault]] = {
    "s": _Rows._shared,
    "n": _Rows._numeric,
    "b": _Rows._truth,
    "e": _Rows._error,
    "d": _Rows._iso_date,
    "inlineStr": lambda rows, written: unescaped(written),
}
