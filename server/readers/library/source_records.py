"""`source-records-…`: records of library formats as rows that keep each whole: as it came, parsed, or why it was not.

A record that cannot be read fails, and leaves a row all the same: its bytes, and the reason.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import orjson

from server.readers.base import (
    START,
    BadRecord,
    Block,
    FileBroken,
    Position,
    Reader,
    shorten,
    skip_records,
    table_block,
)
from server.readers.library.edifact_reader import EdifactReader
from server.readers.library.marc_json_reader import MarcJsonReader
from server.readers.library.marc_reader import MarcReader
from server.readers.library.marcxml_reader import MarcXmlReader

NAMES = ("order", "part", "format", "leader", "control_number", "title", "parsed", "raw", "raw_charset", "error")
LARGEST_CHUNK = 64 << 20


class Described(NamedTuple):
    """A record in short. `parsed` is its JSON."""

    leader: str | None
    control_number: str | None
    title: str | None
    parsed: bytes


class Format(NamedTuple):
    """One format: how it is read, and what is kept of a record."""

    name: str
    reader: Reader
    describe: Callable[[Any], Described]
    options: Mapping[str, object] = {}


def describe_marc(record: Any) -> Described:
    control: str | None = None
    title: list[str] = []
    for field in record["fields"]:
        if control is None and "001" in field:
            control = _text_of(field["001"])
        elif "245" in field:
            title = [text for part in _subfields(field["245"]) for code, text in part.items() if code in "ab"]
            break
    return Described(record["leader"], control, " ".join(title) or None, orjson.dumps(record))


def _text_of(content: object) -> str | None:
    return content.strip() or None if isinstance(content, str) else None


def _subfields(content: object) -> Sequence[Mapping[str, str]]:
    return content["subfields"] if isinstance(content, dict) else ()


def describe_edifact(record: Any) -> Described:
    """The document's number from BGM, and the kind of message from UNH."""
    found: dict[str, Any] = {}
    for segment in record["segments"]:
        found.setdefault(segment["tag"], segment["elements"])
    kind, number = _component(found.get("UNH"), 1), _component(found.get("BGM"), 1)
    title = " ".join(part for part in (kind, number) if part)
    return Described(None, number, title or None, orjson.dumps(record))


def _component(elements: Any, index: int) -> str | None:
    return elements[index][0] or None if elements and len(elements) > index else None


def as_described(record: Described) -> Described:
    return record


MARC = Format("MARC_RAW", MarcReader(describe_marc), as_described)
MARC_XML = Format("MARC_XML", MarcXmlReader(), describe_marc)
MARC_JSON = Format("MARC_JSON", MarcJsonReader(), describe_marc)
EDIFACT = Format("EDIFACT_RAW", EdifactReader(), describe_edifact)

# text that came in JSON is UTF-8 by then, even where its leader says otherwise
IN_CHUNKS = {f.name: f for f in (MARC._replace(options={"charset": "utf-8"}), MARC_XML, MARC_JSON, EDIFACT)}


class SourceRecords:
    """The records of a file in one format, numbered from 0."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self.whole_file = format.reader.whole_file

    def check(self, options: Mapping[str, object]) -> str | None:
        return self._format.reader.check(options)

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        for block in self._format.reader.blocks(file, options, start=start, size=size):
            first = block.end.record - len(block.records)
            originals = block.originals
            rows = [
                row_of(self._format, record, originals(at), first + at, None) for at, record in enumerate(block.records)
            ]
            yield table_block(NAMES, rows, block.lines, originals, block.end)._replace(remarks=block.remarks)


def row_of(format: Format, record: object, raw: bytes, order: int, part: str | None) -> Sequence[object] | BadRecord:
    if isinstance(record, BadRecord):
        return failed(format.name, record.message, raw, order, part)
    leader, control_number, title, parsed = format.describe(record)
    text, charset = _as_text(raw)
    return [order, part, format.name, leader, control_number, title, parsed, text, charset, None]


def failed(format: str, message: str, raw: bytes, order: int, part: str | None) -> BadRecord:
    text, charset = _as_text(raw)
    cells = (order, part, format, None, None, None, None, text, charset, message)
    return BadRecord(message, {name: cell for name, cell in zip(NAMES, cells, strict=True) if cell is not None})


def _as_text(raw: bytes) -> tuple[str, str | None]:
    """Bytes that are not UTF-8 are kept one character each; the charset then says so."""
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1"


class ChunkRecords:
    """The records of one chunk as a client posted it (FOLIO: rawRecordsDto): a JSON document with a text a record."""

    whole_file = False

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        return skip_records(_chunk_blocks(_document(file), size), start)


def _document(file: BinaryIO) -> dict[str, Any]:
    file.seek(0)
    data = file.read(LARGEST_CHUNK + 1)
    if len(data) > LARGEST_CHUNK:
        raise FileBroken(f"A chunk of records may have {LARGEST_CHUNK:,} bytes at most")
    try:
        document = orjson.loads(data)
        if document["recordsMetadata"]["contentType"] in IN_CHUNKS and isinstance(document["initialRecords"], list):
            return dict(document)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise FileBroken("Not a chunk of records: id, recordsMetadata with a contentType, and initialRecords are needed")


def _chunk_blocks(document: Mapping[str, Any], size: int) -> Iterator[Block]:
    metadata, records = document["recordsMetadata"], document["initialRecords"]
    format = IN_CHUNKS[metadata["contentType"]]
    orders = _orders(metadata, records)
    for first in range(0, len(records), size):
        part = records[first : first + size]
        raws = [_raw(one) for one in part]
        rows = [_only_row(format, raw, orders[first + at], str(document.get("id"))) for at, raw in enumerate(raws)]
        yield table_block(NAMES, rows, (), raws.__getitem__, Position(first + len(part)))


def _orders(metadata: Mapping[str, Any], records: Sequence[Any]) -> Sequence[Any]:
    """As the client numbered them; else by its counter, which has counted this chunk already."""
    said = [one.get("order") if isinstance(one, dict) else None for one in records]
    if all(type(order) is int for order in said) and len(set(said)) == len(said):
        return said
    counter = metadata.get("counter")
    first = max(0, counter - len(records)) if type(counter) is int else 0
    return range(first, first + len(records))


def _raw(one: object) -> bytes:
    text = one.get("record") if isinstance(one, dict) else one
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    try:
        return orjson.dumps(text)
    except orjson.JSONEncodeError:  # it reads deeper values than it writes
        return b"a value that is nested too deeply"


def _only_row(format: Format, raw: bytes, order: int, part: str) -> Sequence[object] | BadRecord:
    try:
        found = [
            one for block in format.reader.blocks(io.BytesIO(raw), format.options, size=2) for one in block.records
        ]
    except FileBroken as error:
        return failed(format.name, str(error), raw, order, part)
    if len(found) == 1:
        return row_of(format, found[0], raw, order, part)
    message = f"record {order} of the chunk holds {len(found)} records, not one: {shorten(raw[:60])}"
    return failed(format.name, message, raw, order, part)
