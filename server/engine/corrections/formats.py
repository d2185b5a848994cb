"""Failed records as a file of the kind they came in, so that it can be put right and imported again.

A form gets the records whole, in order, and gives the pieces of a file that its reader reads as exactly these records.
"""

import codecs
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import quoteattr

import orjson

from server.readers.json.json_lines_reader import BOM
from server.readers.library.edifact_reader import Envelope, envelopes, is_envelope
from server.readers.library.marc_record import END_OF_RECORD
from server.readers.text.delimited_reader import DelimitedReader, csv_reader, originals_in, tsv_reader
from server.readers.xml.feed import root_of

_HEAD = 1 << 20


class Failed(NamedTuple):
    """A record as it came. `place` counts within its file; a line too long for memory comes as `rest`, piecemeal."""

    place: int
    original: bytes
    rest: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """The file that the records came in, and its entry in the control file."""

    open: Callable[[], BinaryIO]
    options: Mapping[str, object]


class Form(NamedTuple):
    """`words` name the format; `suffix` is for files that came without a name. `counts`: whether it asks for places."""

    words: str
    suffix: str
    pieces: Callable[[Input, Iterator[Failed]], Iterator[bytes]]
    counts: bool = False


def as_lines(_input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    for record in records:
        yield record.original
        yield from record.rest
        yield b"\n"


def as_json(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """An array, whatever held the records before; a document that was one record stays it."""
    if input.options.get("singleRecord"):
        yield from (record.original for record in records)
        return
    before = b"[\n"
    for record in records:
        yield before + record.original
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def as_marc_json(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """On lines where they stood on lines; what began with no bracket and no line was one record."""
    with input.open() as file:
        head = file.read(_HEAD).removeprefix(BOM).lstrip()
    return as_lines(input, records) if head.startswith(b"{") else as_json(input, records)


def _as_table(reader: DelimitedReader) -> Callable[[Input, Iterator[Failed]], Iterator[bytes]]:
    def pieces(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
        with input.open() as file:
            codec, own = originals_in(file, input.options)
            head = reader.head(file, input.options)
        recode = _same if codec == own else _recoder(own, codec)
        end = b"\r\n" if head.endswith(b"\r\n") else b"\n"
        yield recode(head if head.endswith((b"\n", b"\r")) else head + end)
        for record in records:
            yield recode(record.original)
            yield from record.rest
            yield recode(end)

    return pieces


def _same(data: bytes) -> bytes:
    return data


def _recoder(own: str, codec: str) -> Callable[[bytes], bytes]:
    """Keeps its state from piece to piece: a byte order mark comes once."""
    encoder = codecs.getincrementalencoder(codec)()
    return lambda data: encoder.encode(data.decode(own))


def as_xml(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """Under the same root; a root that was the record itself stands alone."""
    with input.open() as file:
        root = root_of(file)
    yield f'<?xml version="1.0" encoding="{root.charset}"?>\n'.encode()
    if input.options.get("singleRecord"):
        yield from (record.original for record in records)
    else:
        yield from _within(root.tag, root.attributes, root.charset, records)


def as_marc_xml(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """A record that was the root itself gets a collection around it."""
    with input.open() as file:
        root = root_of(file)
    yield f'<?xml version="1.0" encoding="{root.charset}"?>\n'.encode()
    prefix, _, name = root.tag.rpartition(":")
    tag = root.tag if name != "record" else f"{prefix}:collection" if prefix else "collection"
    yield from _within(tag, root.attributes, root.charset, records)


def _within(tag: str, attributes: Mapping[str, str], charset: str, records: Iterator[Failed]) -> Iterator[bytes]:
    said = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    yield f"<{tag}{said}>\n".encode(charset, "xmlcharrefreplace")
    for record in records:
        yield record.original + b"\n"
    yield f"</{tag}>\n".encode(charset, "xmlcharrefreplace")


def as_marc(_input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """One without its end mark gets it where another follows, so that it does not swallow that one."""
    gap = b""
    for record in records:
        yield gap + record.original
        gap = b"" if record.original.endswith(END_OF_RECORD) else END_OF_RECORD


def as_edifact(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """Messages in interchanges with the headers that theirs had; segments that are records of their own stand alone."""
    with input.open() as file:
        around = list(envelopes(file)) or [(0, Envelope())]
    segments = input.options.get("record") == "segment"
    found = (record for record in records if segments or not is_envelope(record.original))
    if segments:
        yield around[0][1].service
        yield from (record.original for record in found)
        return
    for envelope, messages in groupby(found, lambda record: _envelope_of(around, record.place)):
        yield from _interchange(envelope, messages)


def _envelope_of(around: Sequence[tuple[int, Envelope]], place: int) -> Envelope:
    return around[bisect_right(around, place, key=lambda one: one[0]) - 1][1]


def _interchange(envelope: Envelope, messages: Iterator[Failed]) -> Iterator[bytes]:
    yield envelope.service + envelope.header
    count = 0
    for count, message in enumerate(messages, 1):  # noqa: B007
        yield message.original
    yield envelope.trailer(count)


def as_chunk(input: Input, records: Iterator[Failed]) -> Iterator[bytes]:
    """The document that was posted, with no other records."""
    with input.open() as file:
        document: dict[str, Any] = orjson.loads(file.read())
    chosen = [document["initialRecords"][record.place] for record in records]
    yield orjson.dumps(document | {"initialRecords": chosen})


_JSON_LINES = Form("JSON Lines", ".jsonl", as_lines)
_JSON = Form("JSON", ".json", as_json)
_XML = Form("XML", ".xml", as_xml)
_MARC = Form("MARC (ISO 2709)", ".mrc", as_marc)
_MARC_XML = Form("MARCXML", ".xml", as_marc_xml)
_MARC_JSON = Form("MARC-in-JSON", ".json", as_marc_json)
_EDIFACT = Form("EDIFACT", ".edi", as_edifact, counts=True)
JOINED = Form("JSON Lines, as the record processor gave them", ".jsonl", as_lines)
FORMS: Mapping[str, Form] = {
    "json": _JSON,
    "json-lines": _JSON_LINES,
    "xml-text-of-children": _XML,
    "xml-attributes": _XML,
    "csv-with-name-row": Form("CSV", ".csv", _as_table(csv_reader())),
    "tsv-with-name-row": Form("text with separators", ".tsv", _as_table(tsv_reader())),
    "marc": _MARC,
    "marc-xml": _MARC_XML,
    "marc-json": _MARC_JSON,
    "edifact": _EDIFACT,
    "source-records-marc": _MARC,
    "source-records-marc-xml": _MARC_XML,
    "source-records-marc-json": _MARC_JSON,
    "source-records-edifact": _EDIFACT,
    "source-records-chunk": Form("a chunk of records", ".json", as_chunk, counts=True),
}
