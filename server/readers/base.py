"""What a reader is: bytes in, blocks of records out. A reader knows one format and nothing else.

A block holds consecutive records of one file. Records are numbered from 0 within the file. A record that cannot be read
on its own is a `BadRecord` in its place, so that it fails alone; a file that cannot be read at all raises `FileBroken`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read: `message` says why, `value` is the offending text (shortened)."""

    message: str


class FileBroken(Exception):
    """The file as a whole cannot be read; the message names the place (line, record or byte) and the reason."""


class Position(NamedTuple):
    """Where a block ends. `offset` is a byte offset to go on from, or 0 for readers that skip records instead."""

    record: int = 0  # records read so far
    line: int = 0  # lines read so far
    offset: int = 0


class Block(NamedTuple):
    records: Sequence[object]  # contents (dict, list, scalar) or BadRecord
    lines: Sequence[int]  # 1-based line on which each record starts; empty where the format has no lines
    originals: Callable[[int], bytes]  # the input's own bytes of the i-th record (may be made on demand)
    end: Position


START = Position()


class Reader(Protocol):
    """One format.

    * `check` says what is wrong with the options of a control file's file entry, or None.
    * `blocks` yields the records after `start`, at most `size` to a block, holding no more than a block in memory.
    * `whole_file`: True where a fault anywhere means that no record may be imported (JSON, XML): the run then reads the
      file once to its end before the first record is committed.
    """

    whole_file: bool

    def check(self, options: Mapping[str, object]) -> str | None: ...

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]: ...
