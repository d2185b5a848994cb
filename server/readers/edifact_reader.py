"""`edifact`: UN/EDIFACT (ISO 9735). A record is a message, UNH to UNT, as the list of its segments."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, NamedTuple

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten, skip_records

STEP = 1 << 20
LONGEST_SEGMENT = 1 << 20
LONGEST_MESSAGE = 64 << 20

_RECORDS = ("message", "segment")
_SPACE = b" \t\r\n"
_ENVELOPE = ("UNA", "UNB", "UNG", "UNE", "UNZ")
_PARTS_OF_8859 = {"C": 1, "D": 2, "E": 5, "F": 7, "G": 3, "H": 4, "I": 6, "J": 8, "K": 9}
_CHARSETS = {f"UNO{level}": f"iso8859-{part}" for level, part in _PARTS_OF_8859.items()}


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
        segments = _segments(file)
        pieces = _each(segments) if options.get("record") == "segment" else _messages(segments)
        return skip_records(_blocks(pieces, size), start)


class Syntax(NamedTuple):
    """The characters that mean something, as UNA names them, and the charset that UNB names."""

    component: str = ":"
    element: str = "+"
    release: str = "?"
    terminator: str = "'"


class Segment(NamedTuple):
    raw: bytes
    parsed: dict[str, object] | BadRecord

    @property
    def tag(self) -> object:
        return self.raw.lstrip(_SPACE)[:3].decode("latin-1")


Piece = tuple[object, bytes]


def _blocks(pieces: Iterator[Piece], size: int) -> Iterator[Block]:
    record = 0
    while part := list(islice(pieces, size)):
        record += len(part)
        records = [one for one, _ in part]
        bad = sum(type(one) is BadRecord for one in records)
        yield Block(records, (), lambda index, of=part: of[index][1], Position(record), bad)  # type: ignore[misc]


def _each(segments: Iterator[Segment]) -> Iterator[Piece]:
    for segment in segments:
        yield segment.parsed, segment.raw


@dataclass(slots=True)
class _Message:
    """The segments since the last UNH."""

    number: int
    segments: list[Segment] = field(default_factory=list)
    size: int = 0

    def add(self, segment: Segment) -> None:
        self.size += len(segment.raw)
        if self.size > LONGEST_MESSAGE:
            raise FileBroken(f"EDIFACT message {self.number}: it is longer than {LONGEST_MESSAGE:,} bytes")
        self.segments.append(segment)

    def finish(self, fault: str | None = None) -> Piece:
        raw = b"".join(segment.raw for segment in self.segments)
        parsed = [segment.parsed for segment in self.segments]
        bad = next((one for one in parsed if isinstance(one, BadRecord)), None)
        fault = fault or (bad.message if bad else self._miscounted())
        if fault is not None:
            return BadRecord(f"EDIFACT message {self.number} in the file: {fault}: {shorten(raw[:60])}"), raw
        return {"segments": parsed}, raw

    def _miscounted(self) -> str | None:
        """UNT says how many segments there are, itself and UNH included."""
        last = self.segments[-1].parsed
        elements = last.get("elements") if isinstance(last, dict) else None
        said = elements[0][0] if isinstance(elements, list) and elements else ""
        if said == str(len(self.segments)) or (said.isdigit() and int(said) == len(self.segments)):
            return None
        return f"UNT says {said or 'nothing'} of the number of segments, which is {len(self.segments)}"


def _messages(segments: Iterator[Segment]) -> Iterator[Piece]:
    message: _Message | None = None
    number = 0
    for segment in segments:
        tag = segment.tag
        if message is not None and (tag == "UNH" or tag in _ENVELOPE):
            yield message.finish(f"it has no UNT before {tag}")
            message = None
        if tag == "UNH":
            number += 1
            message = _Message(number)
        if message is not None:
            message.add(segment)
            if tag == "UNT":
                yield message.finish()
                message = None
        elif tag not in _ENVELOPE:
            number += 1
            yield _Message(number, [segment]).finish("it stands outside UNH and UNT")
    if message is not None:
        yield message.finish("the file ends before its UNT")


def _segments(file: BinaryIO) -> Iterator[Segment]:
    file.seek(0)
    head = file.read(9)
    syntax = _syntax(head)
    charset = "utf-8"
    if head[:3] != b"UNA":
        file.seek(0)
    for raw in _cut(file, syntax):
        segment = _segment(raw, syntax, charset)
        if segment.tag == "UNB":
            charset = _charset(segment.parsed)
        yield segment


def _syntax(head: bytes) -> Syntax:
    if head[:3] != b"UNA":
        return Syntax()
    if len(head) < 9 or len(set(head[3:9])) < 5:
        raise FileBroken(f"The service string at the beginning names too few characters: {shorten(head)}")
    text = head.decode("latin-1")
    return Syntax(text[3], text[4], text[6], text[8])


def _charset(parsed: object) -> str:
    elements = parsed.get("elements") if isinstance(parsed, dict) else None
    identifier = elements[0][0] if isinstance(elements, list) and elements else ""
    return _CHARSETS.get(identifier, "utf-8")


def _cut(file: BinaryIO, syntax: Syntax) -> Iterator[bytes]:
    """The bytes of each segment with its terminator."""
    end, release = re.escape(syntax.terminator.encode("latin-1")), re.escape(syntax.release.encode("latin-1"))
    plain = b"[^%b%b]" % (end, release)
    whole = re.compile(b"(?>%b*(?:%b.%b*)*)%b" % (plain, release, plain, end), re.DOTALL)
    data = b""
    while chunk := file.read(STEP):
        data += chunk
        at = 0
        while found := whole.match(data, at):
            yield found[0]
            at = found.end()
        data = data[at:]
        if len(data) > LONGEST_SEGMENT:
            raise FileBroken(f"A segment is longer than {LONGEST_SEGMENT:,} bytes: {shorten(data[:60])}")
    if data.strip(_SPACE):
        yield data


def _segment(raw: bytes, syntax: Syntax, charset: str) -> Segment:
    try:
        text = _decoded(raw, charset).strip(" \t\r\n")
    except UnicodeDecodeError as error:
        return Segment(raw, BadRecord(f"a segment is not valid {charset}, {error.reason}: {shorten(raw)}"))
    if not text.endswith(syntax.terminator):
        return Segment(raw, BadRecord(f"the last segment has no end mark: {shorten(text)}"))
    elements = [_split(element, syntax.component, syntax) for element in _parts(text[:-1], syntax.element, syntax)]
    tag = elements[0][0]
    if len(tag) != 3 or not tag.isalnum():
        return Segment(raw, BadRecord(f"a segment has no tag of three letters: {shorten(text)}"))
    return Segment(raw, {"tag": tag, "elements": elements[1:]})


def _decoded(raw: bytes, charset: str) -> str:
    """Those that say nothing else are ASCII or UTF-8 when they can be, else Latin-1."""
    if charset != "utf-8":
        return raw.decode(charset)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _parts(text: str, separator: str, syntax: Syntax) -> list[str]:
    """Cut at separators that are not released; what is released stays marked."""
    parts = text.split(separator)
    if syntax.release not in text:
        return parts
    whole: list[str] = []
    released = False
    for part in parts:
        if released:
            whole[-1] += separator + part
        else:
            whole.append(part)
        released = (len(part) - len(part.rstrip(syntax.release))) % 2 == 1
    return whole


def _split(element: str, separator: str, syntax: Syntax) -> list[str]:
    parts = _parts(element, separator, syntax)
    if syntax.release not in element:
        return parts
    release = re.escape(syntax.release)
    return [re.sub(f"{release}(.)", r"\1", part, flags=re.DOTALL) for part in parts]


class Envelope(NamedTuple):
    """What stands before the first message (the service string, UNB), and the characters that mean something."""

    service: bytes
    header: bytes
    reference: str
    syntax: Syntax

    def trailer(self, messages: int) -> bytes:
        if not self.header:
            return b""
        parts = ("UNZ", str(messages), self.reference)
        return (self.syntax.element.join(parts) + self.syntax.terminator).encode("latin-1", "replace")


def envelope(file: BinaryIO) -> Envelope:
    """Reads no further than the first message."""
    file.seek(0)
    head = file.read(9)
    syntax = _syntax(head)
    service = head if head[:3] == b"UNA" else b""
    for segment in _segments(file):
        if segment.tag == "UNB":
            return Envelope(service, segment.raw, _reference(segment.parsed, syntax), syntax)
        if segment.tag not in _ENVELOPE:
            break
    return Envelope(service, b"", "", syntax)


def _reference(parsed: object, syntax: Syntax) -> str:
    elements = parsed.get("elements") if isinstance(parsed, dict) else None
    text = str(elements[4][0]) if isinstance(elements, list) and len(elements) > 4 else ""
    return re.sub(f"([{re.escape(''.join(syntax))}])", lambda found: syntax.release + found[1], text)
