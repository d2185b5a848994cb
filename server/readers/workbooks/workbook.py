"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods) as sheets of rows, opened only when their size is bearable.

Sheets as the usual programs write them are read by patterns (`fast_*`), any other .xlsx and .ods element by element
(`xlsx_package`, `open_document`), and binary formats by python-calamine (`library_workbook`).
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, Protocol

from server.readers.base import FileBroken
from server.readers.cell_faults import Cell, Piece
from server.readers.workbooks.binary_faults import faults_of_xls, faults_of_xlsb
from server.readers.workbooks.calamine_workbook import LibraryWorkbook
from server.readers.workbooks.cell_text import NotSupportedByFastPath
from server.readers.workbooks.fast_workbook import DAMAGED, PlainWorkbook
from server.readers.workbooks.open_document import CONTENT, OpenDocument
from server.readers.workbooks.part_events import CELLS_CAP, too_large
from server.readers.workbooks.xlsx_package import KINDS, NO_WORKBOOK, OTHERS_CAP, UNPACKED_CAP, Parts, XlsxPackage

KEPT_BYTES = 128 << 20  # of text that sheets were, with CELL_BYTES for each cell: about what the rows take
CELL_BYTES = 8

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Book(Protocol):
    """One way to read a workbook: pieces of rows, each with how many bytes it was."""

    @property
    def sheets(self) -> tuple[str, ...]: ...

    def pieces(self, sheet: str) -> Iterator[tuple[Piece, int]]: ...


class Workbook:
    """The sheets in the workbook's order. Rows and columns are counted from the sheet's first.

    Each sheet is read to its end once before its first row is given. Rows stay in memory as long as they are few.
    From the first sheet on that is not plain, the other way to read the workbook is taken.
    """

    def __init__(self, plain: Callable[[], Book] | None, otherwise: Callable[[], Book]) -> None:
        self._otherwise = otherwise
        self._other: Book | None = None
        self._plain: Book | None = None
        self._heights: dict[str, int] = {}  # of sheets that were read to their end once
        self._kept: dict[str, list[Piece]] = {}
        self._room = KEPT_BYTES
        if plain is not None:
            with suppress(NotSupportedByFastPath), _damage_told():
                self._plain = plain()
        self.sheets = (self._plain or self._slow()).sheets

    def pieces(self, sheet: str) -> Iterator[Piece]:
        """The numbers and cells of all rows that hold anything; "" is an empty cell, and dates are DateCell.

        A row may be shorter than others; one with cells that hold no value is a FaultyRow. Raises FileBroken, for
        damage anywhere in the sheet before its first row.
        """
        book = self._looked_through(sheet)
        if sheet in self._kept:
            return iter(self._kept[sheet])
        return (piece for piece, _ in book.pieces(sheet) if piece[0])

    def height(self, sheet: str) -> int:
        """The number of its last row."""
        self._looked_through(sheet)
        return self._heights[sheet]

    def _looked_through(self, sheet: str) -> Book:
        if self._plain is not None and sheet not in self._heights:
            try:
                with _damage_told():
                    self._look_through(self._plain, sheet)
            except NotSupportedByFastPath:
                self._plain = None
        if self._plain is not None:
            return self._plain
        if sheet not in self._heights:
            with _damage_told():
                self._look_through(self._slow(), sheet)
        return self._slow()

    def _look_through(self, book: Book, sheet: str) -> None:
        """Once to its end, for what can be wrong; keeps what it has seen where there is room."""
        kept: list[Piece] = []
        columns = height = taken = 0
        for piece, length in book.pieces(sheet):
            numbers, rows = piece
            if not rows:
                continue
            columns, height = max(columns, *map(len, rows)), numbers[-1]
            if columns * height > CELLS_CAP:
                raise too_large(f"The sheet {sheet!r}", columns, height)
            taken += length + CELL_BYTES * columns * len(rows)
            if taken <= self._room:
                kept.append(piece)
            else:
                kept.clear()
        if taken <= self._room:
            self._kept[sheet] = kept
            self._room -= taken
        self._heights[sheet] = height

    def _slow(self) -> Book:
        if self._other is None:
            with _damage_told():
                self._other = self._otherwise()
        return self._other

    def close(self) -> None:
        self._kept.clear()
        if isinstance(self._other, LibraryWorkbook):
            self._other.close()

    def __enter__(self) -> "Workbook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_workbook(file: BinaryIO, truths: tuple[Cell, Cell] = (False, True)) -> Workbook:
    """Raises FileBroken for what is not a workbook, is damaged, or would need too much memory.

    `truths` are the cells that false and true become.
    """
    file.seek(0)
    head = file.read(4096)
    if head.startswith(_OLE):
        return Workbook(None, lambda: _of_records(file, truths))
    if not head.startswith(_ZIP):
        raise FileBroken(f"The file is not {KINDS}{_what_it_seems(head)}")
    return _of_archive(file, truths)


def _of_records(file: BinaryIO, truths: tuple[Cell, Cell]) -> Book:
    faults = faults_of_xls(file)
    return LibraryWorkbook(file, truths, lambda at, _: faults[at] if at < len(faults) else {})


def _of_archive(file: BinaryIO, truths: tuple[Cell, Cell]) -> Workbook:
    with _damage_told():
        archive = zipfile.ZipFile(file)
        _check_sizes(archive.infolist())
        parts = Parts(archive)
        main = parts.main()
    if main is None and CONTENT in parts:
        return Workbook(None, lambda: OpenDocument(parts, truths))
    if main is None:
        raise FileBroken(NO_WORKBOOK)
    if main.lower().endswith(".bin"):
        return Workbook(None, lambda: _of_binary_parts(file, parts, truths))
    return Workbook(lambda: PlainWorkbook(archive, truths), lambda: XlsxPackage(parts, truths))


def _of_binary_parts(file: BinaryIO, parts: Parts, truths: tuple[Cell, Cell]) -> Book:
    faults = faults_of_xlsb(parts)
    return LibraryWorkbook(file, truths, lambda _, name: faults.get(name, {}))


def _what_it_seems(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return "; it holds HTML or XML: open it in a spreadsheet program and save it as .xlsx"
    if head.strip() and b"\0" not in head:
        return "; it seems to be text: if it is CSV, import it as such"
    return ""


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise FileBroken(f"The workbook's archive is damaged or not readable: {error}") from error


def _check_sizes(entries: Sequence[zipfile.ZipInfo]) -> None:
    if any(entry.flag_bits & 1 for entry in entries):
        raise FileBroken("The workbook's archive is encrypted and needs a password; save it without one")
    total = sum(entry.file_size for entry in entries)
    others = sum(entry.file_size for entry in entries if not _is_sheet(entry.filename))
    if total > UNPACKED_CAP or others > OTHERS_CAP:
        raise FileBroken(
            f"The workbook unpacks to {total:,} bytes ({others:,} beside its sheets); "
            f"the limit is {UNPACKED_CAP:,} ({OTHERS_CAP:,}): split it, or send CSV"
        )


def _is_sheet(name: str) -> bool:
    return "worksheets/" in name.replace("\\", "/").lower() or name == CONTENT


__all__ = ["Cell", "Piece", "Workbook", "open_workbook"]
