"""`edifact`: messages as lists of segments; a bad message fails alone."""

import io
from typing import Any

import pytest

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken

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
    (record,) = read(b"UNB+UNOE:3+A'UNH+1'FTX+\xb0'UNT+3+1'")
    assert record["segments"][1]["elements"] == [["А"]]  # noqa: RUF001  # Cyrillic
    (record,) = read(b"UNB+UNOA:3+A'UNH+1'FTX+\xe9'UNT+3+1'")
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
    assert read(b"UNB+UNOA:3+A'UNZ+0+1'") == read(b"") == []
