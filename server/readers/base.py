"""What a reader is: bytes in, blocks of records out. A reader knows one format and nothing else.

A block holds consecutive records of one file. Records are numbered from 0 within the file. A record that cannot be read
on its own is a `BadRecord` in its place, so that it fails alone; a file that cannot be read at all raises `FileBroken`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol, overload


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read: `message` says where, why, and shows the offending text (shortened).

    `remains`: what is stored of it all the same, as a record; it has failed nevertheless. None: nothing.
    """

    message: str
    remains: object = None


class FileBroken(Exception):
    """The file as a whole cannot be read; the message names the place (line, record or byte) and the reason."""


class Position(NamedTuple):
    """Where a block ends. `offset` is a byte offset to go on from, or 0 for readers that skip records instead."""

    record: int = 0  # records read so far
    line: int = 0  # lines read so far
    offset: int = 0


class Block(NamedTuple):
    """Consecutive records. Nothing of it changes when the reader goes on to the next block.

    `names` and `rows` are set by the readers of tables, beside `records`: each row is a list with exactly one cell for
    each name, "" where the record has no such value, or a BadRecord in its place. `records` then makes its dicts only
    when asked. Where two columns have one name, `names` and `rows` stay None.

    `remarks` are sentences about the file that the log of the import has to show: what was passed over, counts that
    differ. The run says each sentence once, with the name of the file. A block may have remarks and no records.

    `sheets` are those of a workbook that has several, in its first block, for people who choose among them.
    """

    records: Sequence[object]  # contents (dict, list, scalar) or BadRecord
    lines: Sequence[int]  # 1-based line on which each record starts; empty where the format has no lines
    originals: Callable[[int], bytes]  # the input's own bytes of the i-th record (may be made on demand)
    end: Position
    bad: int = 0  # how many of the records are BadRecord
    names: tuple[str, ...] | None = None
    rows: "Sequence[Row | BadRecord] | None" = None
    share: float | None = None  # of the file that is read at its end, 0 to 1, where the file's position does not say
    remarks: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()


Row = Sequence[object]
START = Position()


class Reader(Protocol):
    """One format.

    * `check` says what is wrong with the options of a control file's file entry, or None.
    * `blocks` yields the records after `start`, at least one (or a remark) and at most `size` to a block, holding no
      more than a block (and a read-ahead of some MiB) in memory. `start` is START or the `end` of a block of this file
      and options. The file must be seekable; where it stands does not matter.
    * No exception but `FileBroken` leaves `blocks`, for any bytes (I/O errors of the file itself aside).
    * `whole_file`: True where a fault anywhere means that no record may be imported (JSON, XML): the run then reads the
      file once to its end before the first record is committed.
    """

    @property
    def whole_file(self) -> bool: ...

    def check(self, options: Mapping[str, object]) -> str | None: ...

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]: ...


class OriginalFile(NamedTuple):
    """The file that records came in, and its entry in the control file."""

    open: Callable[[], BinaryIO]
    options: Mapping[str, object]


class Original(NamedTuple):
    """A record in the input's own bytes. A line that is too long for memory comes as `rest`, in pieces."""

    place: int  # within its file, from 0; only for formats that ask for it
    content: bytes
    rest: Iterable[bytes] = ()


Writer = Callable[[OriginalFile, Iterator[Original]], Iterator[bytes]]
"""Makes a file of whole records, in order and piece by piece; the format's reader reads the same records again."""


class RowRecords(Sequence[object]):
    """Rows of a table as dicts, made when asked; a later column of the same name wins over an earlier one."""

    __slots__ = ("_names", "_rows")

    def __init__(self, names: Sequence[str], rows: Sequence[Row | BadRecord]) -> None:
        self._names = names
        self._rows = rows

    @property
    def names(self) -> Sequence[str]:
        """As the table has them, repeated ones too."""
        return self._names

    def renamed(self, names: Sequence[str]) -> "RowRecords":
        """The same rows under other names."""
        return RowRecords(names, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return RowRecords(self._names, self._rows[index])
        row = self._rows[index]
        if isinstance(row, BadRecord):
            return row
        return {name: cell for name, cell in zip(self._names, row, strict=True) if cell != ""}


def table_block(
    names: tuple[str, ...],
    rows: Sequence[Row | BadRecord],
    lines: Sequence[int],
    originals: Callable[[int], bytes],
    end: Position,
    share: float | None = None,
) -> Block:
    """A block of a table's rows."""
    bad = sum(type(row) is BadRecord for row in rows)
    records = RowRecords(names, rows)
    if len(set(names)) < len(names):
        return Block(records, lines, originals, end, bad, share=share)
    return Block(records, lines, originals, end, bad, names, rows, share)


def shorten(value: bytes | str, limit: int = 80) -> str:
    """A value as it may stand in a message: quoted, at most `limit` characters."""
    text = value[: limit * 4].decode("utf-8", "replace") if isinstance(value, bytes) else value
    return repr(text if len(text) <= limit and len(value) <= limit * 4 else text[:limit] + "…")


def skip_records(blocks: Iterator[Block], start: Position) -> Iterator[Block]:
    """The blocks after `start`, for a reader that can only begin at the beginning."""
    for block in blocks:
        first = block.end.record - len(block.records)
        if first >= start.record:
            yield block
        elif block.end.record > start.record:
            yield _tail(block, start.record - first)


def _tail(block: Block, skip: int) -> Block:
    records, originals = block.records[skip:], block.originals
    return Block(
        records,
        block.lines[skip:],
        lambda index: originals(index + skip),
        block.end,
        sum(type(record) is BadRecord for record in records) if block.bad else 0,
        block.names,
        None if block.rows is None else block.rows[skip:],
        block.share,
        block.remarks,
    )
