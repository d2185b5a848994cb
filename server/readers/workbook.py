"""Excel workbooks (.xlsx, .xlsm, .xls) as sheets of rows, opened only when their size is bearable.

Where the library reads, a sheet is loaded whole, so what it would need is measured on its packed bytes first.
"""

import datetime
import re
import string
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import BinaryIO, TypeVar

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from server.readers.base import FileBroken
from server.readers.kept_spaces import keep_spaces
from server.readers.plain_sheet import Piece
from server.readers.plain_text import Cell, NotPlain
from server.readers.plain_workbook import DAMAGED, PlainWorkbook

UNPACKED_CAP = 1 << 30
STRINGS_CAP = 256 << 20  # everything but the sheets
CELLS_CAP = 12_000_000  # of a sheet's whole rectangle: that is what is kept in memory
KEPT_BYTES = 128 << 20  # of text that plain sheets were, with CELL_BYTES for each cell: about what the rows take
CELL_BYTES = 8
PIECE_ROWS = 2000
STEP = 1 << 20

T = TypeVar("T")

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SHEETS = "xl/worksheets/"
# A cell's place. Blank cells that only carry a style close at once and cost nothing; what is not surely blank counts.
_CELL = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{1,3})(\d{1,9})["'](?!(?:\s+[\w:]+="\w*")*\s*/>)""")
_PLAIN_CELL = re.compile(rb' r="([A-Za-z]{1,3}[0-9]{1,9})"')
_UNUSUAL = (b"\t", b"\n", b"\r", b" =", b"= ", b"='")  # then an attribute may be written in another way
_LONGEST_TAG = 4096

_LETTERS, _DIGITS = string.ascii_letters.encode(), string.digits.encode()

Refs = tuple[set[bytes], set[bytes]]


class Workbook:
    """The sheets in the workbook's order. Rows and columns are counted from the sheet's first.

    Plain sheets are read by `plain_workbook`, several times faster; the library reads a workbook from the first sheet
    on that is not. Rows of plain sheets stay in memory as long as they are few.
    """

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile | None, truths: tuple[Cell, Cell]) -> None:
        self._file = file
        self._truths = truths
        self._archive = archive
        self._library: LibraryWorkbook | None = None
        self._plain: PlainWorkbook | None = None
        self._heights: dict[str, int] = {}  # of sheets that were read to their end once, and are plain
        self._kept: dict[str, list[Piece]] = {}
        self._room = KEPT_BYTES
        if archive is not None:
            with suppress(NotPlain), _damage_told():
                self._plain = PlainWorkbook(archive, truths)
        self.sheets = self._plain.sheets if self._plain else self._by_library().sheets

    def pieces(self, sheet: str) -> Iterator[Piece]:
        """The numbers and cells of all rows that hold anything; "" is an empty cell, and dates are ISO text.

        A row may be shorter than others. Raises FileBroken, for damage anywhere in the sheet before its first row.
        """
        plain = self._looked_through(sheet)
        if sheet in self._kept:
            return iter(self._kept[sheet])
        return self._by_library().pieces(sheet) if plain is None else (piece for piece, _ in plain.pieces(sheet))

    def height(self, sheet: str) -> int:
        """The number of its last row, or more."""
        self._looked_through(sheet)
        found = self._heights.get(sheet)
        return self._by_library().height(sheet) if found is None else found

    def _looked_through(self, sheet: str) -> PlainWorkbook | None:
        """None where the library is to read the sheet."""
        if self._plain is not None and sheet not in self._heights:
            try:
                with _damage_told():
                    self._look_through(self._plain, sheet)
            except NotPlain:
                self._plain = None
        return self._plain

    def _look_through(self, plain: PlainWorkbook, sheet: str) -> None:
        """Once to its end, for what can be wrong; keeps what it has seen where there is room."""
        kept: list[Piece] = []
        columns = height = taken = 0
        for piece, length in plain.pieces(sheet):
            numbers, rows = piece
            if not rows:
                continue
            columns, height = max(columns, *map(len, rows)), numbers[-1]
            if columns * height > CELLS_CAP:
                raise NotPlain  # to be measured with more care
            taken += length + CELL_BYTES * columns * len(rows)
            if taken <= self._room:
                kept.append(piece)
            else:
                kept.clear()
        if taken <= self._room:
            self._kept[sheet] = kept
            self._room -= taken
        self._heights[sheet] = height

    def _by_library(self) -> "LibraryWorkbook":
        if self._library is None:
            if self._archive is not None:
                with _damage_told():
                    _measure(self._archive)
            file = keep_spaces(self._file) if self._archive is not None else None
            self._library = LibraryWorkbook(file or self._file, self._truths)
        return self._library

    def close(self) -> None:
        self._kept.clear()
        if self._library is not None:
            self._library.close()
        if self._archive is not None:
            self._archive.close()

    def __enter__(self) -> "Workbook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LibraryWorkbook:
    """A workbook as the library reads it: a sheet at a time, whole."""

    def __init__(self, file: BinaryIO, truths: tuple[Cell, Cell]) -> None:
        file.seek(0)
        self._book = _guarded(lambda: CalamineWorkbook.from_filelike(file), "the workbook")
        self._truths = truths
        self._loaded: tuple[str, CalamineSheet] | None = None  # the sheet read last, so that reading it again is cheap
        sheets = (sheet for sheet in self._book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet)  # no charts
        self.sheets = tuple(sheet.name for sheet in sheets)

    def pieces(self, sheet: str) -> Iterator[Piece]:
        found = self._sheet(sheet)
        return self._pieces(found) if found.height else iter(())

    def height(self, sheet: str) -> int:
        return self._sheet(sheet).total_height

    def _pieces(self, found: CalamineSheet) -> Iterator[Piece]:
        before: list[Cell] = [""] * (found.start[1] if found.start else 0)
        rows = enumerate(found.iter_rows(), 1)
        while taken := list(islice(rows, PIECE_ROWS)):
            # most cells are texts: those need no call
            filled = [(at, [v if v.__class__ is str else self._cell(v) for v in row]) for at, row in taken]
            filled = [(at, row) for at, row in filled if row.count("") < len(row)]
            if filled:
                yield [at for at, _ in filled], [before + row if before else row for _, row in filled]

    def _cell(self, value: object) -> Cell:
        return self._truths[value] if isinstance(value, bool) else _cell(value)

    def _sheet(self, name: str) -> CalamineSheet:
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None  # one sheet at a time is in memory
            self._loaded = name, _guarded(lambda: self._book.get_sheet_by_name(name), f"sheet {name!r}")
        return self._loaded[1]

    def close(self) -> None:
        self._loaded = None
        self._book.close()


