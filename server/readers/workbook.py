"""Excel workbooks (.xlsx, .xlsm, .xls) as sheets of rows, opened only when their size is bearable.

A workbook is loaded whole, a sheet at a time, so what it would need is measured on its packed bytes first.
"""

import datetime
import re
import string
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, TypeVar

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from server.readers.base import FileBroken

UNPACKED_CAP = 1 << 30
STRINGS_CAP = 256 << 20  # everything but the sheets
CELLS_CAP = 12_000_000  # of a sheet's whole rectangle: that is what is kept in memory
STEP = 1 << 20

Cell = str | int | float | bool
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
    """The sheets in the workbook's order. Rows are counted from the sheet's first, columns from its first."""

    def __init__(self, book: CalamineWorkbook) -> None:
        self._book = book
        self._loaded: tuple[str, CalamineSheet] | None = None  # the sheet read last, so that reading it again is cheap
        sheets = (sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet)  # no charts
        self.sheets = tuple(sheet.name for sheet in sheets)

    def rows(self, sheet: str) -> Iterator[list[Cell]]:
        """All rows up to the last that holds anything; "" is an empty cell, and dates are ISO text."""
        found = self._sheet(sheet)
        before: list[Cell] = [""] * (found.start[1] if found.start else 0)
        if before:
            return (before + [_cell(value) for value in row] for row in _rows(found))
        # most cells are texts: those need no call
        return ([v if v.__class__ is str else _cell(v) for v in row] for row in _rows(found))

    def _sheet(self, name: str) -> CalamineSheet:
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None  # one sheet at a time is in memory
            self._loaded = name, _guarded(lambda: self._book.get_sheet_by_name(name), f"sheet {name!r}")
        return self._loaded[1]

    def close(self) -> None:
        self._loaded = None
        self._book.close()

    def __enter__(self) -> "Workbook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_workbook(file: BinaryIO) -> Workbook:
    """Raises FileBroken for what is not a workbook, is damaged, or would need too much memory."""
    file.seek(0)
    head = file.read(len(_OLE))
    if head.startswith(_ZIP):
        _measure(file)
    elif head != _OLE:
        raise FileBroken("The file is not an Excel workbook (.xlsx, .xlsm or .xls)")
    file.seek(0)
    return Workbook(_guarded(lambda: CalamineWorkbook.from_filelike(file), "the workbook"))


def _rows(sheet: CalamineSheet) -> Iterator[Sequence[object]]:
    return sheet.iter_rows() if sheet.height else iter(())


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


def _measure(file: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive.infolist())
            for entry in archive.infolist():
                _check_entry(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise FileBroken(f"The workbook's archive is damaged or not readable: {error}") from error


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
