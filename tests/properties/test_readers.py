"""Round trips: what another program wrote is what a reader gives."""

import csv
import io
import json
import unicodedata
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from typing import Any
from xml.etree import ElementTree

import orjson
import pymarc
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymarc.marc8_mapping import CODESETS

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken
from server.readers.json.json_reader import _Array
from server.readers.library.marc8 import Marc8Fault, marc8_text

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
    assert values_in(data, step) == values


def values_in(data: bytes, step: int) -> list[object]:
    return [value for values, *_ in _Array(io.BytesIO(data), step).pieces() for value in values]


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"1", b" ", b'"a"']), max_size=14))
def test_json_arrays_are_refused_as_a_whole_parse_refuses_them(tokens: list[bytes]) -> None:
    data = b"[" + b"".join(tokens)
    try:
        expected = orjson.loads(data)
    except orjson.JSONDecodeError:
        expected = None
    for step in (1, 3, 1000):
        try:
            values = values_in(data, step)
        except FileBroken:
            values = None
        assert values == expected


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\x1a\ufeff"), max_size=6)
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
    filled = [row for row in rows if "".join(row).strip()]
    expected = [{name: cell for name, cell in zip(names, row, strict=True) if cell} for row in filled]
    assert read("csv-with-name-row", text.getvalue().encode(), size) == expected


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\t\x1a\ufeff"), max_size=6)


@given(st.lists(st.tuples(PLAIN.filter(bool), PLAIN), max_size=8), SIZES, st.sampled_from(["\t", "||", "."]))
def test_tsv(rows: list[tuple[str, str]], size: int, separator: str) -> None:
    clean = [(a.replace(separator, "") or "x", b.replace(separator, "")) for a, b in rows]
    clean = [(a.rstrip("|") or "x", b.lstrip("|")) for a, b in clean]
    text = "".join(f"{a}{separator}{b}\r\n" for a, b in [("first", "second"), *clean])
    filled = [(a, b) for a, b in clean if (a + b).strip()]
    expected = [{"first": a} | ({"second": b} if b else {}) for a, b in filled]
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
    return data


@settings(deadline=None, max_examples=100)
@given(st.lists(marc_records(), max_size=4), SIZES)
def test_marc_is_what_pymarc_makes_of_it(raw: list[bytes], size: int) -> None:
    assert without_faults(read("marc", b"".join(raw), size)) == [by_pymarc(one) for one in raw]


ACCENTS = [code for code, (_, joins) in CODESETS[0x45].items() if joins]
SIGNS = [code for code, (_, joins) in CODESETS[0x45].items() if not joins and code > 0xA0]
LETTERS = st.sampled_from(b"abcXYZ ,.").map(lambda code: bytes([code]))
EAST = st.lists(st.sampled_from(sorted(CODESETS[0x31])), max_size=3).map(
    lambda codes: b"\x1b$1" + b"".join(code.to_bytes(3, "big") for code in codes) + b"\x1b(B"
)
SETS = st.sampled_from([b"\x1b(N", b"\x1b(3", b"\x1bg"]).map(lambda begin: begin + b"abc" + b"\x1bs" + b"Z")
MARC8 = st.lists(
    LETTERS
    | st.sampled_from(SIGNS).map(lambda code: bytes([code]))
    | st.builds(lambda code, letter: bytes([code]) + letter, st.sampled_from(ACCENTS), LETTERS)
    | EAST
    | SETS,
    max_size=6,
).map(b"".join)


@settings(deadline=None, max_examples=120)
@given(MARC8, st.binary(max_size=2), st.floats(0, 1))
def test_marc_8_is_what_pymarc_makes_of_it_or_a_fault(text: bytes, put: bytes, at: float) -> None:
    assert marc8_text(text) == pymarc.marc8_to_unicode(text)
    place = int(at * len(text))
    damaged = text[:place] + put + text[place:]
    told = io.StringIO()
    try:
        found = marc8_text(damaged)
    except Marc8Fault:
        return
    with redirect_stderr(told):
        theirs = pymarc.marc8_to_unicode(damaged)
    assert told.getvalue() or _plain(found) == _plain(theirs)


