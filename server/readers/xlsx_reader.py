"""`xlsx-with-name-row`: one sheet of a workbook; its first row that is not blank holds the names."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import BinaryIO

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten, table_block
from server.readers.cell_faults import told
from server.readers.workbook import Cell, Workbook, open_workbook

NumberedRow = tuple[int, list[Cell]]


class XlsxReader:
    """Option `sheet`: its name, or its number from 1; the first sheet otherwise. Blank rows are passed over."""

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
            yield from _blocks(rows, names, start, size, book.height(sheet))


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


def _blocks(
    rows: Iterator[NumberedRow], names: tuple[str, ...], start: Position, size: int, height: int
) -> Iterator[Block]:
    record = start.record
    rest = (numbered for numbered in rows if numbered[0] > start.line)
    while taken := list(islice(rest, size)):
        lines = [number for number, _ in taken]
        record += len(taken)
        fitted = [
            _fit(row, number, len(names)) if row.__class__ is list else _faulty(row, number, names)
            for number, row in taken
        ]
        share = lines[-1] / max(lines[-1], height)
        yield table_block(names, fitted, lines, _Originals(taken), Position(record, lines[-1]), share)


class _Originals:
    """A row as a JSON array: a workbook has no text of its own for it."""

    def __init__(self, rows: list[NumberedRow]) -> None:
        self._rows = rows

    def __call__(self, index: int) -> bytes:
        return orjson.dumps(self._rows[index][1])


def _faulty(row: list[Cell], number: int, names: tuple[str, ...]) -> BadRecord:
    return BadRecord(told(number, row, names) or "")


def _fit(row: list[Cell], number: int, width: int) -> Row | BadRecord:
    extra = next((cell for cell in row[width:] if cell != ""), None)
    if extra is not None:
        return BadRecord(f"row {number} has a cell to the right of the {width} names: {shorten(str(extra))}")
    return row[:width] if len(row) >= width else row + [""] * (width - len(row))
