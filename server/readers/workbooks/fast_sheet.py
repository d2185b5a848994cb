"""The rows of a worksheet as the usual programs write it, straight from its XML, many rows to a call.

Most rows of a sheet look alike, so a pattern for a whole row is learned from one of them and found again in all the
text at once; rows that differ are taken apart cell by cell, those with errors and formulas without a result among them.
Everything that is not surely understood (durations, unusual XML) raises NotSupportedByFastPath; then `event_sheet`
reads the sheet.

The reader is our own for its speed: an import is 9.5 times as fast as a loop over openpyxl's read-only rows that stores
the same (`scripts/bench xlsx`), and only 4.2 times as fast where python-calamine reads the sheet.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import lt
from typing import IO
from xml.parsers import expat

from server.readers.cell_faults import Cell, Fault, Piece, error_of, row_of, without_result
from server.readers.workbooks.cell_text import NO_XML, NotSupportedByFastPath, as_number, cleaned, moment, number

STEP = 1 << 20
WIDEST = 1024  # columns; wider sheets are left to the other reader
_LONGEST_ROW = 4 << 20
_MANY_UNLIKE = 10  # percent of a piece's rows that are unlike the learned one: then another one is learned

_BEGIN = re.compile(rb"<sheetData\s*(/?)>")
_END = b"</sheetData>"
_OTHER_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding\s*=\s*["'](?!utf-8["'])""", re.I)
_EMPTY_ROWS = re.compile(r"(?:<row [^<>]*/>|\s)*").fullmatch
_UNCLEAN = ("&", "\n", "\t", "<t> ", " </t>")  # in the XML of texts that are not what they seem

_ROW = re.compile(r'<row r="([1-9][0-9]{0,6})"(?: [^<>]*)?/?>').match
_FORMULA = r"(?:<f[^<>]*(?:/>|>[^<]*</f>))"
_VALUE = r"<v>([^<]*)</v>|<v ?/>"
_CELL = re.compile(
    r'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: s="([0-9]{1,5})")?(?: t="(\w{1,9})")?(?: s="([0-9]{1,5})")?'
    rf'(?: ?/>|>({_FORMULA})?(?:{_VALUE}|<is><t( xml:space="preserve")?>([^<]*)</t></is>|<is><t ?/></is>)?</c>)'
).match
_WRITTEN = re.compile("<[^<>]*>")  # around a formula
_DIGITS = re.compile("[0-9]{1,9}").fullmatch


@dataclass(frozen=True, slots=True)
class Reading:
    """What cells refer to. Under `plain_styles` a number is a number, under `date_styles` a moment.

    `truths` are what 0 and 1 become.
    """

    texts: Sequence[str]
    plain_styles: frozenset[str]
    date_styles: frozenset[str] = frozenset()
    truths: tuple[Cell, Cell] = (False, True)


@dataclass(frozen=True, slots=True)
class _Column:
    """How the cells of a column are written."""

    letters: str
    place: int  # from 0
    kind: str  # one of _FORMS
    declared: bool  # whether the kind is written
    style: str | None
    preserved: bool = False  # a text that is not to be trimmed
    formula: bool = False
    style_last: bool = False


def sheet_pieces(stream: IO[bytes], reading: Reading) -> Iterator[tuple[Piece, int]]:
    """Filled rows with their numbers, and how much text they were; raises NotSupportedByFastPath."""
    sheet = _Sheet(reading)
    for data in _texts(stream):
        if len(data.translate(None, NO_XML)) < len(data):
            raise NotSupportedByFastPath
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise NotSupportedByFastPath from error
        yield sheet.read(text), len(text)


def _texts(stream: IO[bytes]) -> Iterator[bytes]:
    """The rows' XML, cut behind the end of a row; all of the stream is read, which proves its checksum."""
    rest = _before_rows(stream)
    if rest is None:
        return
    while True:
        if (end := rest.find(_END)) >= 0:
            yield rest[:end]
            while stream.read(STEP):
                pass
            return
        whole, tag, rest = rest.rpartition(b"</row>")
        yield whole + tag
        data = stream.read(STEP)
        if not data or len(rest) > _LONGEST_ROW:
            raise NotSupportedByFastPath
        rest += data


def _before_rows(stream: IO[bytes]) -> bytes | None:
    """What follows the tag that opens the rows; None where it has none."""
    head = b""
    while (begin := _BEGIN.search(head)) is None:
        data = stream.read(STEP)
        if not data or len(head) > _LONGEST_ROW:
            raise NotSupportedByFastPath
        head += data
    if b"<!" in head[: begin.start()] or _OTHER_ENCODING.match(head) or not _is_well_formed(head[: begin.end()]):
        raise NotSupportedByFastPath
    if begin[1]:
        while stream.read(STEP):
            pass
        return None
    return head[begin.end() :]