def _plain(text: str) -> str:
    """Without the controls, which pymarc drops."""
    kept = "".join(one for one in text if one >= " " and not 0x80 <= ord(one) < 0xA0 and one not in "\u200c\u200d")
    return unicodedata.normalize("NFC", kept)


@settings(deadline=None, max_examples=120)
@given(marc_records(), st.data())
def test_a_damaged_marc_record_is_whole_or_fails(raw: bytes, data: st.DataObject) -> None:
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(5, len(raw) - 2))] = data.draw(st.sampled_from(b"\x1b\x1e\x1f 0159a\xc3\xe2\xff"))
    (found,) = read("marc", bytes(damaged), 10)
    if isinstance(found, dict) and damaged[9:10] == b"a":
        assert sorted(map(_written, found["fields"])) == sorted(_fields_of(bytes(damaged)))


def _written(field: dict[str, Any]) -> bytes:
    ((_, content),) = field.items()
    if isinstance(content, str):
        return content.encode()
    subfields = [code + value for one in content["subfields"] for code, value in one.items()]
    return "\x1f".join([(content["ind1"] + content["ind2"]).strip(" "), *subfields]).encode()


def _fields_of(raw: bytes) -> list[bytes]:
    """What stands between the end marks, without what means nothing: blank indicators, empty subfields."""
    directory = raw[24 : int(raw[12:17])].decode()
    tags = {int(directory[at + 7 : at + 12]): directory[at : at + 3] for at in range(0, len(directory) - 1, 12)}
    pieces, place = [], 0
    for piece in raw[int(raw[12:17]) : -1].removesuffix(b"\x1e").split(b"\x1e"):
        control = tags[place].isdigit() and tags[place] < "010"
        indicators, *parts = piece.split(b"\x1f")
        pieces.append(piece if control else b"\x1f".join([indicators.strip(b" "), *filter(None, parts)]))
        place += len(piece) + 1
    return pieces


@settings(deadline=None, max_examples=100)
@given(st.lists(marc_records(), min_size=1, max_size=3), marc_records(), st.data())
def test_no_good_marc_record_is_lost_beside_a_damaged_one(good: list[bytes], bad: bytes, data: st.DataObject) -> None:
    """One is cut short, or has bytes put in or taken out; what stands around it is read."""
    place, taken = data.draw(st.integers(1, len(bad) - 1)), data.draw(st.integers(0, len(bad)))
    damaged = bad[:place] + data.draw(st.sampled_from([b"", b"x", b"\x1e00026", b"12345"])) + bad[place + taken :]
    found = without_faults(read("marc", b"".join([*good, damaged, *good]), 3))
    expected = [by_pymarc(one) for one in good]
    assert found[: len(good)] == expected
    assert found[-len(good) :] == expected


def without_faults(records: list[object]) -> list[object]:
    return [None if isinstance(record, BadRecord) else record for record in records]


def by_pymarc(raw: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = next(pymarc.MARCReader(io.BytesIO(raw), hide_utf8_warnings=True))
    return None if record is None else record.as_dict()


DAMAGE = st.sampled_from(["", "'", "\n", "UNT+3+1'", "UNH+1", "x", "?"])


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 4), st.floats(0, 1), st.integers(0, 90), DAMAGE, SIZES)
def test_no_edifact_message_is_lost_without_a_word(count: int, at: float, taken: int, put: str, size: int) -> None:
    """Where bytes go, come or change, each message is there or something is reported."""
    messages = [f"UNH+{n}+ORDERS:D'BGM+{n}+No?'{n}'UNT+3+{n}'" for n in range(count)]
    data = f"UNB+UNOC:3+A+B+260101:0900+1'{''.join(messages)}UNZ+{count}+1'"
    place = int(at * len(data))
    damaged = data[:place] + put + data[place + taken :]
    found = read("edifact", damaged.encode(), size)
    told = any(isinstance(one, BadRecord) for one in found)
    assert told or len(found) == count or not damaged.strip()
