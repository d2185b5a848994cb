"""Bulk load workbooks as records: a first pass that finds the blocks of all sheets, and a reader for each block."""

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from operator import itemgetter
from types import TracebackType
from typing import BinaryIO, overload

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten
from server.readers.bulk.layout import (
    ACTIONS,
    CLEAR,
    HEADER_ROWS,
    LayoutWrong,
    NumberedRow,
    SheetBlock,
    action_of,
    headers_in,
    read_header,
)
from server.readers.cell_faults import Cell, FaultyRow, Piece, told
from server.readers.workbooks.fast_sheet import from_line
from server.readers.workbooks.workbook import open_workbook

MOST_BLOCKS = 1000
TRUTHS = ("false", "true")  # as texts, since a false cell is a value here and no missing one
_UNKNOWN_ACTION = len(ACTIONS)


@dataclass(slots=True)
class FoundBlock:
    """A block and what its rows ask for, as far as the first pass looks."""

    block: SheetBlock
    last: int
    records: int = 0
    commented: bool = False  # whether any of its rows is none
    hierarchies: dict[str, int] = field(default_factory=dict)  # each that a row names, with the first such line
    searched: set[str] = field(default_factory=set)  # attributes that rows are looked up by
    actions: bytearray | None = None  # an index into ACTIONS for each record, where rows choose their own
    lines: list[tuple[int, int]] = field(default_factory=list)  # (record, line) wherever the distance changes

    def add(self, lines: list[int], filled: list[list[Cell]]) -> None:
        """Rows that follow those known so far."""
        numbers, rows = self.block.records(lines, filled)
        self.commented |= len(numbers) < len(lines)
        if not numbers:
            return
        self.last = numbers[-1]
        if self.records:
            self._add_jump(numbers[0])
        else:
            self.lines.append((0, numbers[0]))
        if numbers[-1] - numbers[0] >= len(numbers):
            for before, (previous, line) in enumerate(pairwise(numbers), self.records + 1):
                if line != previous + 1:
                    self.lines.append((before, line))
        self.records += len(numbers)
        if self.block.metas:
            for line, cells in zip(numbers, rows, strict=True):
                self._add_metas(line, cells)

    def _add_jump(self, line: int) -> None:
        if line - self.records != self.lines[-1][1] - self.lines[-1][0]:
            self.lines.append((self.records, line))

    def _add_metas(self, line: int, cells: Sequence[Cell]) -> None:
        block = self.block
        if isinstance(cells, FaultyRow):  # it fails in any case
            if self.actions is not None:
                self.actions.append(_UNKNOWN_ACTION)
            return
        if hierarchy := block.meta("hierarchy", cells):
            self.hierarchies.setdefault(hierarchy, line)
        if search := block.meta("search", cells):
            self.searched.update(parse_search(search))
        if self.actions is not None:
            action = action_of(block.meta("action", cells), block.action)
            self.actions.append(_UNKNOWN_ACTION if action is None else ACTIONS.index(action))


