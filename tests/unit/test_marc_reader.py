"""`marc`: good and bad records in one file; what pymarc says of a record is right."""

import io

import pymarc
import pytest
from pymarc import Field, Indicators, Record, Subfield

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken

READER = READERS["marc"]


def blocks(data: bytes, **options: object) -> list[Block]:
    return list(READER.blocks(io.BytesIO(data), options))


def records(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks(data, **options) for record in block.records]


def encoded(*fields: Field, utf8: bool = True) -> bytes:
    record = Record(force_utf8=utf8)
    record.add_field(*fields)
    data: bytes = record.as_marc()
    return data


def title(text: str) -> Field:
    return Field("245", Indicators("1", "0"), [Subfield("a", text)])


GOOD = encoded(Field("001", data="n1"), title("Zoë"))
PLAIN = b"00050     2200037   4500245001200000\x1e01\x1faTitle..\x1e\x1d"


def test_a_record_is_marc_in_json() -> None:
    (record,) = records(GOOD)
    assert record == {
        "leader": f"{len(GOOD):05}    a2200049   4500",
        "fields": [{"001": "n1"}, {"245": {"ind1": "1", "ind2": "0", "subfields": [{"a": "Zoë"}]}}],
    }


def with_length(data: bytes) -> bytes:
    return b"%05d" % len(data) + data[5:]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"abcde" + PLAIN[5:], "length in the leader is not a number: 'abcde'"),
        (b"00010" + PLAIN[5:], "length in the leader is 10, less than a record can have"),
        (b"00040" + PLAIN[5:], "no end-of-record mark after the 40 bytes"),
        (PLAIN[:12] + b"99937" + PLAIN[17:], "base address in the leader (99937) lies behind the end"),
        (PLAIN[:12] + b"00000" + PLAIN[17:], "base address in the leader is 0"),
        (PLAIN[:12] + b"f0037" + PLAIN[17:], "base address in the leader is not a number: 'f0037'"),
        (with_length(PLAIN[:12] + b"00038" + PLAIN[17:36] + b"0" + PLAIN[36:]), "not a multiple of 12"),
        (PLAIN[:27] + b"\xf9" + PLAIN[28:], "the directory is not ASCII"),
        (PLAIN[:5] + b"\xe9" + PLAIN[6:], "the leader is not ASCII"),
        (PLAIN[:27] + b"x" + PLAIN[28:], "the directory cannot be read"),
        (b"00026     2200025   4500\x1e\x1d", "the record has no fields"),
        (PLAIN[:9] + b"a" + PLAIN[10:42] + b"\xff" + PLAIN[43:], "a field is not valid UTF-8"),
    ],
)
def test_a_bad_record_fails_alone_with_its_reason(bad: bytes, reason: str) -> None:
    (block,) = blocks(GOOD + bad + GOOD)
    first, fault, third = block.records
    assert first == third
    assert isinstance(first, dict)
    assert isinstance(fault, BadRecord)
    assert fault.message.startswith("MARC record 2 in the file: ")
    assert reason in fault.message
    assert block.originals(1) == bad
    assert block.bad == 1


def test_a_file_cut_in_a_record_keeps_those_before() -> None:
    first, bad = records(GOOD + GOOD[:-10])
    assert isinstance(first, dict)
    assert isinstance(bad, BadRecord)
    assert f"the leader says {len(GOOD)} bytes, but the file ends after {len(GOOD) - 10}" in bad.message


def test_line_ends_and_padding_between_records_are_passed_over() -> None:
    assert len(records(b"\r\n" + GOOD + b"\n\n" + GOOD + b"\x00\x1a ")) == 2


def test_a_long_stretch_without_a_mark_is_one_bad_record() -> None:
    data = b"x" * 5_000_000 + b"\x1d" + GOOD
    (block,) = blocks(data)
    assert isinstance(block.records[0], BadRecord)
    assert isinstance(block.records[1], dict)
    assert len(block.originals(0)) < 100_000


@pytest.mark.parametrize(
    "data",
    [
        encoded(title("plain"), utf8=False),
        PLAIN.replace(b"Title..", b"caf\xe2e \x1b"),
        PLAIN.replace(b"Title..", b"\x1b$1!0!\x1b"),
        PLAIN.replace(b"01\x1faTit", b"0\x1faxTit"),
        PLAIN.replace(b"01\x1faTit", b"012\x1faTi"),
        PLAIN.replace(b"01\x1faTit", b"\x1f\x1faxTit"),
        PLAIN.replace(b"01\x1faTit", b"01\x1f\xc3\xa9it"),
        PLAIN.replace(b"245", b"LKR"),
        PLAIN.replace(b"245", b"009"),
        PLAIN.replace(b"0012", b" 012"),
        PLAIN[:9] + b"a" + PLAIN[10:].replace(b"01\x1faTit", b"01\x1f\xc3\xa9it"),
        PLAIN[:9] + b"a" + PLAIN[10:].replace(b"01\x1f", b"\xc3\xa9\x1f"),
        PLAIN[:9] + b"a" + PLAIN[10:].replace(b"01\x1faTi", b"0\xc3\xa9\x1fTi"),
    ],
)
@pytest.mark.filterwarnings("ignore::pymarc.exceptions.BadSubfieldCodeWarning")
def test_odd_records_are_read_as_pymarc_reads_them(data: bytes) -> None:
    (theirs,) = pymarc.MARCReader(io.BytesIO(data), hide_utf8_warnings=True)
    (ours,) = records(data)
    if theirs is None:
        assert isinstance(ours, BadRecord)
    else:
        assert ours == theirs.as_dict()


def test_utf8_can_be_asked_for_where_the_leaders_are_wrong() -> None:
    data = PLAIN.replace(b"Title..", "Zoë...".encode())
    assert records(data, charset="utf-8") == [pymarc.Record(data, force_utf8=True).as_dict()]
    assert READER.check({"charset": "utf-8"}) is None
    assert READER.check({"charset": "latin-1"}) == "Unknown charset 'latin-1' for MARC: use leader or utf-8"
    with pytest.raises(FileBroken, match="latin-1"):
        records(data, charset="latin-1")
