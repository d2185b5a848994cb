"""Writes records of libraries back into files: MARC, MARC-in-JSON, EDIFACT, and chunks that clients post."""

import codecs
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson

from server.readers.base import Original, OriginalFile
from server.readers.json.json_writers import write_json, write_lines
from server.readers.library.edifact_reader import Envelope, envelopes, is_envelope
from server.readers.library.marc_record import END_OF_RECORD

_HEAD = 1 << 20


def write_marc(_file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """A record without its end mark gets one where another follows, so that it does not swallow that one."""
    gap = b""
    for record in records:
        yield gap + record.content
        gap = b"" if record.content.endswith(END_OF_RECORD) else END_OF_RECORD


def write_marc_json(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """An array where the file was one; else one record a line."""
    with file.open() as opened:
        head = opened.read(_HEAD).removeprefix(codecs.BOM_UTF8).lstrip()
    return write_lines(file, records) if head.startswith(b"{") else write_json(file, records)


def write_edifact(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """Messages in interchanges with the headers that theirs had; segments that are records of their own stand alone."""
    with file.open() as opened:
        around = list(envelopes(opened)) or [(0, Envelope())]
    if file.options.get("record") == "segment":
        yield around[0][1].service
        yield from (record.content for record in records)
        return
    messages = (record for record in records if not is_envelope(record.content))
    for envelope, group in groupby(messages, lambda record: _envelope_of(around, record.place)):
        yield from _interchange(envelope, group)


def _envelope_of(around: Sequence[tuple[int, Envelope]], place: int) -> Envelope:
    return around[bisect_right(around, place, key=lambda one: one[0]) - 1][1]


def _interchange(envelope: Envelope, messages: Iterator[Original]) -> Iterator[bytes]:
    yield envelope.service + envelope.header
    count = 0
    for count, message in enumerate(messages, 1):  # noqa: B007
        yield message.content
    yield envelope.trailer(count)


def write_chunk(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """The document that was posted, with these of its records."""
    with file.open() as opened:
        document: dict[str, Any] = orjson.loads(opened.read())
    chosen = [document["initialRecords"][record.place] for record in records]
    yield orjson.dumps(document | {"initialRecords": chosen})
