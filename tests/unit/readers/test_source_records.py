"""`marc-json`, and the rows that keep records of library formats whole."""

import io
from typing import Any

import orjson
import pytest
from pymarc import Field, Indicators, Record, Subfield

from server.engine.vendors.folio.source_records import MODEL, control_file, reader_for
from server.mapping.language.control import parse_control
from server.mapping.program.fast_path import fast_path
from server.readers import READERS
from server.readers.base import BadRecord


def read(name: str, data: bytes, **options: object) -> list[Any]:
    return [record for block in READERS[name].blocks(io.BytesIO(data), options) for record in block.records]


def marc(number: int) -> bytes:
    record = Record(force_utf8=True)
    record.add_field(Field("001", data=f" n{number}"))
    record.add_field(
        Field("245", Indicators("1", "0"), [Subfield("a", "Zoë :"), Subfield("c", "x"), Subfield("b", "b")])
    )
    encoded: bytes = record.as_marc()
    return encoded


GOOD = {"leader": "x" * 24, "fields": [{"001": "n1"}, {"245": {"ind1": "1", "ind2": "0", "subfields": [{"a": "T"}]}}]}


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps([GOOD, GOOD]),
        orjson.dumps(GOOD) + b"\n" + orjson.dumps(GOOD),
        b"\xef\xbb\xbf" + orjson.dumps(GOOD) + b"\n\n" + orjson.dumps(GOOD) + b"\n",
    ],
)
def test_marc_json_is_an_array_or_lines(data: bytes) -> None:
    assert read("marc-json", data) == [GOOD, GOOD]


def test_marc_json_is_a_single_record_over_several_lines() -> None:
    assert read("marc-json", orjson.dumps(GOOD, option=orjson.OPT_INDENT_2)) == [GOOD]


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (1, "it is not an object"),
        ({"fields": [{"001": "x"}]}, "it has no leader"),
        ({"leader": "x"}, "it has no fields"),
        ({"leader": "x", "fields": []}, "it has no fields"),
        ({"leader": "x", "fields": [1]}, "a field is not an object of one tag"),
        ({"leader": "x", "fields": [{"001": "x", "002": "x"}]}, "a field is not an object of one tag"),
        ({"leader": "x", "fields": [{"245": {}}]}, "field 245 is neither a text nor has a list of subfields"),
        ({"leader": "x", "fields": [{"245": {"subfields": [{"a": 1}]}}]}, "field 245 is neither"),
    ],
)
def test_json_that_is_not_marc_fails_alone(record: object, fault: str) -> None:
    first, bad, last = read("marc-json", orjson.dumps([GOOD, record, GOOD]))
    assert isinstance(bad, BadRecord)
    assert fault in bad.message
    assert bad.message.startswith("MARC record 2")
    assert first == last == GOOD


def test_a_row_keeps_the_record_whole() -> None:
    first, second = read("source-records-marc", marc(1) + marc(2))
    assert (first["order"], second["order"]) == (0, 1)
    assert (first["control_number"], first["title"], first["format"]) == ("n1", "Zoë : b", "MARC_RAW")
    assert first["raw"] == marc(1).decode()
    assert orjson.loads(first["parsed"]) == read("marc", marc(1))[0]


def test_bytes_that_are_not_utf_8_can_be_had_back() -> None:
    data = marc(1)[:9] + b" " + marc(1)[10:].replace("ë".encode(), b"\xe8e")  # MARC-8
    (row,) = read("source-records-marc", data)
    assert row["raw_charset"] == "latin-1"
    assert row["raw"].encode("latin-1") == data


def test_what_remains_of_a_bad_record() -> None:
    (bad,) = read("source-records-marc", marc(1)[:24] + b"x" * 12 + marc(1)[36:])
    assert isinstance(bad, BadRecord)
    assert isinstance(bad.remains, dict)
    assert bad.remains["error"] == bad.message
    assert bad.remains.keys() == {"order", "format", "raw", "error"}


def test_rows_are_written_without_a_look_at_each() -> None:
    control = parse_control(orjson.loads(control_file("job", "diku", "source-records-marc")))
    found = fast_path(control, MODEL, {MODEL.name: MODEL})
    assert found is not None
    assert found.key is None
    (block,) = READERS["source-records-marc"].blocks(io.BytesIO(marc(1)), {})
    assert block.names is not None
    rows: list[Any] = []
    odd: list[int] = []
    found.of_lists(block.names)(block.rows or (), 0, rows, odd)
    assert (len(rows), odd) == (1, [])
    values = dict(zip(found.columns, rows[0], strict=False))
    assert (values["job"], values["tenant"]) == ("job", "diku")
    assert values["parsed"] == orjson.dumps(read("marc", marc(1))[0]).decode()


@pytest.mark.parametrize(
    ("data_type", "name", "reader"),
    [
        ("MARC", "a.mrc", "source-records-marc"),
        ("MARC", "noname", "source-records-marc"),
        ("MARC", "a.XML", "source-records-marc-xml"),
        ("MARC", "a.b.json", "source-records-marc-json"),
        ("EDIFACT", "a.json", "source-records-edifact"),
        ("Delimited", "a.csv", None),
    ],
)
def test_how_files_are_read(data_type: str, name: str, reader: str | None) -> None:
    assert reader_for(data_type, name) == reader
    assert reader is None or reader in READERS


def test_every_name_of_the_model_is_described() -> None:
    (destination,) = MODEL.destinations.values()
    assert [name.name for name in destination.names.values() if not name.description and name.name != "leader"] == []


def test_what_the_reader_remarks_is_not_lost() -> None:
    data = b'<c><record><controlfield tag="001">n</controlfield></record>stray</c>'
    (block,) = READERS["source-records-marc-xml"].blocks(io.BytesIO(data), {}, size=1)
    assert block.remarks == ("line 1: text stands where no value is read: 'stray'",)
