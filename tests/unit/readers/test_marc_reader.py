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
        (PLAIN[:9] + b"a" + PLAIN[10:42] + b"\xff" + PLAIN[43:], "field 245 is not valid UTF-8"),
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
        PLAIN.replace(b"01\x1faTit", b"\x1f\x1faxTit"),
        PLAIN.replace(b"245", b"LKR"),
        PLAIN.replace(b"245", b"009"),
        PLAIN.replace(b"0012", b" 012"),
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


def in_marc8(text: bytes) -> bytes:
    return made(("245", b"10\x1fa" + text), coding=b" ")


def made(*fields: tuple[str, bytes], coding: bytes = b"a", entries: str | None = None) -> bytes:
    """A record with a directory that is right, or with the one that is given."""
    directory, data = "", b""
    for tag, content in fields:
        directory += f"{tag}{len(content) + 1:04}{len(data):05}"
        data += content + b"\x1e"
    head = (entries or directory).encode() + b"\x1e"
    length = 24 + len(head) + len(data) + 1
    return b"%05dnam %s22%05d   4500" % (length, coding, 24 + len(head)) + head + data + b"\x1d"


def title_of(record: object) -> str:
    assert isinstance(record, dict), record
    return next(part["a"] for field in record["fields"] if "245" in field for part in field["245"]["subfields"])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b"Na\xe8ive caf\xe2e", "Naïve café"),
        (b"\xe3\xf2a", "ậ"),  # two marks for one letter
        (b"\xc7 \xb5", "ß æ"),
        (b"\x1b(NAB\x1b(B!", "аб!"),  # noqa: RUF001
        (b"\x1b)N\xc1\x1b)!E\xa5", "аÆ"),  # and in the right one
        (b"\x1bga\x1bs", "α"),  # noqa: RUF001
        (b"\x1b$1!0!!0!\x1b(B x", "一一 x"),
        (b"\x1b$1!0! !0!\x1b(B", "一 一"),
        (b"\x88The \x89end", "\x98The \x9cend"),
        (b"two\tparts", "two\tparts"),
    ],
)
def test_marc_8_is_text(text: bytes, meant: str) -> None:
    (record,) = records(in_marc8(text))
    assert title_of(record) == meant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"Gr\xfcn", "the byte FC means nothing there"),
        (b"\x80 5", "the byte 80 means nothing there"),
        (b"a\x7fb", "the byte 7F means nothing there"),
        (b"caf\xe2", "an accent has no letter behind it"),
        (b"caf\xe2\ne", "an accent has no letter behind it"),
        (b"x\x1b(Zy", "an escape names no known set"),
        (b"x\x1b", "an escape names no known set"),
        (b"\x1b$1!0", "a character of three bytes is cut"),
        (b"\x1b$1~~~", "the byte 7E 7E 7E means nothing there"),
    ],
)
def test_bytes_without_meaning_in_marc_8_fail_their_record(text: bytes, reason: str) -> None:
    first, bad, last = records(PLAIN + in_marc8(text) + PLAIN)
    assert title_of(first) == title_of(last) == "Title.."
    assert isinstance(bad, BadRecord)
    assert f"field 245 is not valid MARC-8, {reason}" in bad.message


def test_utf_8_under_a_leader_that_says_marc_8_is_told() -> None:
    (bad,) = records(in_marc8("Motörhead".encode()))
    assert isinstance(bad, BadRecord)
    assert "position 9 of the leader says MARC-8, but the text is UTF-8" in bad.message


def test_a_control_field_in_marc_8_is_ascii() -> None:
    (bad,) = records(made(("001", b"n\xe9"), ("245", b"  \x1fax"), coding=b" "))
    assert isinstance(bad, BadRecord)
    assert "control field 001 is not ASCII" in bad.message


TWO_FIELDS = (("245", b"10\x1faFirst words"), ("500", b"  \x1faA note"))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("245001400000500000900015", "field 500 begins at 15, where no field begins"),
        ("245001600001500001100016", "field 245 begins at 1, where"),
        ("245001600000500001100099", "field 500 begins at 99, where"),
        ("245001600000500001100000", "names 2 fields, but 2 have"),
        ("245001600000", "names 1 fields, but 2 have an end mark"),
        ("2450016000005000011000169990005000016", "not a multiple of 12"),
        ("24500160000050000110001x", "the directory cannot be read: '50000110001x'"),
    ],
)
def test_a_directory_that_does_not_fit_fails_its_record(entries: str, reason: str) -> None:
    first, bad, last = records(GOOD + made(*TWO_FIELDS, entries=entries) + GOOD)
    assert first == last
    assert isinstance(bad, BadRecord)
    assert reason in bad.message


