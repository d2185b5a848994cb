"""`edifact`: UN/EDIFACT (ISO 9735). A record is a message, UNH to UNT, as the list of its segments.

What stands around messages is no record, unless it is wrong: an envelope that cannot be read, a count that does not fit
what came, a trailer that is missing. Each of these is a bad record of its own, so that no message is lost unnoticed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten, skip_records
from server.readers.library.edifact_segments import USUAL, Segment, Syntax, segments

LONGEST_MESSAGE = 64 << 20
MOST_SEGMENTS = 200_000
BLOCK = 8 << 20  # bytes of records that a block holds at most, beside its last record

_RECORDS = ("message", "segment")
_ENVELOPE = ("UNA", "UNB", "UNG", "UNE", "UNZ")


class EdifactReader:
    """Option `record`: `message`, or `segment` for one record a segment."""

    whole_file = False

    def check(self, options: Mapping[str, object]) -> str | None:
        record = options.get("record", "message")
        return None if record in _RECORDS else f"Unknown record {record!r} for EDIFACT: use {' or '.join(_RECORDS)}"

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        problem = self.check(options)
        if problem:
            raise FileBroken(problem)
        pieces = _each(file) if options.get("record") == "segment" else _Messages().pieces(file)
        return skip_records(_blocks(pieces, size), start)


class Piece(NamedTuple):
    record: object
    raw: bytes


def _blocks(pieces: Iterator[Piece], size: int) -> Iterator[Block]:
    """What was read before the file broke is a block of its own."""
    part: list[Piece] = []
    number = room = 0
    try:
        for piece in pieces:
            part.append(piece)
            room -= len(piece.raw)
            if len(part) == size or room < -BLOCK:
                number, room = number + len(part), 0
                yield _block(part, number)
                part = []
    except FileBroken:
        if part:
            yield _block(part, number + len(part))
        raise
    if part:
        yield _block(part, number + len(part))


def _block(part: list[Piece], end: int) -> Block:
    records = [piece.record for piece in part]
    bad = sum(type(one) is BadRecord for one in records)
    return Block(records, (), lambda index: part[index].raw, Position(end), bad)


def _each(file: BinaryIO) -> Iterator[Piece]:
    for segment in segments(file):
        yield Piece(segment.parsed, segment.raw)


@dataclass(slots=True)
class _Message:
    """The segments since a UNH, or (`is_headed` is False) of what should have begun with one."""

    number: int
    is_headed: bool = True
    segments: list[Segment] = field(default_factory=list)
    count: int = 0
    size: int = 0

    @property
    def is_whole(self) -> bool:
        return self.size <= LONGEST_MESSAGE and self.count <= MOST_SEGMENTS

    def add(self, segment: Segment) -> None:
        """Of one that is too long only the beginning is kept."""
        self.count += 1
        self.size += len(segment.raw)
        if self.is_whole:
            self.segments.append(segment)

    def finish(self, fault: str | None = None) -> Piece:
        raw = b"".join(segment.raw for segment in self.segments)
        fault = (fault if self.is_headed else None) or self._fault()
        if fault is not None:
            return Piece(BadRecord(f"EDIFACT message {self.number} in the file: {fault}: {shorten(raw[:60])}"), raw)
        return Piece({"segments": [segment.parsed for segment in self.segments]}, raw)

    def _fault(self) -> str | None:
        if not self.is_whole:
            return f"it has more than {MOST_SEGMENTS:,} segments or {LONGEST_MESSAGE:,} bytes"
        bad = next((segment.fault for segment in self.segments if segment.fault), None)
        if bad is None and not self.is_headed:
            return "it stands outside UNH and UNT"
        return bad or self._miscounted() or self._misnamed()

    def _miscounted(self) -> str | None:
        """UNT says how many segments there are, itself and UNH included."""
        said = self.segments[-1].component(0)
        if _number(said) == self.count:
            return None
        return f"UNT says {said or 'nothing'} of the number of segments, which is {self.count}"

    def _misnamed(self) -> str | None:
        return _differing("UNT", self.segments[-1].component(1), "UNH", self.segments[0].component(0))


@dataclass(slots=True)
class _Envelope:
    """An interchange or a group that is open: its header, where there was one, and what has come in it."""

    header: Segment | None = None
    messages: int = 0
    groups: int = 0

    def fault(self, trailer: Segment, count: int, things: str) -> str | None:
        """What the trailer says that does not fit. It says how many came, and the header's reference."""
        said = trailer.component(0)
        if _number(said) != count:
            return f"{trailer.tag} says {said or 'nothing'} of the number of {things}, but {count} came"
        header = self.header
        return header and _differing(trailer.tag, trailer.component(1), header.tag, header.component(4))


