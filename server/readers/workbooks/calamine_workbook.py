"""Workbooks in binary formats (.xls, .xlsb) as python-calamine reads them: a sheet at a time, whole."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, TypeVar

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from server.cells import DateCell
from server.readers.base import FileBroken
from server.readers.cell_faults import Cell, Fault, Piece, row_of
from server.readers.workbooks.binary_faults import Faults
from server.readers.workbooks.cell_text import as_number, duration

PIECE_ROWS = 2000
CELL_BYTES = 50

T = TypeVar("T")


class LibraryWorkbook:
    """`faults` are the cells in whose place the library gives nothing, for each sheet."""

    def __init__(
        self, file: BinaryIO, truths: tuple[Cell, Cell], faults: Callable[[int, str], Faults] | None = None
    ) -> None:
        file.seek(0)
        self._book = _guarded(lambda: CalamineWorkbook.from_filelike(file), "the workbook")
        self._truths = truths
        self._faults = faults or (lambda at, name: {})
        self._loaded: tuple[str, CalamineSheet] | None = None  # the sheet read last, so that reading it again is cheap
        self._places = {
            sheet.name: at
            for at, sheet in enumerate(self._book.sheets_metadata)
            if sheet.typ == SheetTypeEnum.WorkSheet  # no charts
        }
        self.sheets = tuple(self._places)

    def pieces(self, sheet: str) -> Iterator[tuple[Piece, int]]:
        """Filled rows with their numbers, and about how many bytes they take."""
        found = self._sheet(sheet)
        faults = self._faults(self._places[sheet], sheet)
        return (
            ((piece, CELL_BYTES * found.width * len(piece[1])) for piece in self._pieces(found, faults))
            if found.height
            else iter(())
        )

    def height(self, sheet: str) -> int:
        return self._sheet(sheet).total_height

    def _pieces(self, found: CalamineSheet, faults: Faults) -> Iterator[Piece]:
        before: list[Cell] = [""] * (found.start[1] if found.start else 0)
        bad: dict[int, dict[int, Fault]] = {}
        for (row, column), fault in faults.items():
            bad.setdefault(row + 1, {})[column] = fault
        rows = enumerate(found.iter_rows(), 1)
        while taken := list(islice(rows, PIECE_ROWS)):
            # most cells are texts: those need no call
            made = [(at, before + [v if v.__class__ is str else self._cell(v) for v in row]) for at, row in taken]
            made = [(at, _with_faults(row, bad[at]) if at in bad else row) for at, row in made]
            filled = [(at, row) for at, row in made if row.count("") < len(row)]
            if filled:
                yield [at for at, _ in filled], [row for _, row in filled]

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


def _with_faults(row: Sequence[Cell], faults: dict[int, Fault]) -> list[Cell]:
    cells: list[Cell | Fault] = [*row, *[""] * (max(faults) + 1 - len(row))]
    for place, fault in faults.items():
        cells[place] = fault
    return row_of(cells)


def _cell(value: object) -> Cell:
    if isinstance(value, float):
        return as_number(value)
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime.timedelta):
        return duration(value / datetime.timedelta(days=1))
    if isinstance(value, datetime.date):
        return DateCell(value.isoformat())
    return value.isoformat() if isinstance(value, datetime.time) else str(value)


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
