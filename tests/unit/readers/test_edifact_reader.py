"""`edifact`: messages as lists of segments; a bad message fails alone."""

import io
from typing import Any

import pytest

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken
from server.readers.library import edifact_reader

READER = READERS["edifact"]


def read(data: bytes, **options: object) -> list[Any]:
    return [record for block in READER.blocks(io.BytesIO(data), options) for record in block.records]


def faults(data: bytes) -> list[str]:
    return [record.message if isinstance(record, BadRecord) else "" for record in read(data)]


ONE = b"UNB+UNOY:4+A+B'UNH+1+INVOIC:D:96A'BGM+380+94999+9'UNT+3+1'UNZ+1+1'"


def test_a_message_is_the_list_of_its_segments() -> None:
    assert read(ONE) == [
        {
            "segments": [
                {"tag": "UNH", "elements": [["1"], ["INVOIC", "D", "96A"]]},
                {"tag": "BGM", "elements": [["380"], ["94999"], ["9"]]},
                {"tag": "UNT", "elements": [["3"], ["1"]]},
            ]
        }
    ]


def test_its_bytes_are_those_of_the_message() -> None:
    (block,) = READER.blocks(io.BytesIO(ONE), {})
    assert block.originals(0) == b"UNH+1+INVOIC:D:96A'BGM+380+94999+9'UNT+3+1'"


def test_segments_may_be_the_records() -> None:
    assert [record["tag"] for record in read(ONE, record="segment")] == ["UNB", "UNH", "BGM", "UNT", "UNZ"]
    assert READER.check({"record": "page"}) == "Unknown record 'page' for EDIFACT: use message or segment"
    with pytest.raises(FileBroken):
        read(ONE, record="page")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"a?+b", [["a+b"]]),
        (b"a?:b:c", [["a:b", "c"]]),
        (b"a??:b", [["a?", "b"]]),
        (b"it?'s", [["it's"]]),
        (b"a+", [["a"], [""]]),
        (b"?:?:+:", [["::"], ["", ""]]),
    ],
)
def test_released_characters_mean_themselves(written: bytes, meant: list[list[str]]) -> None:
    (record,) = read(b"UNH+1'FTX+" + written + b"'UNT+3+1'")
    assert record["segments"][1]["elements"] == meant


def test_the_service_string_chooses_the_characters() -> None:
    (record,) = read(b"UNA*;.! ~UNH;1~FTX;a*b!~'+~UNT;3;1~")
    assert record["segments"][1]["elements"] == [["a", "b~'+"]]


def test_the_charset_is_that_of_the_interchange() -> None:
    (record,) = read(b"UNB+UNOE:3+A'UNH+1'FTX+\xb0'UNT+3+1'UNZ+1'")
    assert record["segments"][1]["elements"] == [["А"]]  # noqa: RUF001  # Cyrillic
    (record,) = read(b"UNB+UNOA:3+A'UNH+1'FTX+\xe9'UNT+3+1'UNZ+1'")
    assert record["segments"][1]["elements"] == [["é"]]


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"UNH+1'BGM+1'UNT+9+1'", "UNT says 9 of the number of segments, which is 3"),
        (b"UNH+1'BGM+1'UNT'", "UNT says nothing of the number"),
        (b"UNH+1'BGM+1'", "it has no UNT before UNH"),
        (b"BGM+1'", "it stands outside UNH and UNT"),
        (b"UNH+1'+1'UNT+3+1'", "a segment has no tag of three letters"),
    ],
)
def test_a_bad_message_fails_alone(message: bytes, fault: str) -> None:
    first, second = faults(message + b"UNH+2'UNT+2+2'")
    assert fault in first
    assert first.startswith("EDIFACT message 1")
    assert second == ""


def test_a_file_that_ends_too_soon() -> None:
    assert "the file ends before its UNT" in faults(b"UNH+1'BGM+1'")[0]
    assert "no end mark" in faults(b"UNH+1'BGM+1'UNT+3+1")[0]


def test_no_message_at_all() -> None:
    assert read(b"UNB+UNOA:3+A'UNZ+0+1'") == read(b"") == read(b"\r\n\x00\x1a") == []


def texts(data: bytes) -> list[str]:
    """The first component of each BGM; of what failed, its message."""
    found = []
    for record in read(data):
        if isinstance(record, BadRecord):
            found.append(record.message)
        else:
            found.append(next(one["elements"][0][0] for one in record["segments"] if one["tag"] == "BGM"))
    return found