class _Messages:
    """Segments become messages; envelopes are counted on the way."""

    def __init__(self) -> None:
        self._number = 0
        self._message: _Message | None = None
        self._interchange = _Envelope()
        self._group = _Envelope()

    def pieces(self, file: BinaryIO) -> Iterator[Piece]:
        for segment in segments(file):
            yield from self.take(segment)
        yield from self._end_message("the file ends before its UNT")
        yield from self._end_interchange("the file ends")

    def take(self, segment: Segment) -> Iterator[Piece]:
        """What ends with this segment."""
        if segment.tag not in _ENVELOPE:
            yield from self._within(segment)
            return
        yield from self._end_message(f"it has no UNT before {segment.tag}")
        yield from self._around(segment)

    def _within(self, segment: Segment) -> Iterator[Piece]:
        if segment.tag == "UNH":
            yield from self._end_message("it has no UNT before UNH")
        if self._message is None:
            self._number += 1
            self._message = _Message(self._number, segment.tag == "UNH")
        if segment.tag == ("UNH" if self._message.is_headed else "UNT"):
            self._interchange.messages += 1
            self._group.messages += 1
        self._message.add(segment)
        if segment.tag == "UNT":
            yield from self._end_message(None)

    def _end_message(self, fault: str | None) -> Iterator[Piece]:
        if self._message is not None:
            yield self._message.finish(fault)
            self._message = None

    def _around(self, segment: Segment) -> Iterator[Piece]:
        if segment.fault is not None:
            yield _bad(segment, segment.fault)
        elif segment.tag == "UNB":
            yield from self._end_interchange("another UNB begins")
            self._interchange = _Envelope(segment)
        elif segment.tag == "UNG":
            yield from self._end_group("another UNG begins")
            self._interchange.groups += 1
            self._group = _Envelope(segment)
        elif segment.tag == "UNE":
            yield from _told(segment, self._group.fault(segment, self._group.messages, "messages"))
            self._group = _Envelope()
        else:
            yield from self._trailer(segment)

    def _trailer(self, segment: Segment) -> Iterator[Piece]:
        yield from self._end_group("UNZ ends the interchange")
        interchange, self._interchange = self._interchange, _Envelope()
        if interchange.groups:
            yield from _told(segment, interchange.fault(segment, interchange.groups, "groups"))
        else:
            yield from _told(segment, interchange.fault(segment, interchange.messages, "messages"))

    def _end_group(self, when: str) -> Iterator[Piece]:
        if self._group.header is not None:
            yield _bad(self._group.header, f"the group that UNG begins has no UNE before {when}")
        self._group = _Envelope()

    def _end_interchange(self, when: str) -> Iterator[Piece]:
        yield from self._end_group(when)
        if self._interchange.header is not None:
            yield _bad(self._interchange.header, f"the interchange that UNB begins has no UNZ before {when}")
        self._interchange = _Envelope()


def _told(segment: Segment, fault: str | None) -> Iterator[Piece]:
    if fault is not None:
        yield _bad(segment, fault)


def _bad(segment: Segment, fault: str) -> Piece:
    return Piece(BadRecord(f"EDIFACT {segment.tag}: {fault}: {shorten(segment.raw[:60])}"), segment.raw)


def _number(said: str) -> int | None:
    said = said.strip(" ")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


def _differing(one: str, said: str, other: str, meant: str) -> str | None:
    """References that are not the same; one that is left out says nothing."""
    if not said or not meant or said.strip(" ").lstrip("0") == meant.strip(" ").lstrip("0"):
        return None
    return f"{one} has the reference {shorten(said, 20)}, but {other} {shorten(meant, 20)}"


class Envelope(NamedTuple):
    """What stands before messages (the service string, UNB), and the characters that mean something there."""

    service: bytes = b""
    header: bytes = b""
    reference: str = ""
    syntax: Syntax = USUAL

    def trailer(self, messages: int) -> bytes:
        if not self.header:
            return b""
        parts = ("UNZ", str(messages), self.reference)
        return (self.syntax.element.join(parts) + self.syntax.terminator).encode("latin-1", "replace")


def envelopes(file: BinaryIO) -> Iterator[tuple[int, Envelope]]:
    """Each interchange of a file, after the number of records that are read before it."""
    messages, count = _Messages(), 0
    for number, segment in enumerate(segments(file)):
        begins = segment.tag == "UNB" and not segment.fault
        count += len(list(messages.take(segment)))
        if begins:
            yield count, Envelope(segment.service, segment.raw, _reference(segment), segment.syntax)
        elif number == 0:
            yield 0, Envelope(segment.service, b"", "", segment.syntax)


def is_envelope(raw: bytes) -> bool:
    """Whether a record is no message, but what stands around some."""
    return raw[:3].upper().decode("latin-1") in _ENVELOPE


def _reference(segment: Segment) -> str:
    release = segment.syntax.release
    text = segment.component(4)
    if not release:
        return text
    return re.sub(f"([{re.escape(''.join(segment.syntax))}])", lambda found: release + found[1], text)
