"""What every reader promises (server/readers/base.py), each sentence for each format."""

import io
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import openpyxl
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymarc import Field, Indicators, Record, Subfield

from server.readers import READERS
from server.readers.base import START, BadRecord, Block, FileBroken, Position


@dataclass(frozen=True)
class Sample:
    """A good file of any number of records, and a broken one with the words that must be said of it.

    `broken` is empty for a format in which every fault belongs to one record.
    """

    make: Callable[[int], bytes]
    broken: bytes = b""
    place: str = ""
    options: dict[str, object] = field(default_factory=dict)


def person(number: int) -> dict[str, str]:
    return {"id": str(number), "name": f'Zoë, "{number}"', "note": "" if number % 3 else "two\nlines"}


def json_lines(count: int) -> bytes:
    return b"\xef\xbb\xbf" + b"".join(
        orjson.dumps(person(number)) + (b"\n\n" if number % 5 == 0 else b"\r\n") for number in range(count)
    )


def json_array(count: int) -> bytes:
    return orjson.dumps([person(number) | {"items": [{"id": "x"}] * (number % 3)} for number in range(count)])


def csv_file(count: int) -> bytes:
    rows = (",".join('"{}"'.format(cell.replace('"', '""')) for cell in person(n).values()) for n in range(count))
    return ("\ufeffid,name,note\r\n" + "".join(f"{row}\r\n" for row in rows)).encode()


def tsv_file(count: int) -> bytes:
    return "".join(f"{n}\tZoë {n}\t\textra\n" for n in ["id", *range(count)]).encode()


def xml_children(count: int) -> bytes:
    rows = "".join(f"<p><id>{n}</id>\n<name>Zoë <b>&amp;</b></name></p>\n" for n in range(count))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- first -->\n<people>{rows}</people>\n'.encode()


def xml_attributes(count: int) -> bytes:
    return ("<people>" + "".join(f'<p id="{n}" x:name="a > b"/>\n' for n in range(count)) + "</people>").encode()