class BulkBook:
    """An open workbook whose sheets are walked forward; the one read last stays in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._book = open_workbook(file, TRUTHS)
        self._sheet: str | None = None
        self._rest: Iterator[Piece] = iter(())
        self._held: Piece | None = None  # the piece that was handed out last: another block may begin within it
        self._from = 0  # its first line

    @property
    def sheets(self) -> tuple[str, ...]:
        """Those to be loaded, in the order of the tabs; a `#` before the name takes a sheet out."""
        return tuple(name for name in self._book.sheets if not name.lstrip().startswith("#"))

    def pieces(self, sheet: str, first: int = 1) -> Iterator[Piece]:
        """The filled rows from line `first` on. Only the iterator asked for last may be used."""
        if self._sheet != sheet or first < self._from:
            self._sheet, self._from, self._held, self._rest = sheet, 0, None, self._book.pieces(sheet)
        while (piece := self._held or next(self._rest, None)) is not None:
            self._held, self._from = piece, piece[0][0]
            if piece[0][-1] >= first:
                yield from_line(piece, first)
            self._held = None
        self._sheet = None

    def rows(self, sheet: str, first: int = 1) -> Iterator[NumberedRow]:
        """The same, row by row."""
        return chain.from_iterable(zip(*piece, strict=True) for piece in self.pieces(sheet, first))

    def close(self) -> None:
        self._rest, self._held = iter(()), None
        self._book.close()

    def __enter__(self) -> "BulkBook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_blocks(book: BulkBook) -> list[FoundBlock]:
    """Every block of every sheet, left to right and downwards; raises LayoutWrong with what is wrong in each sheet."""
    found: list[FoundBlock] = []
    problems: list[str] = []
    for sheet in book.sheets:
        try:
            found += _blocks_of(book, sheet, MOST_BLOCKS - len(found))
        except LayoutWrong as error:
            problems.append(str(error))
    if problems:
        raise LayoutWrong("; ".join(problems))
    if not found:
        raise LayoutWrong("no sheet has anything to load: a sheet begins with a row such as entity:data/Countries")
    return found


def _blocks_of(book: BulkBook, sheet: str, most: int) -> list[FoundBlock]:
    found: list[FoundBlock] = []
    coming = _Coming(book.pieces(sheet))
    for numbers, rows in coming:
        for at, end in pairwise([-1, *headers_in(rows), len(rows)]):
            if at >= 0:
                if len(found) == most:
                    raise LayoutWrong(
                        f"sheet {shorten(sheet)}, row {numbers[at]}: more than {MOST_BLOCKS:,} entity rows"
                    )
                block = read_header(sheet, (numbers[at], rows[at]), coming.below(at, HEADER_ROWS + 1))
                found.append(FoundBlock(block, block.line, actions=bytearray() if "action" in block.metas else None))
            below = at + 1
            if found:
                first = bisect_left(numbers, found[-1].block.first, below, end)
                found[-1].add(numbers[first:end], rows[first:end])
            else:
                for line, cells in zip(numbers[below:end], rows[below:end], strict=True):
                    _check_before(sheet, line, cells)
    return found


class _Coming:
    """Pieces of a sheet, with a look at the rows to come."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._current: Piece = ([], [])
        self._ahead: deque[Piece] = deque()

    def __iter__(self) -> Iterator[Piece]:
        while self._ahead or self._pull():
            self._current = self._ahead.popleft()
            yield self._current

    def _pull(self) -> bool:
        self._ahead.extend(islice(self._pieces, 1))
        return bool(self._ahead)

    def below(self, at: int, count: int) -> list[NumberedRow]:
        """The next rows after one of the current piece."""
        numbers, rows = self._current
        found = list(zip(numbers[at + 1 : at + 1 + count], rows[at + 1 : at + 1 + count], strict=True))
        for piece in chain(self._ahead, self._further()):
            found += islice(zip(*piece, strict=True), count)
            if len(found) >= count:
                break
        return found[:count]

    def _further(self) -> Iterator[Piece]:
        for piece in self._pieces:
            self._ahead.append(piece)
            yield piece


def _check_before(sheet: str, line: int, cells: list[Cell]) -> None:
    if (problem := told(line, cells)) is not None:
        raise LayoutWrong(f"sheet {shorten(sheet)}, {problem}")
    first = next((cell for cell in cells if cell != ""), None)
    if first is not None and not str(first).lstrip().startswith("#"):
        raise LayoutWrong(
            f"sheet {shorten(sheet)}, row {line}: the first row must begin with entity:MODEL, such as "
            f"entity:data/Countries, but it begins with {shorten(str(first))}; a tab named #… is passed over"
        )


def parse_search(text: str) -> dict[str, str]:
    """`attribute:value,attribute:value`; a comma within a value stands as long as no `name:` follows it."""
    found: dict[str, list[str]] = {}
    name = ""
    for part in text.split(","):
        head, colon, value = part.partition(":")
        if colon and (not name or head.strip().replace(".", "").replace("_", "").isalnum()):
            name = head.strip()
            found[name] = [value.strip()]
        elif name:
            found[name].append(part)
    return {name: ",".join(parts) for name, parts in found.items()}


