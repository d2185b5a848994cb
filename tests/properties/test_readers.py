"""Round trips: what another program wrote is what a reader gives."""

import csv
import io
import json
import warnings
from collections.abc import Mapping
from xml.etree import ElementTree

import orjson
import pymarc
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken
from server.readers.json_reader import _Array

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SIZES = st.integers(1, 9)


def read(name: str, data: bytes, size: int, options: Mapping[str, object] | None = None) -> list[object]:
    return [one for block in READERS[name].blocks(io.BytesIO(data), options or {}, size=size) for one in block.records]


@given(st.lists(VALUES, max_size=12), SIZES)
def test_json_lines(values: list[object], size: int) -> None:
    assert read("json-lines", b"\n".join(map(orjson.dumps, values)), size) == values


@given(st.lists(VALUES, max_size=12), SIZES, st.sampled_from([None, 2, "\t"]))
def test_json_arrays(values: list[object], size: int, indent: int | str | None) -> None:
    assert read("json", json.dumps(values, indent=indent).encode(), size) == values


@settings(deadline=None)
@given(st.lists(VALUES, max_size=12), st.integers(1, 60), st.sampled_from([None, 2]), st.booleans())
def test_json_arrays_cut_anywhere(values: list[object], step: int, indent: int | None, raw: bool) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=raw).encode()
    pieces = [piece for piece, _ in _Array(io.BytesIO(data), step).pieces()]
    assert [value for piece in pieces for value in piece] == values


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"1", b" ", b'"a"']), max_size=14))
def test_json_arrays_are_refused_as_a_whole_parse_refuses_them(tokens: list[bytes]) -> None:
    data = b"[" + b"".join(tokens)
    try:
        expected = orjson.loads(data)
    except orjson.JSONDecodeError:
        expected = None
    for step in (1, 3, 1000):
        try:
            values = [value for piece, _ in _Array(io.BytesIO(data), step).pieces() for value in piece]
        except FileBroken:
            values = None
        assert values == expected


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), max_size=6)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.tuples(
        st.lists(CELLS.filter(bool), min_size=width, max_size=width, unique=True),
        st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8),
    )
)


@given(TABLES, SIZES, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_csv(table: tuple[list[str], list[list[str]]], size: int, quoting: int, end: str) -> None:
    names, rows = table
    if quoting == csv.QUOTE_MINIMAL:  # the writer then leaves a line end bare that is not its own
        names, *rows = ([cell.replace("\r", "r").replace("\n", "n") for cell in row] for row in [names, *rows])
        assume(len(set(names)) == len(names))
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([names, *rows])
    expected = [{name: cell for name, cell in zip(names, row, strict=True) if cell} for row in rows]
    assert read("csv-with-name-row", text.getvalue().encode(), size) == expected


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t\ufeff"), max_size=6)


@given(st.lists(st.tuples(PLAIN.filter(bool), PLAIN), max_size=8), SIZES, st.sampled_from(["\t", "||", "."]))
def test_tsv(rows: list[tuple[str, str]], size: int, separator: str) -> None:
    clean = [(a.replace(separator, "") or "x", b.replace(separator, "")) for a, b in rows]
    clean = [(a.rstrip("|") or "x", b.lstrip("|")) for a, b in clean]
    text = "".join(f"{a}{separator}{b}\r\n" for a, b in [("first", "second"), *clean])
    expected = [{"first": a} | ({"second": b} if b else {}) for a, b in clean]
    assert read("tsv-with-name-row", text.encode(), size, {"separator": separator}) == expected


XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b-c", "d"]), XML_TEXT, max_size=3), max_size=8), SIZES)
def test_xml(rows: list[dict[str, str]], size: int) -> None:
    elements, attributes = ElementTree.Element("r"), ElementTree.Element("r")
    for row in rows:
        ElementTree.SubElement(attributes, "p", row)
        parent = ElementTree.SubElement(elements, "p")
        for name, value in row.items():
            ElementTree.SubElement(parent, name).text = value
    assert read("xml-text-of-children", ElementTree.tostring(elements), size) == rows
    assert read("xml-attributes", ElementTree.tostring(attributes), size) == rows


MARC_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1d\x1e\x1f"), max_size=8)
SUBFIELDS = st.lists(st.builds(pymarc.Subfield, st.sampled_from("ab09"), MARC_TEXT), min_size=1, max_size=3)
FIELDS = st.builds(
    pymarc.Field,
    st.sampled_from(["010", "245", "999", "LKR"]),
    st.builds(pymarc.Indicators, st.sampled_from(" 12"), st.sampled_from(" 12")),
    SUBFIELDS,
) | st.builds(lambda data: pymarc.Field("001", data=data), MARC_TEXT)


@st.composite
def marc_records(draw: st.DrawFn) -> bytes:
    record = pymarc.Record(force_utf8=True)
    record.add_field(*draw(st.lists(FIELDS, min_size=1, max_size=4)))
    data: bytes = record.as_marc()
    leader_says_marc8 = draw(st.booleans())
    return data[:9] + b" " + data[10:] if leader_says_marc8 else data


@settings(deadline=None, max_examples=200)
@given(st.lists(marc_records(), max_size=4), SIZES)
def test_marc_is_what_pymarc_makes_of_it(raw: list[bytes], size: int) -> None:
    assert without_faults(read("marc", b"".join(raw), size)) == [by_pymarc(one) for one in raw]


@settings(deadline=None, max_examples=300)
@given(marc_records(), st.data())
def test_a_damaged_marc_record_is_what_pymarc_makes_of_it(raw: bytes, data: st.DataObject) -> None:
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(5, len(raw) - 2))] = data.draw(st.sampled_from(b"\x1b\x1e\x1f 0159a\xc3\xe2\xff"))
    assert without_faults(read("marc", bytes(damaged), 10)) == [by_pymarc(bytes(damaged))]


def without_faults(records: list[object]) -> list[object]:
    return [None if isinstance(record, BadRecord) else record for record in records]


def by_pymarc(raw: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = next(pymarc.MARCReader(io.BytesIO(raw), hide_utf8_warnings=True))
    return None if record is None else record.as_dict()
