"""`marc`: binary MARC (ISO 2709), cut on the leaders' lengths; a bad record ends at the next end-of-record mark."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten
from server.readers.marc_record import END_OF_RECORD, LEADER, MarcFault, MarcRecord, decode

STEP = 256 << 10
LONGEST = 99_999
BETWEEN = re.compile(rb"[\r\n \x00\x1a]*")  # found between records in the wild; no part of either
CHARSETS = ("leader", "utf-8")


class MarcReader:
    """Option `charset`: `leader` (position 9 decides: UTF-8 or MARC-8) or `utf-8` for files whose leaders are wrong.

    `made` is what becomes of each record at once, while it is small and at hand; by default it stays as it is.
    """

    whole_file = False

    def __init__(self, made: Callable[[MarcRecord], object] = lambda record: record) -> None:
        self._made = made

    def check(self, options: Mapping[str, object]) -> str | None:
        charset = options.get("charset", "leader")
        return None if charset in CHARSETS else f"Unknown charset {charset!r} for MARC: use {' or '.join(CHARSETS)}"

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        problem = self.check(options)
        if problem:
            raise FileBroken(problem)
        utf8 = options.get("charset") == "utf-8"
        cutter = _Cutter(file, start.offset)
        record = start.record
        while pieces := cutter.take(size):
            records = [self._record(raw, fault, record + at, utf8) for at, (raw, fault) in enumerate(pieces)]
            record += len(records)
            bad = sum(type(one) is BadRecord for one in records)
            end = Position(record, 0, cutter.offset)
            yield Block(records, (), lambda index, of=pieces: of[index][0], end, bad)  # type: ignore[misc]

    def _record(self, raw: bytes, fault: str | None, number: int, utf8: bool) -> object:
        if fault is None:
            try:
                return self._made(decode(raw, utf8))
            except MarcFault as error:
                fault = str(error)
        return BadRecord(f"MARC record {number + 1} in the file: {fault}: {shorten(raw[:60])}")


class _Cutter:
    """Cuts the file into records: the bytes, and what is wrong with their length or end."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._data = b""
        self._at = 0
        self._read = offset  # bytes of the file before the end of `_data`
        file.seek(offset)

    @property
    def offset(self) -> int:
        return self._read - len(self._data) + self._at

    def take(self, count: int) -> list[tuple[bytes, str | None]]:
        pieces: list[tuple[bytes, str | None]] = []
        while len(pieces) < count and self._begin():
            pieces.append(self._next())
        return pieces

    def _begin(self) -> bool:
        """Moves to the next record; False at the end of the file."""
        while True:
            if self._at == len(self._data) and not self._more():
                return False
            self._at = BETWEEN.match(self._data, self._at).end()  # type: ignore[union-attr]  # it may be empty
            if self._at < len(self._data):
                return True

    def _more(self) -> bool:
        """Reads on; what was cut is let go."""
        chunk = self._file.read(STEP)
        self._data = self._data[self._at :] + chunk
        self._at = 0
        self._read += len(chunk)
        return bool(chunk)

    def _has(self, count: int) -> bool:
        while len(self._data) - self._at < count:
            if not self._more():
                return False
        return True

    def _next(self) -> tuple[bytes, str | None]:
        self._has(LEADER)
        declared = self._data[self._at : self._at + 5]
        if not declared.isdigit():
            return self._until_mark(f"the record's length in the leader is not a number: {shorten(declared)}")
        length = int(declared)
        if length < LEADER + 2:
            return self._until_mark(f"the record's length in the leader is {length}, less than a record can have")
        if not self._has(length):
            left = len(self._data) - self._at
            return self._until_mark(f"the leader says {length:,} bytes, but the file ends after {left:,}")
        raw = self._data[self._at : self._at + length]
        if raw[-1:] != END_OF_RECORD:
            return self._until_mark(f"there is no end-of-record mark after the {length:,} bytes that the leader says")
        self._at += length
        return raw, None

    def _until_mark(self, fault: str) -> tuple[bytes, str]:
        """The bytes up to the next mark; of a longer stretch without one only the beginning is kept."""
        head = b""
        while (end := self._data.find(END_OF_RECORD, self._at)) < 0:
            head = (head + self._data[self._at :])[:LONGEST]
            self._at = len(self._data)
            if not self._more():
                return head, fault
        raw = (head + self._data[self._at : end + 1])[:LONGEST]
        self._at = end + 1
        return raw, fault