def interchange(text: str, signs: str = ":+.? '", *, service: bool = True, charset: str = "UNOC", ref: int = 1) -> str:
    component, element, _, _, _, end = signs  # type: ignore[str-unpack]
    segments = (
        f"UNB+{charset}:3+ME+YOU+260101:0900+{ref}", "UNH+1+ORDERS:D:01B:UN", f"BGM+{text}", "UNT+3+1", f"UNZ+1+{ref}"
    )  # fmt: skip
    translated = [one.replace("+", element).replace(":", component) + end for one in segments]
    return ("UNA" + signs if service else "") + "".join(translated)


@pytest.mark.parametrize(
    ("signs", "written", "meant"),
    [
        (":+.  '", "a b ? c", "a b ? c"),  # no release character
        (":+,? '", "1,5 ?' x", "1,5 ' x"),
        ("|*.! ~", "it's !~", "it's ~"),
        (":+.?*\n", "a b", "a b"),
        (":+.? \r", "a b", "a b"),
        (":+.? |", "it's", "it's"),
    ],
)
def test_the_service_string_says_what_the_characters_mean(signs: str, written: str, meant: str) -> None:
    assert texts(interchange(written, signs).encode()) == [meant]


OTHER = "|*.! ~"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (interchange("1"), interchange("2", OTHER)),
        (interchange("1", OTHER), interchange("2")),
        (interchange("1", OTHER), interchange("2", service=False)),  # the usual characters come back
        (interchange("1", OTHER), interchange("2", OTHER, service=False)),
        (interchange("1", OTHER) + "\r\n\ufeff", interchange("2")),
        (interchange("1", service=False), interchange("2", ":+.? \n")),
    ],
)
def test_each_service_string_holds_for_what_follows_it(first: str, second: str) -> None:
    assert texts((first + second).encode()) == ["1", "2"]


@pytest.mark.parametrize("data", [interchange("one two"), interchange("one two", OTHER), interchange("x" * 99)])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("width", [1, 2, 7, 35])
def test_line_ends_mean_nothing_wherever_they_stand(data: str, end: str, width: int) -> None:
    wrapped = end.join(data[at : at + width] for at in range(0, len(data), width))
    assert texts((wrapped + end).encode()) == texts(data.encode())


@pytest.mark.parametrize("before", ["\ufeff", "\r\n", "\ufeff\r\n  ", "\x00"])
@pytest.mark.parametrize("after", ["", "\x1a", "\r\n\r\n", "\x00\x00"])
def test_marks_and_blanks_around_an_interchange_are_passed_over(before: str, after: str) -> None:
    assert texts((before + interchange("1", OTHER) + after).encode()) == ["1"]


def test_a_byte_order_mark_says_utf_8() -> None:
    assert texts(("\ufeff" + interchange("Zoë")).encode()) == ["Zoë"]
    assert texts(interchange("Zoë").encode("latin-1")) == ["Zoë"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Zoë Müller", "Zoë Müller"),
        ("CAFÉ à 5 €", "CAFÉ à 5 €"),
        ("Łódź €", "Łódź €"),
        ("ß»".encode("latin-1"), "ß»"),
        ("«CAFÉ»".encode("latin-1"), "«CAFÉ»"),
        ("Zoë".encode("latin-1") + "ü".encode(), "ZoëÃ¼"),  # not UTF-8 as a whole
    ],
)
def test_utf_8_that_is_called_latin_1_is_not_garbled(text: str | bytes, read: str) -> None:
    head, tail = interchange("|").encode().split(b"|")
    assert texts(head + (text if isinstance(text, bytes) else text.encode()) + tail) == [read]


def test_letters_of_other_parts_of_iso_8859_stay_what_they_are() -> None:
    assert texts(interchange("10 кВ", charset="UNOE").encode("iso8859-5")) == ["10 кВ"]


@pytest.mark.parametrize(
    ("charset", "text", "said"),
    [
        ("UNOY", b"Zo\xeb", "not valid utf-8"),
        ("UNOC", b"5 \x80", "not valid iso8859-1, the byte 80 means nothing there"),
        ("UNOA", b"5 \x80", "not valid iso8859-1, the byte 80"),
        ("UNOF", b"\xff", "not valid iso8859-7"),
        ("KECA", b"\xb0\xa1", "UNB names the charset 'KECA', which is not known here"),
    ],
)
def test_text_that_is_not_in_the_charset_that_is_named_fails(charset: str, text: bytes, said: str) -> None:
    (fault,) = texts(interchange("TEXT", charset=charset).encode().replace(b"TEXT", text))
    assert said in fault


def test_a_charset_that_is_not_known_is_no_fault_of_ascii() -> None:
    assert texts(interchange("1", charset="IATB").encode()) == ["1"]


