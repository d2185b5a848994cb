"""`xlsx-with-name-row`: one sheet of a workbook; its first row that is not blank holds the names.

A row with an error, or with a formula that has no stored result, fails: a value that is not there is not an empty one.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import BinaryIO, NamedTuple, cast

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten, table_block
from server.readers.cell_faults import has_nothing, is_blank, told
from server.readers.workbooks.workbook import Cell, Workbook, open_workbook

READ_COLUMNS = "read columns"
MOST_NAMED = 10  # sheets that are not read

NumberedRow = tuple[int, list[Cell]]


class XlsxReader:
    """Option `sheet`: its name, or its number from 1; the first sheet otherwise. Blank rows are passed over.

    `READ_COLUMNS` is for the engine: a function that says whether a column is read, by its name. An error in another
    one, whose value is not read, does no harm.
    """

    whole_file = False

    def check(self, options: Mapping[str, object]) -> str | None:
        sheet = options.get("sheet", 1)
        named = isinstance(sheet, str) and sheet != ""
        numbered = type(sheet) is int and sheet > 0
        return (
            None if named or numbered else f"Invalid sheet {sheet!r}: it must be a sheet's name, or its number from 1"
        )

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        problem = self.check(options)
        if problem:
            raise FileBroken(problem)
        with open_workbook(file) as book:
            sheet = _sheet(book, options.get("sheet", 1))
            rows = chain.from_iterable(zip(*piece, strict=True) for piece in book.pieces(sheet))
            names = _names(*next(rows, (0, [])))
            if start == START and len(book.sheets) > 1:
                remarks = () if "sheet" in options else (_remark(book, sheet),)
                yield table_block(names, [], [], lambda _: b"", START)._replace(remarks=remarks, sheets=book.sheets)
            layout = _Layout(names, _matters(options), book.height(sheet))
            yield from _blocks(rows, layout, start, size)


class _Layout(NamedTuple):
    """`matters` says of a name whether its column is read; None: all are. `height` is the number of the last row."""

    names: tuple[str, ...]
    matters: Callable[[str], bool] | None
    height: int


def _matters(options: Mapping[str, object]) -> Callable[[str], bool] | None:
    is_read = options.get(READ_COLUMNS)
    return cast("Callable[[str], bool]", is_read) if callable(is_read) else None


def _remark(book: Workbook, sheet: str) -> str:
    """Of several sheets only one is read: the others are named."""
    others = [shorten(name) for name in book.sheets if name != sheet]
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return (
        f"only the sheet {shorten(sheet)} was read, not {', '.join(others[:MOST_NAMED])}{more}; "
        "the option `sheet` chooses another"
    )


def _sheet(book: Workbook, wanted: object) -> str:
    if isinstance(wanted, int) and wanted <= len(book.sheets):
        return book.sheets[wanted - 1]
    if wanted in book.sheets:
        return str(wanted)
    raise FileBroken(
        f"The workbook has no sheet {wanted!r}; its sheets are: {', '.join(map(repr, book.sheets)) or 'none'}"
    )


def _names(number: int, row: list[Cell]) -> tuple[str, ...]:
    if (problem := told(number, row)) is not None:
        raise FileBroken(f"The names of the columns cannot be read: {problem}")
    names = [str(cell) for cell in row]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _blocks(rows: Iterator[NumberedRow], layout: _Layout, start: Position, size: int) -> Iterator[Block]:
    record = start.record
    rest = (numbered for numbered in rows if numbered[0] > start.line and not is_blank(numbered[1]))
    while taken := list(islice(rest, size)):
        lines = [number for number, _ in taken]
        record += len(taken)
        fitted = [
            _fit(row, number, len(layout.names)) if row.__class__ is list else _faulty(row, number, layout)
            for number, row in taken
        ]
        share = lines[-1] / max(lines[-1], layout.height)
        yield table_block(layout.names, fitted, lines, _Originals(taken), Position(record, lines[-1]), share)


class _Originals:
    """A row as a JSON array: a workbook has no text of its own for it."""

    def __init__(self, rows: list[NumberedRow]) -> None:
        self._rows = rows

    def __call__(self, index: int) -> bytes:
        return orjson.dumps(self._rows[index][1])


def _faulty(row: list[Cell], number: int, layout: _Layout) -> Row | BadRecord:
    problem = told(number, row, layout.names, layout.matters)
    return _fit([*row], number, len(layout.names)) if problem is None else BadRecord(problem)


def _fit(row: list[Cell], number: int, width: int) -> Row | BadRecord:
    extra = next((cell for cell in row[width:] if not has_nothing(cell)), None)
    if extra is not None:
        return BadRecord(f"row {number} has a cell to the right of the {width} names: {shorten(str(extra))}")
    return row[:width] if len(row) >= width else row + [""] * (width - len(row))
