"""`json-lines`: one JSON value a line."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, cast

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten
from server.readers.json import limits as json_limits
from server.readers.text.charsets import wide_charset
from server.readers.text.lines import LINE_CAP, LineBatch, LineFeed, LongLine, whole_lines

BOM = b"\xef\xbb\xbf"
_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf)+")  # more than one where files were joined
_END_MARK = b"\x1a"  # of old systems, behind the last line
_NO_RECORD = b" \t\r\n\v\f" + _END_MARK


class JsonLinesReader:
    whole_file = False

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        record, line, offset = start
        offset = offset or _after_bom(file)
        file.seek(offset)
        feed = LineFeed(_batches(file))
        while (batch := feed.take(size)).lines:
            part = _parse(batch, line)
            record, line, offset = record + len(part.records), line + len(batch.lines), offset + part.length
            if part.records:
                end = Position(record, line, offset)
                yield Block(part.records, part.lines, part.originals, end, part.bad, remarks=part.remarks)


class _Part(NamedTuple):
    records: Sequence[object]
    lines: Sequence[int]
    originals: Callable[[int], bytes]
    length: int
    bad: int
    remarks: tuple[str, ...] = ()


def _after_bom(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(4096)
    charset = wide_charset(head)
    if charset is not None:
        raise FileBroken(f"The file is in {charset}, and JSON Lines must be in UTF-8: save it as UTF-8")
    return len(head) - len(_MARKS.sub(b"", head))


def _batches(file: BinaryIO) -> Iterator[LineBatch[bytes]]:
    for run in whole_lines(file):
        if isinstance(run, LongLine):
            yield LineBatch([run], True)
            continue
        lines = run.split(b"\n")
        if not lines[-1]:
            lines.pop()
        elif _END_MARK in lines[-1]:  # a line without its end is the last one
            lines[-1] = lines[-1].rstrip(_END_MARK + b"\0\r")
        yield LineBatch(lines, json_limits.suspect_lines(run, lines))


def _parse(batch: LineBatch[bytes], line: int) -> _Part:
    if batch.needs_slow_path:
        return _parse_singly(batch.lines, line)
    lines, loads = cast(Sequence[bytes], batch.lines), orjson.loads  # one with a LongLine took the slow path
    try:
        records = [loads(text) for text in lines]
    except orjson.JSONDecodeError:
        return _parse_singly(lines, line)
    if json_limits.repeats_names(b"".join(lines), records):
        return _parse_singly(lines, line)
    length = sum(map(len, lines)) + len(lines)
    return _Part(records, range(line + 1, line + 1 + len(lines)), lines.__getitem__, length, 0)


def _parse_singly(lines: Sequence[bytes | LongLine], line: int) -> _Part:
    """The slow path: finds the lines that are blank or bad."""
    records: list[object] = []
    numbers, originals = [], []
    length = 0
    for number, text in enumerate(lines, line + 1):
        length += text.length if isinstance(text, LongLine) else len(text) + 1
        if isinstance(text, LongLine) or text.strip(_NO_RECORD):
            records.append(record_of(text, number))
            numbers.append(number)
            originals.append(text.head if isinstance(text, LongLine) else text)
    bad = sum(type(record) is BadRecord for record in records)
    return _Part(records, numbers, originals.__getitem__, length, bad, _on_repeated(records, numbers, originals))


def _on_repeated(records: Sequence[object], numbers: Sequence[int], originals: Sequence[bytes]) -> tuple[str, ...]:
    """What is said of the first record in which an object has a name twice."""
    for record, number, text in zip(records, numbers, originals, strict=True):
        told = None if type(record) is BadRecord else json_limits.on_repeated_name(text, record)
        if told is not None:
            return (f"line {number}: {told}",)
    return ()


def record_of(text: bytes | LongLine, number: int) -> object:
    """The value of one line, or a BadRecord; `number` is the line's, from 1."""
    if isinstance(text, LongLine):
        size = f"{text.length:,} bytes long; the limit is {LINE_CAP:,}"
        return BadRecord(f"line {number} is {size}: {shorten(text.head)}")
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return BadRecord(f"line {number}, column {error.colno}: not valid JSON, {error.msg}: {shorten(text)}")
    reason = json_limits.fault(text, record)
    return record if reason is None else BadRecord(f"line {number}: {reason}: {shorten(text)}")