@cache
def marc_record(number: int, width: int = 40) -> bytes:
    record = Record(force_utf8=True)
    record.add_field(Field("001", data=f"n{number}"))
    title = [Subfield("a", f"Zoë {number}"), Subfield("b", "x" * (number * width // 40 % width))]
    record.add_field(Field("245", Indicators("1", "0"), title))
    encoded: bytes = record.as_marc()
    return encoded


def marc_file(count: int, width: int = 40) -> bytes:
    return b"".join(marc_record(number % 99, width) for number in range(count))


def marc_xml(count: int) -> bytes:
    rows = "".join(
        f'<m:record><m:leader>00000nam a2200000 a 4500</m:leader><m:controlfield tag="001">{n}</m:controlfield>\n'
        f'<m:datafield tag="245" ind1="1" ind2=" "><m:subfield code="a">Zoë</m:subfield></m:datafield></m:record>'
        for n in range(count)
    )
    return f'<m:collection xmlns:m="http://www.loc.gov/MARC21/slim">{rows}</m:collection>'.encode()


def workbook(count: int) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([None, "id", "name", "note"])
    for number in range(count):
        sheet.append([None, number, f"Zoë {number}", None])
        if number % 4 == 0:
            sheet.append([])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def marc_json(count: int, width: int = 1) -> bytes:
    fields = [{"001": "n1"}, {"245": {"ind1": "1", "ind2": "0", "subfields": [{"a": "Zoë" * width}]}}]
    records = [{"leader": "0" * 24, "fields": [{"001": f"n{number}"}, *fields]} for number in range(count)]
    return orjson.dumps(records)


def edifact(count: int, width: int = 40) -> bytes:
    messages = (
        f"UNH+{n}+INVOIC:D'\nBGM+380+N?'{n}+9'FTX+Zoë ?+ ??{'x' * (n * width // 40 % width)}'UNT+4+{n}'\r\n"
        for n in range(count)
    )
    return f"UNA:+.? 'UNB+UNOY:4+A+B'\n{''.join(messages)}UNZ+{count}'".encode()


def chunk(count: int) -> bytes:
    metadata = {"last": True, "counter": count, "contentType": "MARC_RAW"}
    records = [{"record": marc_record(number).decode()} for number in range(count)]
    return orjson.dumps({"id": "c1", "recordsMetadata": metadata, "initialRecords": records})


SAMPLES = {
    "json-lines": Sample(json_lines, "[1]".encode("utf-16"), "UTF-16"),
    "json": Sample(json_array, b'[{"a": 1},\n{"a": }]', "Line 2"),
    "csv-with-name-row": Sample(csv_file, b'a,b\n1,2\n"3,4\n', "Line 3"),
    "tsv-with-name-row": Sample(tsv_file, b"a\xff\tb\n1\t2\n", "line 1"),
    "xml-text-of-children": Sample(xml_children, b"<r>\n<p></r>", "Line 2, column 6"),
    "xml-attributes": Sample(xml_attributes, b"<r>\n\n<p a=1/></r>", "Line 3, column 6"),
    "marc": Sample(marc_file),
    "marc-xml": Sample(marc_xml, b"<collection><record>\n</collection>", "Line 2, column 3"),
    "xlsx-with-name-row": Sample(workbook, b"PK\x03\x04 and nothing more", "archive is damaged"),
    "marc-json": Sample(marc_json, b'[{"a": 1},\n{"a": }]', "Line 2"),
    "edifact": Sample(edifact, b"UNA++++++", "service string"),
    "source-records-chunk": Sample(chunk, b"{}", "recordsMetadata"),
}
# makers of larger records, where many small ones would take most of a minute under tracemalloc
BULKY: dict[str, Callable[[int], bytes]] = {
    "edifact": partial(edifact, width=1000),
    "marc": partial(marc_file, width=600),
    "marc-json": partial(marc_json, width=100),
}
SAMPLES |= {f"source-records-{name}": SAMPLES[name] for name in ("marc", "marc-xml", "marc-json", "edifact")}
NAMES = sorted(READERS)


def read(name: str, data: bytes, start: Position = START, size: int = 1000) -> Iterator[Block]:
    return READERS[name].blocks(io.BytesIO(data), SAMPLES[name].options, start=start, size=size)


def contents(blocks: Iterator[Block]) -> list[tuple[object, int, bytes]]:
    """Everything a block says of its records."""
    found: list[tuple[object, int, bytes]] = []
    for block in blocks:
        lines: Sequence[int] = block.lines or [0] * len(block.records)
        assert len(lines) == len(block.records)
        assert block.records or block.remarks or block.names  # a block without records says something of the file
        assert block.bad == sum(isinstance(record, BadRecord) for record in block.records)
        found += [(block.records[at], lines[at], block.originals(at)) for at in range(len(block.records))]
    return found


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(READERS)


@pytest.mark.parametrize("name", NAMES)
def test_a_good_file_gives_every_record_in_order(name: str) -> None:
    found = contents(read(name, SAMPLES[name].make(23)))
    assert len(found) == 23
    assert not any(isinstance(record, BadRecord) for record, _, _ in found)
    assert len({original for _, _, original in found}) == 23 or "marc-xml" in name


@pytest.mark.parametrize("size", [1, 2, 7, 22, 23])
@pytest.mark.parametrize("name", NAMES)
def test_any_block_size_gives_the_same_records(name: str, size: int) -> None:
    data = SAMPLES[name].make(23)
    blocks = list(read(name, data, size=size))
    assert contents(iter(blocks)) == contents(read(name, data))
    assert max(len(block.records) for block in blocks) <= size
    assert blocks[-1].end.record == 23


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("name", NAMES)
def test_reading_goes_on_after_any_block(name: str, size: int) -> None:
    data = SAMPLES[name].make(23)
    whole = contents(read(name, data))
    for block in read(name, data, size=size):
        assert contents(read(name, data, start=block.end, size=5)) == whole[block.end.record :]


@pytest.mark.parametrize("name", NAMES)
def test_a_block_stays_as_it_was_when_the_reader_goes_on(name: str) -> None:
    data = SAMPLES[name].make(50)
    kept = list(read(name, data, size=7))
    for early, fresh in zip(kept, read(name, data, size=7), strict=True):
        assert contents(iter([early])) == contents(iter([fresh]))


@pytest.mark.parametrize("name", NAMES)
def test_rows_say_the_same_as_records(name: str) -> None:
    for block in read(name, SAMPLES[name].make(9)):
        if block.rows is None or block.names is None:
            assert "name-row" not in name
            continue
        for row, record in zip(block.rows, block.records, strict=True):
            assert not isinstance(row, BadRecord)
            assert len(row) == len(block.names)
            assert {n: cell for n, cell in zip(block.names, row, strict=True) if cell != ""} == record


@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLES[name].broken])
def test_a_broken_file_says_where(name: str) -> None:
    sample = SAMPLES[name]
    with pytest.raises(FileBroken, match=sample.place):
        list(read(name, sample.broken))


@pytest.mark.parametrize("name", NAMES)
def test_no_options_are_right_for_every_format(name: str) -> None:
    assert READERS[name].check({}) is None


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"xlsx-with-name-row", "source-records-chunk"}))
def test_memory_does_not_grow_with_the_file(name: str) -> None:
    make = BULKY.get(name.removeprefix("source-records-"), SAMPLES[name].make)
    record = len(make(100)) // 100
    few = peak(name, make((5 << 18) // record))
    many = peak(name, make((3 << 20) // record))
    assert many < few * 1.3 + (1 << 20)


def peak(name: str, data: bytes) -> int:
    tracemalloc.start()
    try:
        for _ in read(name, data, size=200):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=400))
def test_no_bytes_raise_anything_but_file_broken(name: str, data: bytes) -> None:
    survive(name, data)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.floats(0, 1), cut=st.integers(0, 12), put=st.binary(max_size=8))
def test_no_damage_raises_anything_but_file_broken(name: str, at: float, cut: int, put: bytes) -> None:
    data = GOOD[name]
    place = int(at * len(data))
    survive(name, data[:place] + put + data[place + cut :])


GOOD = {name: sample.make(6) for name, sample in SAMPLES.items()}


def survive(name: str, data: bytes) -> None:
    """Reads what may be broken; what can be read must not depend on the size of a block."""
    found = read_if_possible(name, data, 3)
    assert read_if_possible(name, data, 1000) == found
    assert all(record.message for record, _, _ in found or () if isinstance(record, BadRecord))


def read_if_possible(name: str, data: bytes, size: int) -> list[tuple[object, int, bytes]] | None:
    try:
        return contents(read(name, data, size=size))
    except FileBroken:
        return None