def test_utf_16_is_named() -> None:
    with pytest.raises(FileBroken, match="UTF-16"):
        read(interchange("1").encode("utf-16"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (interchange("1").replace("UNZ+1", "UNZ+2"), "UNZ says 2 of the number of messages, but 1 came"),
        (interchange("1").replace("UNZ+1+1", "UNZ"), "UNZ says nothing of the number of messages"),
        (interchange("1").replace("UNZ+1", "UNZ+x"), "UNZ says x of the number of messages"),
        (interchange("1").replace("UNZ+1+1", "UNZ+1+7"), "UNZ has the reference '7', but UNB '1'"),
        (interchange("1").replace("UNZ+1+1'", ""), "has no UNZ before the file ends"),
        (interchange("1").replace("UNZ+1+1'", "") + interchange("1"), "has no UNZ before another UNB begins"),
        (interchange("1").replace("UNH", "UNG+ORDERS+A+B+1:2+9'UNH"), "has no UNE before UNZ"),
        (interchange("1").replace("UNZ", "UNE+2+9'UNZ"), "UNE says 2 of the number of messages"),
        ("UNH+1'BGM+1'UNT+3+1'UNZ+2+1'", "UNZ says 2 of the number of messages, but 1 came"),
        ("UNB+UNOC:3+A+B ", "UNB: a segment has no end mark"),
        ("UNG+ORDERS ", "UNG: a segment has no end mark"),
        ("UNZ+1+1", "UNZ: a segment has no end mark"),
        (interchange("1") + "UNA....", "The service string names characters that cannot be told apart"),
        (interchange("1") + interchange("2", OTHER)[9:].replace("*", "+"), "UNB: a segment has no end mark"),
    ],
)
def test_what_is_wrong_around_messages_is_told(data: str, said: str) -> None:
    faults = [text for text in texts(data.encode()) if text != "1"]
    assert any(said in fault for fault in faults), faults


def test_groups_are_counted() -> None:
    group = "UNG+ORDERS+A+B+1:2+{0}'UNH+1'BGM+{0}'UNT+3+1'UNE+1+{0}'"
    data = "UNB+UNOC:3+A+B+1:2+5'" + group.format(1) + group.format(2) + "UNZ+{}+5'"
    assert texts(data.format(2).encode()) == ["1", "2"]
    assert "UNZ says 1 of the number of groups, but 2 came" in texts(data.format(1).encode())[2]


def test_a_message_of_another_reference_fails() -> None:
    assert "UNT has the reference '2', but UNH '1'" in texts(b"UNH+1'BGM+9'UNT+3+2'")[0]
    assert texts(b"UNH+001'BGM+9'UNT+3+1'") == ["9"]


@pytest.mark.parametrize(
    "damage", ["UNZ+1+1'", "UNT+3+1'UNZ+1+1'", "'UNZ+1+1'", "1'UNZ+1+1'", "UNH+1+ORDERS:D:01B:UN'"]
)
@pytest.mark.parametrize("second", [interchange("2", OTHER), interchange("2"), interchange("2", service=False)])
def test_a_damaged_interchange_does_not_swallow_the_next(damage: str, second: str) -> None:
    found = texts((interchange("0") + interchange("1").replace(damage, "") + second).encode())
    assert found[0] == "0"
    assert found[-1] == "2"
    assert len(found) > 2 or damage == "'UNZ+1+1'"


def test_segments_that_stand_outside_a_message_are_one_bad_record() -> None:
    first, second = texts(b"BGM+1'FTX+2'UNT+3+1'UNH+1'BGM+9'UNT+3+1'")
    assert "EDIFACT message 1 in the file: it stands outside UNH and UNT" in first
    assert second == "9"


def test_tags_may_be_written_small() -> None:
    assert texts(interchange("1", OTHER).lower().encode()) == ["1"]


def test_the_nesting_of_a_segment_is_kept() -> None:
    (record,) = read(b"UNH+1'LIN:1:2+x'UNT+3+1'")
    assert record["segments"][1] == {"tag": "LIN", "nesting": ["1", "2"], "elements": [["x"]]}


def test_what_was_read_before_the_file_breaks_is_read() -> None:
    blocks = READER.blocks(io.BytesIO(interchange("1").encode() + b"UNH+" + b"x" * (4 << 20)), {})
    assert len(next(blocks).records) == 1
    with pytest.raises(FileBroken, match="A segment is longer"):
        next(blocks)


def test_a_message_of_too_many_segments_fails_alone() -> None:
    long = b"UNH+1'" + b"A01'" * edifact_reader.MOST_SEGMENTS + b"UNT+1+1'"
    bad, good = texts(long + b"UNH+2'BGM+9'UNT+3+2'")
    assert "it has more than 200,000 segments" in bad
    assert good == "9"