def open_workbook(file: BinaryIO, truths: tuple[Cell, Cell] = (False, True)) -> Workbook:
    """Raises FileBroken for what is not a workbook, is damaged, or would need too much memory.

    `truths` are the cells that false and true become.
    """
    file.seek(0)
    head = file.read(len(_OLE))
    if head == _OLE:
        return Workbook(file, None, truths)
    if not head.startswith(_ZIP):
        raise FileBroken("The file is not an Excel workbook (.xlsx, .xlsm or .xls)")
    with _damage_told():
        archive = zipfile.ZipFile(file)
    _check_sizes(archive.infolist())
    return Workbook(file, archive, truths)


def _cell(value: object) -> Cell:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _duration(value: datetime.timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _guarded(call: Callable[[], T], what: str) -> T:
    """What the Rust library raises, a panic included, as FileBroken."""
    try:
        return call()
    except (CalamineError, OSError, ValueError) as error:
        raise FileBroken(f"Cannot read {what}: {error or type(error).__name__}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise FileBroken(f"Cannot read {what}: it is damaged") from error


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise FileBroken(f"The workbook's archive is damaged or not readable: {error}") from error


def _measure(archive: zipfile.ZipFile) -> None:
    for entry in archive.infolist():
        _check_entry(archive, entry)


def _check_sizes(entries: Sequence[zipfile.ZipInfo]) -> None:
    if not any(entry.filename.startswith("xl/") for entry in entries):
        raise FileBroken("The file is a zip archive, but not an Excel workbook (.xlsx or .xlsm)")
    total = sum(entry.file_size for entry in entries)
    others = sum(entry.file_size for entry in entries if not entry.filename.startswith(_SHEETS))
    if total > UNPACKED_CAP or others > STRINGS_CAP:
        raise FileBroken(
            f"The workbook unpacks to {total:,} bytes ({others:,} beside its sheets); "
            f"the limit is {UNPACKED_CAP:,} ({STRINGS_CAP:,}): split it, or send CSV"
        )


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Unpacks it once, which proves the size it declares, and measures a sheet's rectangle."""
    if not entry.filename.startswith(_SHEETS):
        for _ in _elements(archive, entry):
            pass
    elif not _fits(archive, entry, _bound)[0]:  # styles on blank cells may have made it look larger than it is
        fits, columns, rows = _fits(archive, entry, _exact)
        if not fits:
            raise FileBroken(
                f"{entry.filename} reaches to row {rows:,} and column {columns:,}: {columns * rows:,} cells, "
                f"the limit is {CELLS_CAP:,}; delete what lies outside the table, split it, or send CSV"
            )


def _fits(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, places: Callable[[bytes], Refs]) -> tuple[bool, int, int]:
    """Whether the rectangle is bearable; up to where it was measured."""
    columns = rows = 0
    for piece in _elements(archive, entry):
        letters, numbers = places(piece)
        columns, rows = max(columns, *map(_column, letters), 0), max(rows, *map(int, numbers), 0)
        if columns * rows > CELLS_CAP:
            return False, columns, rows
    return True, columns, rows


def _elements(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Its bytes, cut behind the end of a tag."""
    tail = b""
    with archive.open(entry) as stream:
        while data := stream.read(STEP):
            whole, end, rest = (tail + data).rpartition(b">")
            yield whole + end
            tail = rest[-_LONGEST_TAG:]


def _exact(data: bytes) -> Refs:
    """The columns and rows of cells that hold something."""
    found = _CELL.findall(data)
    return {letters for letters, _ in found}, {number for _, number in found}


def _bound(data: bytes) -> Refs:
    """Those and the ones of blank cells too: several times faster, where attributes are written as usual."""
    if any(sign in data for sign in _UNUSUAL):
        return _exact(data)
    refs = b" ".join(_PLAIN_CELL.findall(data))
    return set(refs.translate(None, _DIGITS).split()), set(refs.translate(None, _LETTERS).split())


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


__all__ = ["Cell", "Piece", "Workbook", "open_workbook"]