def _is_well_formed(head: bytes) -> bool:
    """Rows may stand in a head that is damaged."""
    try:
        expat.ParserCreate().Parse(head, False)
    except expat.ExpatError:
        return False
    return True


class _Sheet:
    """Learns how the sheet is written while it is read."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._columns: tuple[_Column, ...] = ()
        self._find = _row_pattern((), reading)
        self._last = 0

    def read(self, text: str) -> Piece:
        end = text.rfind("</row>") + len("</row>") if "</row>" in text else 0
        if "\r" in text or not _EMPTY_ROWS(text, end):
            raise NotSupportedByFastPath
        if not end:
            return [], []
        if not self._columns:
            self._learn(text, text.rfind("<row", 0, end))
        numbers, rows = self._taken(text[:end])
        if numbers:
            if self._last >= numbers[0] or not all(map(lt, numbers, numbers[1:])):
                raise NotSupportedByFastPath
            self._last = numbers[-1]
        return numbers, rows

    def _taken(self, text: str) -> Piece:
        found = self._find(text)
        firsts, *columns, unlike, other = zip(*found, strict=True)
        if any(other):
            raise NotSupportedByFastPath
        unclean = any(sign in text for sign in _UNCLEAN) or ("_" in text and "_x" in text)
        rows, blank = self._rows(columns, unclean, len(found))
        slow = [index for index, row in enumerate(unlike) if row] if any(unlike) else []
        numbers = list(map(int, firsts)) if not slow else [int(first or 0) for first in firsts]
        for index in slow:
            numbers[index], rows[index] = self._slowly(unlike[index])
        if len(slow) * 100 > _MANY_UNLIKE * len(found):
            self._learn(unlike[slow[-1]], 0)
        return _filled(numbers, rows) if blank or slow else (numbers, rows)

    def _rows(self, columns: Sequence[tuple[str, ...]], unclean: bool, count: int) -> tuple[list[list[Cell]], bool]:
        """Cells by rows, and whether there may be blank ones; a row that differs is one so far."""
        if not columns:
            return [[] for _ in range(count)], True
        made = [_converted(*pair, unclean, self._reading) for pair in zip(self._columns, columns, strict=True)]
        cells: list[Sequence[Cell] | repeat[Cell]] = [repeat("")] * (self._columns[-1].place + 1)
        for column, values in zip(self._columns, made, strict=True):
            cells[column.place] = values
        return list(map(list, zip(*cells, strict=False))), all("" in values for values in made)

    def _slowly(self, text: str) -> tuple[int, list[Cell]]:
        """One row, cell by cell."""
        row: list[Cell | Fault] = []
        first, cells = _cells(text, 0)
        for match, place in cells:
            value = _value(match, self._reading)
            if value != "":
                row += [""] * (place - len(row))
                row.append(value)
        return first, row_of(row)

    def _learn(self, text: str, start: int) -> None:
        """Rows like this one; columns that it has not stay as they were learned."""
        columns = {column.place: column for column in self._columns}
        for match, place in _cells(text, start)[1]:
            if (match[7] or match[9]) and match[4] != "e":
                columns[place] = _column(match, place, self._reading)
        self._columns = tuple(columns[place] for place in sorted(columns))
        self._find = _row_pattern(self._columns, self._reading)


def _cells(text: str, start: int) -> tuple[int, list[tuple[re.Match[str], int]]]:
    """A row's number, and its cells with their places, each further to the right."""
    opened = _ROW(text, start)
    if opened is None:
        raise NotSupportedByFastPath
    found: list[tuple[re.Match[str], int]] = []
    if opened[0].endswith("/>"):
        return int(opened[1]), found
    at, last = opened.end(), -1
    while match := _CELL(text, at):
        place = _place(match[1])
        if match[2] != opened[1] or not last < place < WIDEST:
            raise NotSupportedByFastPath
        found.append((match, place))
        at, last = match.end(), place
    if not text.startswith("</row>", at):
        raise NotSupportedByFastPath
    return int(opened[1]), found


def _value(match: re.Match[str], reading: Reading) -> Cell | Fault:
    _, _, early, kind, late, formula, value, preserved, inline = match.groups()
    if value is None and "<v" in match[0]:
        value = ""
    if formula and inline is None and not value and (kind != "str" or value is None):
        return without_result(cleaned(_WRITTEN.sub("", formula), True))
    if kind == "e" and inline is None:
        return error_of(cleaned(value or "", True))
    if inline is None and (value is None or (not value and kind in (None, "n", "s", "str"))):
        return ""
    if kind == "inlineStr" and inline is not None:
        return cleaned(inline, preserved is not None)
    if value is None:
        raise NotSupportedByFastPath
    if kind == "s":
        return _text_at(value, reading.texts)
    if kind == "str":
        return cleaned(value, True)
    if kind == "b" and value in ("0", "1"):
        return reading.truths[value == "1"]
    if kind in ("n", None):
        return _number_or_moment(value, early or late, reading)
    raise NotSupportedByFastPath


