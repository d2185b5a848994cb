"""`marc-json`: MARC-in-JSON, the dicts that `marc` gives; an array of them, one on each line, or a single one."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import orjson

from server.readers.base import START, BadRecord, Block, Position, shorten
from server.readers.json.json_lines_reader import JsonLinesReader
from server.readers.json.json_reader import JsonReader

HEAD = 1 << 20
BOM = b"\xef\xbb\xbf"


class MarcJsonReader:
    """A record that is JSON but not MARC fails alone."""

    whole_file = True

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        reader, options = _form(file)
        for block in reader.blocks(file, options, start=start, size=size):
            first = block.end.record - len(block.records)
            records = [_checked(record, first + at) for at, record in enumerate(block.records)]
            bad = sum(type(record) is BadRecord for record in records)
            yield block._replace(records=records, bad=bad)


def _form(file: BinaryIO) -> tuple[JsonReader | JsonLinesReader, Mapping[str, object]]:
    file.seek(0)
    head = file.read(HEAD).removeprefix(BOM).lstrip()
    if not head.startswith(b"{"):
        return JsonReader(), {}
    try:
        orjson.loads(head.partition(b"\n")[0])
    except orjson.JSONDecodeError:
        return JsonReader(), {"singleRecord": True}
    return JsonLinesReader(), {}


def _checked(record: object, number: int) -> object:
    if isinstance(record, BadRecord):
        return record
    fault = _fault(record)
    if fault is None:
        return record
    return BadRecord(f"MARC record {number + 1} in the file: {fault}: {shorten(orjson.dumps(record))}")


def _fault(record: object) -> str | None:
    if not isinstance(record, dict):
        return "it is not an object"
    fields = record.get("fields")
    if not isinstance(record.get("leader"), str):
        return "it has no leader"
    if not isinstance(fields, list) or not fields:
        return "it has no fields"
    return next((fault for field in fields if (fault := _field_fault(field)) is not None), None)


def _field_fault(field: object) -> str | None:
    if not isinstance(field, dict) or len(field) != 1:
        return "a field is not an object of one tag"
    ((tag, content),) = field.items()
    if isinstance(content, str):
        return None
    subfields = content.get("subfields") if isinstance(content, dict) else None
    if not isinstance(subfields, list) or not all(_is_subfield(one) for one in subfields):
        return f"field {tag} is neither a text nor has a list of subfields"
    return None


def _is_subfield(one: object) -> bool:
    return isinstance(one, dict) and len(one) == 1 and all(isinstance(value, str) for value in one.values())