@pytest.mark.parametrize("lengths", [("0012", "0011"), ("0027", "0011"), ("0000", "9999"), (" 016", "0011")])
def test_a_field_goes_to_its_end_mark_whatever_its_length_says(lengths: tuple[str, str]) -> None:
    (record,) = records(made(*TWO_FIELDS, entries=f"245{lengths[0]}00000500{lengths[1]}00016"))
    assert record == records(made(*TWO_FIELDS))[0] | {"leader": record["leader"]}  # type: ignore[index,operator]


def test_the_directory_may_name_the_fields_in_another_order() -> None:
    (record,) = records(made(*TWO_FIELDS, entries="500001100016245001600000"))
    assert [*map(list, record["fields"])] == [["500"], ["245"]]  # type: ignore[index]


def test_a_field_longer_than_four_digits_can_say_is_whole() -> None:
    long = b"10\x1fa" + b"word " * 2_400
    fields = (("245", long), ("500", b"  \x1fan"))
    (record,) = records(made(*fields, entries=f"2459999000005000006{len(long) + 1:05}"))
    assert len(title_of(record)) == 12_000


def test_a_record_whose_end_lacks_its_field_mark_is_whole() -> None:
    data = made(*TWO_FIELDS)[:-2] + b"\x1d"
    (record,) = records(b"%05d" % len(data) + data[5:])
    assert record["fields"][1]["500"]["subfields"] == [{"a": "A note"}]  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"10Words without a code", "field 245 has '10Words without a code' where two indicators have to stand"),
        (b"10\x1f\xc3\xa9words", "field 245 has a subfield without a code"),
        (b"\xc3\xa9\x1fawords", "where two indicators have to stand"),
    ],
)
def test_a_field_that_would_lose_its_text_fails_its_record(content: bytes, reason: str) -> None:
    (bad,) = records(made(("245", content)))
    assert isinstance(bad, BadRecord)
    assert reason in bad.message


@pytest.mark.parametrize(
    ("between", "bad"),
    [
        (GOOD[:30], "no end-of-record mark"),  # cut short
        (GOOD[:-1], "no end-of-record mark"),  # without its end mark
        (b"%05d" % (2 * len(GOOD)) + GOOD[5:], "an end-of-record mark comes before"),  # a length that takes in the next
        (b"<html>", "is not a number"),
    ],
)
def test_a_bad_record_does_not_swallow_the_next(between: bytes, bad: str) -> None:
    first, fault, last = records(GOOD + between + GOOD)
    assert first == last == records(GOOD)[0]
    assert isinstance(fault, BadRecord)
    assert bad in fault.message


def test_a_record_longer_than_its_leader_can_say_is_told() -> None:
    data = b"99999" + made(*[("500", b"  \x1fa" + b"x" * 9_000)] * 12)[6:]
    bad, good = records(data + GOOD)
    assert isinstance(bad, BadRecord)
    assert "a record that is longer than this has to come as MARCXML" in bad.message
    assert isinstance(good, dict)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\n\n\x00"])
def test_a_byte_order_mark_is_passed_over(mark: bytes) -> None:
    assert records(mark + GOOD + mark + GOOD + mark) == records(GOOD) * 2


def test_a_block_holds_no_more_than_some_mebibytes() -> None:
    large = made(*[("500", b"  \x1fa" + b"x" * 9_000)] * 10)
    found = blocks(large * 150)
    assert sum(len(block.records) for block in found) == 150
    assert max(len(block.records) for block in found) < 100


def test_utf8_can_be_asked_for_where_the_leaders_are_wrong() -> None:
    data = PLAIN.replace(b"Title..", "Zoë...".encode())
    assert records(data, charset="utf-8") == [pymarc.Record(data, force_utf8=True).as_dict()]
    assert READER.check({"charset": "utf-8"}) is None
    assert READER.check({"charset": "latin-1"}) == "Unknown charset 'latin-1' for MARC: use leader or utf-8"
    with pytest.raises(FileBroken, match="latin-1"):
        records(data, charset="latin-1")