def _number_or_moment(value: str, style: str | None, reading: Reading) -> Cell:
    if style is None or style in reading.plain_styles:
        return number(value)
    if style in reading.date_styles:
        return moment(value)
    raise NotSupportedByFastPath


def _text_at(index: str, texts: Sequence[str]) -> str:
    if not _DIGITS(index) or int(index) >= len(texts):
        raise NotSupportedByFastPath
    return texts[int(index)]


def _column(match: re.Match[str], place: int, reading: Reading) -> _Column:
    kind, style = match[4] or "n", match[3] or match[5]
    if kind not in _FORMS:
        raise NotSupportedByFastPath
    if kind == "n" and style is not None and style not in reading.plain_styles:
        if style not in reading.date_styles:
            raise NotSupportedByFastPath
        kind = _MOMENT
    return _Column(
        letters=match[1],
        place=place,
        kind=kind,
        declared=match[4] is not None,
        style=style,
        preserved=match[8] is not None,
        formula=match[6] is not None,
        style_last=match[5] is not None,
    )


_MOMENT = "n as a moment"
_FORMS = {
    "s": "<v>([0-9]{1,9})</v>",
    "n": r"<v>(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)</v>",
    "b": "<v>([01])</v>",
    "str": "<v>([^<]*)</v>",
    "inlineStr": "<is><t>([^<]*)</t></is>",
}


def _row_pattern(columns: Sequence[_Column], reading: Reading) -> Callable[[str], list[tuple[str, ...]]]:
    """Gives for each row its number and cells; or, behind them, its text where it differs; or what is no row."""
    cells = "".join(_cell_pattern(column, reading) for column in columns)
    row = f'<row r="([1-9][0-9]{{0,6}})"(?: [^<>]*)?>{cells}</row>'
    return re.compile(rf"{row}|(<row [^<>]*/>|<row .*?</row>)|(.)", re.DOTALL).findall


def _cell_pattern(column: _Column, reading: Reading) -> str:
    """Optional, and empty where the cell has nothing but a style."""
    style = '(?: s="[0-9]{1,5}")?'
    if column.kind in ("n", _MOMENT):  # the usual style first
        alike = reading.plain_styles if column.kind == "n" else reading.date_styles
        styles = "|".join(sorted(alike, key=lambda one: (one != column.style, one)))
        style = f'(?: s="(?:{styles})")' + ("?" if column.kind == "n" else "")
    written = column.kind.partition(" ")[0]
    kind = f' t="{written}"' if column.declared else ""
    form = _FORMS[written].replace("<t>", '<t xml:space="preserve">' if column.preserved else "<t>")
    head = rf'<c r="{column.letters}\1"'
    attributes = kind + style if column.style_last else style + kind
    formula = _FORMULA if column.formula else ""
    return rf'(?:{head}{attributes}>{formula}{form}</c>|{head}(?: s="[0-9]{{1,5}}")? ?/>)?'


def _converted(column: _Column, written: tuple[str, ...], unclean: bool, reading: Reading) -> Sequence[Cell]:
    if column.kind in ("inlineStr", "str"):
        preserved = column.preserved or column.kind == "str"
        return [cleaned(text, preserved) for text in written] if unclean else written
    if column.kind == "s":
        return _texts_at(written, reading.texts)
    if column.kind == "b":
        no, yes = reading.truths
        return [yes if text == "1" else text and no for text in written]
    if column.kind == _MOMENT:
        moments = {text: text and moment(text) for text in set(written)}  # many days stand there more than once
        return [moments[text] for text in written]
    try:
        whole = list(map(int, written))
    except ValueError:
        return [as_number(text) if text else "" for text in written]
    return whole if max(map(len, written)) < 16 else list(map(as_number, written))


def _texts_at(written: tuple[str, ...], texts: Sequence[str]) -> Sequence[Cell]:
    try:
        return [texts[int(index)] if index else "" for index in written]
    except IndexError as error:
        raise NotSupportedByFastPath from error


def _filled(numbers: list[int], rows: list[list[Cell]]) -> Piece:
    blank = [index for index, row in enumerate(rows) if row.count("") == len(row)]
    if not blank:
        return numbers, rows
    gone = set(blank)
    kept = [index for index in range(len(rows)) if index not in gone]
    return [numbers[index] for index in kept], [rows[index] for index in kept]


def _place(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1


def from_line(piece: Piece, first: int) -> Piece:
    """The part of it from line `first` on."""
    start = bisect_left(piece[0], first)
    return piece if not start else (piece[0][start:], piece[1][start:])
