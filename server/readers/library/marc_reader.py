"""`marc`: binary MARC (ISO 2709), cut on the leaders' lengths; a bad record ends at the next end-of-record mark."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import BinaryIO, NamedTuple

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten
from server.readers.library.marc_record import END_OF_FIELD, END_OF_RECORD, LEADER, MarcFault, MarcRecord, decode

STEP = 256 << 10
LONGEST = 99_999
BLOCK = 8 << 20  # bytes of records that a block holds at most, beside its last record
# Line ends, padding and byte order marks are found between records in the wild; they are no part of either.
BETWEEN = re.compile(rb"(?:[\r\n \x00\x1a]+|\xef\xbb\xbf)*")
MARK = 3
TRIES = 4  # places where a good record is looked for behind a bad one
LEADERS = re.compile(rb"(?=([0-9]{5})[\x20-\x7e]{7}([0-9]{5}))")  # wherever they stand: length, base address
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
        cutter = _Cutter(file, start.offset, lambda raw: self._made(decode(raw, utf8)))
        record = start.record
        while pieces := cutter.take(size):
            records = [_record(piece, record + at) for at, piece in enumerate(pieces)]
            record += len(records)
            bad = sum(type(one) is BadRecord for one in records)
            end = Position(record, 0, cutter.offset)
            yield Block(records, (), lambda index, of=pieces: of[index].raw, end, bad)  # type: ignore[misc]


class _Piece(NamedTuple):
    raw: bytes
    record: object
    fault: str | None = None


def _record(piece: _Piece, number: int) -> object:
    if piece.fault is None:
        return piece.record
    return BadRecord(f"MARC record {number + 1} in the file: {piece.fault}: {shorten(piece.raw[:60])}")


def _way_out(length: int) -> str:
    return "; a record that is longer than this has to come as MARCXML" if length == LONGEST else ""


class _Cutter:
    """Cuts the file into records, and reads each at once, while it is small and at hand."""

    def __init__(self, file: BinaryIO, offset: int, read: Callable[[bytes], object]) -> None:
        self._file = file
        self._data = b""
        self._at = 0
        self._end = offset  # of `_data` in the file
        self._read = read
        file.seek(offset)

    @property
    def offset(self) -> int:
        return self._end - len(self._data) + self._at

    def take(self, count: int) -> list[_Piece]:
        pieces: list[_Piece] = []
        room = BLOCK
        while len(pieces) < count and room > 0 and self._begin():
            pieces.append(self._next())
            room -= len(pieces[-1].raw)
        return pieces

    def _begin(self) -> bool:
        """Moves to the next record; False at the end of the file."""
        while self._has(MARK) or self._at < len(self._data):
            self._at = BETWEEN.match(self._data, self._at).end()  # type: ignore[union-attr]  # it may be empty
            if len(self._data) - self._at >= MARK or not self._has(MARK):
                return self._at < len(self._data)
        return False

    def _more(self) -> bool:
        """Reads on; what was cut is given up."""
        chunk = self._file.read(STEP)
        self._data = self._data[self._at :] + chunk
        self._at = 0
        self._end += len(chunk)
        return bool(chunk)

    def _has(self, count: int) -> bool:
        while len(self._data) - self._at < count:
            if not self._more():
                return False
        return True

    def _next(self) -> _Piece:
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
            fault = f"there is no end-of-record mark after the {length:,} bytes that the leader says"
            return self._until_mark(fault + _way_out(length))
        if raw.find(END_OF_RECORD) + 1 < length:
            return self._until_mark(f"an end-of-record mark comes before the {length:,} bytes that the leader says")
        return self._whole(raw)

    def _whole(self, raw: bytes) -> _Piece:
        try:
            piece = _Piece(raw, self._read(raw))
        except MarcFault as error:
            return self._until_mark(str(error))
        self._at += len(raw)
        return piece

    def _until_mark(self, fault: str) -> _Piece:
        """The bytes up to the next mark, or up to a good record before it.

        Of a longer stretch without a mark only the beginning is kept.
        """
        head = b""
        begin = self._at + 1
        while (end := self._data.find(END_OF_RECORD, self._at)) < 0:
            keep = max(self._at, len(self._data) - LONGEST)
            head = (head + self._data[self._at : keep])[:LONGEST]
            begin -= keep
            self._at = keep
            if not self._more():
                end = len(self._data) - 1
                break
        start = self._good_record(max(self._at, begin), end)
        raw = (head + self._data[self._at : start])[:LONGEST]
        self._at = start
        return _Piece(raw, None, fault)

    def _good_record(self, first: int, end: int) -> int:
        """Where a good record begins that ends at `end`; behind it if there is none."""
        fitting = self._fitting(max(first, end - LONGEST + 1), end + 1)
        good = (at for at in islice(fitting, TRIES) if self._is_good(self._data[at : end + 1]))
        return next(good, end + 1)

    def _fitting(self, first: int, end: int) -> Iterator[int]:
        """Where a record could begin, by its leader, that ends before `end`."""
        for found in LEADERS.finditer(self._data, first, end):
            start, length, base = found.start(), int(found[1]), int(found[2])
            if length == end - start > base > LEADER and self._data[start + base - 1 : start + base] == END_OF_FIELD:
                yield start

    def _is_good(self, raw: bytes) -> bool:
        try:
            self._read(raw)
        except MarcFault:
            return False
        return raw.endswith(END_OF_RECORD)
