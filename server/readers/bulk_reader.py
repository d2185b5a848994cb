"""Bulk load workbooks as records: a first pass that finds the blocks of all sheets, and a reader for each block."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from types import TracebackType
from typing import BinaryIO, overload

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten
from server.readers.bulk_sheets import (
    ACTIONS,
    CLEAR,
    HEADER_ROWS,
    LayoutWrong,
    NumberedRow,
    SheetBlock,
    action_of,
    is_header,
    read_header,
)
from server.readers.kept_spaces import keep_spaces
from server.readers.workbook import Cell, Workbook, open_workbook

MOST_BLOCKS = 1000
_UNKNOWN_ACTION = len(ACTIONS)


@dataclass(slots=True)
class FoundBlock:
    """A block and what its rows ask for, as far as the first pass looks."""

    block: SheetBlock
    last: int
    records: int = 0
    hierarchies: dict[str, int] = field(default_factory=dict)  # each that a row names, with the first such line
    searched: set[str] = field(default_factory=set)  # attributes that rows are looked up by
    actions: bytearray | None = None  # an index into ACTIONS for each record, where rows choose their own
    lines: list[tuple[int, int]] = field(default_factory=list)  # (record, line) wherever the distance changes

    def add(self, line: int, cells: Sequence[Cell]) -> None:
        if not self.lines or line - self.records != self.lines[-1][1] - self.lines[-1][0]:
            self.lines.append((self.records, line))
        self.records += 1
        if self.block.metas:
            self._add_metas(line, cells)

    def _add_metas(self, line: int, cells: Sequence[Cell]) -> None:
        block = self.block
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
        self._book = _opened(file)
        self._sheet: str | None = None
        self._line = 0
        self._rows: Iterator[list[Cell]] = iter(())

    @property
    def sheets(self) -> tuple[str, ...]:
        """Those to be loaded, in the order of the tabs; a `#` before the name takes a sheet out."""
        return tuple(name for name in self._book.sheets if not name.lstrip().startswith("#"))

    def rows(self, sheet: str, first: int = 1) -> Iterator[NumberedRow]:
        """From line `first` on. Only the iterator asked for last may be used."""
        if self._sheet != sheet or self._line >= first:
            self._sheet, self._line, self._rows = sheet, 0, self._book.rows(sheet)
        for cells in self._rows:
            self._line += 1
            if self._line >= first:
                yield self._line, cells

    def close(self) -> None:
        self._rows = iter(())
        self._book.close()

    def __enter__(self) -> "BulkBook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(file: BinaryIO) -> Workbook:
    book = open_workbook(file)
    kept = keep_spaces(file)
    if kept is None:
        return book
    book.close()
    return open_workbook(kept)


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
    ahead: list[NumberedRow] = []
    rows = _ahead(book.rows(sheet), ahead)
    for line, cells in rows:
        if is_header(cells):
            if len(found) == most:
                raise LayoutWrong(f"sheet {shorten(sheet)}, row {line}: more than {MOST_BLOCKS:,} entity rows")
            block = read_header(sheet, (line, cells), ahead)
            found.append(FoundBlock(block, line, actions=bytearray() if "action" in block.metas else None))
        elif not found:
            _check_before(sheet, line, cells)
        elif line >= found[-1].block.first and found[-1].block.is_record(cells):
            found[-1].add(line, cells)
            found[-1].last = line
    return found


def _check_before(sheet: str, line: int, cells: Sequence[Cell]) -> None:
    first = next((cell for cell in cells if cell != ""), None)
    if first is not None and not str(first).lstrip().startswith("#"):
        raise LayoutWrong(
            f"sheet {shorten(sheet)}, row {line}: the first row must begin with entity:MODEL, such as "
            f"entity:data/Countries, but it begins with {shorten(str(first))}; a tab named #… is passed over"
        )


def _ahead(rows: Iterator[NumberedRow], ahead: list[NumberedRow]) -> Iterator[NumberedRow]:
    """The filled rows; `ahead` holds the next few while each is handed out."""
    filled = (row for row in rows if row[1].count("") < len(row[1]))
    ahead.extend(islice(filled, HEADER_ROWS + 2))
    while ahead:
        row = ahead.pop(0)
        ahead.extend(islice(filled, 1))
        yield row


def parse_search(text: str) -> dict[str, str]:
    """`attribute:value,attribute:value`; a comma within a value stands as long as no `name:` follows it."""
    found: dict[str, str] = {}
    name = ""
    for part in text.split(","):
        head, colon, value = part.partition(":")
        if colon and (not name or head.strip().replace(".", "").replace("_", "").isalnum()):
            name = head.strip()
            found[name] = value.strip()
        elif name:
            found[name] += "," + part
    return found


class BlockReader:
    """The rows of one block. A row that only adds plain values is a list, any other a dict (see `record_of`)."""

    whole_file = False

    def __init__(self, book: BulkBook, found: FoundBlock) -> None:
        self._book = book
        self._block = found.block
        self._last = found.last
        self._total = found.records
        self._take = _taker(found.block.places)
        self._tight = len(found.block.places) + len(found.block.metas)  # cells of a row without further columns

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        record = start.record
        rows = self._records(max(self._block.first, start.line + 1))
        while taken := list(islice(rows, size)):
            record += len(taken)
            shaped = [self._shape(line, cells) for line, cells in taken]
            lines = array("q", [line for line, _ in taken])
            bad = sum(row.__class__ is BadRecord for row in shaped)
            records = _Records(self._block, shaped)
            end = Position(record, lines[-1])
            share = record / max(record, self._total)
            yield Block(records, lines, _Originals(taken), end, bad, self._block.names, shaped, share)

    def _records(self, first: int) -> Iterator[NumberedRow]:
        if first > self._last:
            return
        for line, cells in self._book.rows(self._block.sheet, first):
            if self._block.is_record(cells):
                yield line, cells
            if line >= self._last:
                return

    def _shape(self, line: int, cells: list[Cell]) -> Row | BadRecord:
        block = self._block
        values = self._take(cells)
        if self._tight < len(cells) and (stray := self._stray(cells)) is not None:
            return BadRecord(f"row {line} has a cell in a column without an attribute name: {shorten(str(stray))}")
        if not block.metas and block.action == "add" and CLEAR not in values:
            return values
        action = action_of(block.meta("action", cells), block.action)
        if action is None:
            word = block.meta("action", cells)
            return BadRecord(f"row {line}: unknown action {shorten(word)}; known are {', '.join(ACTIONS)}")
        if action == "add" and CLEAR not in values:
            return values
        return record_of(  # type: ignore[return-value]
            action, zip(block.names, values, strict=True), block.meta("pkid", cells), block.meta("search", cells)
        )

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

    def __init__(self, rows: Sequence[NumberedRow]) -> None:
        self._rows = rows

    def __call__(self, index: int) -> bytes:
        return orjson.dumps(self._rows[index][1])


__all__ = ["BlockReader", "BulkBook", "FileBroken", "FoundBlock", "LayoutWrong", "find_blocks", "parse_search"]