class BlockReader:
    """The rows of one block. A row that only adds plain values is a list, any other a dict (see `record_of`)."""

    whole_file = False

    def __init__(self, book: BulkBook, found: FoundBlock) -> None:
        self._book = book
        self._block = found.block
        self._last = found.last
        self._total = found.records
        self._commented = found.commented
        self._take = _taker(found.block.places)
        self._titles = _titles(found.block)
        places, metas = found.block.places, tuple(found.block.metas.values())
        self._width = max((*places, *metas)) + 1
        # rows that are nothing but values to add need no work
        self._as_they_are = not metas and found.block.action == "add" and places == tuple(range(len(places)))
        self._tight = len(found.block.places) + len(found.block.metas)  # cells of a row without further columns

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        record = start.record
        for lines, rows in self._taken(max(self._block.first, start.line + 1), size):
            record += len(rows)
            shaped, bad = self._shaped(lines, rows)
            records = _Records(self._block, shaped)
            end = Position(record, lines[-1])
            share = record / max(record, self._total)
            yield Block(records, array("q", lines), _Originals(rows), end, bad, self._block.names, shaped, share)

    def _taken(self, first: int, size: int) -> Iterator[Piece]:
        """Records from line `first` on, `size` together."""
        lines: list[int] = []
        rows: list[list[Cell]] = []
        for more_lines, more_rows in self._records(first):
            lines += more_lines
            rows += more_rows
            while len(rows) >= size:
                yield lines[:size], rows[:size]
                del lines[:size], rows[:size]
        if rows:
            yield lines, rows

    def _records(self, first: int) -> Iterator[Piece]:
        if first > self._last:
            return
        for lines, rows in self._book.pieces(self._block.sheet, first):
            end = bisect_right(lines, self._last)
            piece = (lines, rows) if end == len(lines) else (lines[:end], rows[:end])
            yield self._block.records(*piece) if self._commented else piece
            if end < len(lines) or lines[-1] == self._last:
                return

    def _shaped(self, lines: Sequence[int], rows: list[list[Cell]]) -> tuple[Sequence[Row | BadRecord], int]:
        """Rows as the mapping takes them, and how many of them are bad."""
        if min(map(len, rows)) < self._width:
            rows = [row if len(row) >= self._width else _widened(row, self._width) for row in rows]
        plain = self._as_they_are and max(map(len, rows)) == self._width
        shaped: list[Row | BadRecord] = [*rows]
        doubtful = (
            [at for at, row in enumerate(rows) if CLEAR in row or row.__class__ is not list]
            if plain
            else range(len(rows))
        )
        for at in doubtful:
            shaped[at] = self._shape(lines[at], rows[at])
        return shaped, sum(shaped[at].__class__ is BadRecord for at in doubtful)

    def _shape(self, line: int, cells: list[Cell]) -> Row | BadRecord:
        block = self._block
        if isinstance(cells, FaultyRow):
            return BadRecord(f"sheet {shorten(block.sheet)}, {told(line, cells, self._titles)}")
        values = self._take(cells)
        if self._tight < len(cells) and (stray := self._stray(cells)) is not None:
            return BadRecord(f"row {line} has a cell in a column without an attribute name: {shorten(str(stray))}")
        if not block.metas and block.action == "add" and CLEAR not in values:
            return values
        action = action_of(block.meta("action", cells), block.action)
        if action is None:
            word = block.meta("action", cells)
            return BadRecord(f"row {line}: unknown action {shorten(word)}; known are {', '.join(ACTIONS)}")
        hierarchy = block.meta("hierarchy", cells)
        if action == "add" and CLEAR not in values and not hierarchy:
            return values
        pairs = zip(block.names, values, strict=True)
        record = record_of(action, pairs, block.meta("pkid", cells), block.meta("search", cells))
        return record | ({"hierarchy": hierarchy} if hierarchy else {})  # type: ignore[return-value]

    def _stray(self, cells: Sequence[Cell]) -> Cell | None:
        known = {*self._block.places, *self._block.metas.values()}
        return next((cell for place, cell in enumerate(cells) if cell not in ("", CLEAR) and place not in known), None)


def record_of(
    action: str, values: "zip[tuple[str, object]] | Mapping[str, object]", pkid: str = "", search: str = ""
) -> dict[str, object]:
    """A row as the mapping takes it; None is an attribute to be cleared, an absent one is left alone."""
    pairs = values.items() if isinstance(values, Mapping) else values
    attributes = {name: None if cell == CLEAR else cell for name, cell in pairs if cell != ""}
    return {"action": action, "attributes": attributes, "pkid": pkid, "search": parse_search(search)}


def _widened(row: list[Cell], width: int) -> list[Cell]:
    cells: list[Cell] = [*row, *[""] * (width - len(row))]
    return FaultyRow(cells, row.faults) if isinstance(row, FaultyRow) else cells


def _titles(block: SheetBlock) -> tuple[str, ...]:
    """What each column is called, from the first."""
    names = {place: f"# {meta}" for meta, place in block.metas.items()} | dict(
        zip(block.places, block.names, strict=True)
    )
    return tuple(names.get(place, "") for place in range(max(names, default=-1) + 1))


def _taker(places: Sequence[int]) -> Callable[[list[Cell]], list[Cell]]:
    """Cuts the attribute cells out of a row, as one slice where they stand together."""
    if not places:
        return lambda cells: []
    first, last = places[0], places[-1] + 1
    if last - first == len(places):
        return lambda cells: cells[first:last]
    pick = itemgetter(*places) if len(places) > 1 else lambda cells: (cells[first],)
    return lambda cells: list(pick(cells))


class _Records(Sequence[object]):
    """Rows as records, made when asked."""

    def __init__(self, block: SheetBlock, rows: Sequence[Row | BadRecord]) -> None:
        self._block = block
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return _Records(self._block, self._rows[index])
        row = self._rows[index]
        if row.__class__ is list:
            return record_of("add", zip(self._block.names, row, strict=True))
        return row


class _Originals:
    """A row as a JSON array: a workbook has no text of its own for it."""

    def __init__(self, rows: Sequence[list[Cell]]) -> None:
        self._rows = rows

    def __call__(self, index: int) -> bytes:
        return orjson.dumps(self._rows[index])


__all__ = ["BlockReader", "BulkBook", "FileBroken", "FoundBlock", "LayoutWrong", "find_blocks", "parse_search"]
