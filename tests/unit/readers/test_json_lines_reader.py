"""`json-lines`: what is a record, what is a bad one, and what is said of it."""

import io

import pytest

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken
from server.readers.text.lines import LINE_CAP

READER = READERS["json-lines"]


def records(data: bytes) -> list[object]:
    return [record for block in READER.blocks(io.BytesIO(data), {}) for record in block.records]


def fault(data: bytes) -> str:
    (record,) = records(data)
    assert isinstance(record, BadRecord)
    return record.message


def test_blank_lines_and_a_mark_are_passed_over() -> None:
    (block,) = READER.blocks(io.BytesIO(b'\xef\xbb\xbf{"a":1}\r\n\r\n  \n{"a":2}'), {})
    assert list(block.records) == [{"a": 1}, {"a": 2}]
    assert list(block.lines) == [1, 4]
    assert block.originals(1) == b'{"a":2}'


def test_a_line_need_not_be_an_object() -> None:
    assert records(b'1\n"a"\n[2]\nnull\n') == [1, "a", [2], None]


def test_a_bad_line_fails_alone_and_is_named() -> None:
    (block,) = READER.blocks(io.BytesIO(b'{"a":1}\n{"a":tru}\n{"a":3}\n'), {})
    first, bad, third = block.records
    assert (first, third) == ({"a": 1}, {"a": 3})
    expected = """line 2, column 6: not valid JSON, invalid literal, expected 'true': '{"a":tru}'"""
    assert bad == BadRecord(expected)
    assert block.bad == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a":18446744073709551616}', "the integer 18446744073709551616 does not fit into 64 bits"),
        (b'{"a":-9223372036854775809}', "the integer -9223372036854775809 does not fit into 64 bits"),
        (b'{"a":1e400}', "number is infinity"),
        (b'{"a":' + b"9" * 5000 + b"}", "number is infinity"),
        (b"[" * 300 + b"]" * 300, "it is nested deeper than 254 levels"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid UTF-8"),
        (b'{"a":1}{"a":2}', "unexpected content after document"),
    ],
)
def test_what_cannot_be_kept_is_refused(line: bytes, reason: str) -> None:
    assert reason in fault(line)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}")])
def test_the_shortest_line_that_is_too_deep_is_found_among_others(opening: bytes, closing: bytes) -> None:
    deepest = opening * 253 + b"[]" + closing * 253
    refused = opening * 254 + b"[]" + closing * 254
    (block,) = READER.blocks(io.BytesIO(b"\n".join([*[b'{"a":[]}'] * 300, deepest, refused, b"{}"])), {})
    assert [type(record) is BadRecord for record in block.records] == [False] * 301 + [True, False]


def test_digits_in_texts_and_the_largest_integers_are_kept() -> None:
    lines = b'{"a":"123456789012345678901234567890"}\n{"a":18446744073709551615}\n{"a":-9223372036854775808}\n'
    assert records(lines) == [{"a": "123456789012345678901234567890"}, {"a": 2**64 - 1}, {"a": -(2**63)}]
    assert records(b'{"a":12345678901234567890.5}') == [{"a": 12345678901234567890.5}]


def test_a_line_over_the_cap_fails_alone_and_is_not_kept() -> None:
    data = b'{"a":1}\n"' + b"x" * (LINE_CAP + 5_000_000) + b'"\n{"a":2}\n'
    (block,) = READER.blocks(io.BytesIO(data), {})
    assert (block.records[0], block.records[2]) == ({"a": 1}, {"a": 2})
    assert isinstance(block.records[1], BadRecord)
    assert "line 2 is 21,777,219 bytes long; the limit is 16,777,216" in block.records[1].message
    assert len(block.originals(1)) < 1000
    assert block.end.offset == len(data)


def test_utf16_is_refused_as_a_whole() -> None:
    with pytest.raises(FileBroken, match="UTF-16"):
        records('{"a":1}'.encode("utf-16"))


@pytest.mark.parametrize("end", [b"\x1a", b"\n\x1a", b"\r\n\x1a\x1a", b"\n\x1a\0\0"])
def test_an_end_mark_of_old_systems_is_no_record(end: bytes) -> None:
    assert records(b'{"a": 1}\n{"a": 2}' + end) == [{"a": 1}, {"a": 2}]


def test_more_than_one_mark_is_passed_over() -> None:
    assert records(b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}\n') == [{"a": 1}]


def test_a_name_that_an_object_has_twice_is_told() -> None:
    (block,) = READER.blocks(io.BytesIO(b'{"a": 1}\n{"b": "x", "a" : 1, "b": 2}\n{"a": "\\""}\n'), {})
    assert list(block.records) == [{"a": 1}, {"b": 2, "a": 1}, {"a": '"'}]
    assert block.remarks == ("line 2: an object has the name 'b' more than once; only the last value is read",)


@pytest.mark.parametrize("end", [b"\x1a", b"\x1a\r\n", b"\x1a\n\n", b"\r\n \x1a\x1a\n", b"\x1a\n{}\n"])
def test_a_line_of_an_end_mark_is_passed_over(end: bytes) -> None:
    assert records(b'{"a":1}\n' + end)[0] == {"a": 1}
    assert all(one == {} for one in records(b'{"a":1}\n' + end)[1:])


def test_quotes_that_are_written_as_codes_hide_no_repeated_name() -> None:
    def remarks(data: bytes) -> list[str]:
        return [one for block in READERS["json-lines"].blocks(io.BytesIO(data), {}) for one in block.remarks]

    assert remarks(rb'{"a":1,"a":2,"b":"\u0022\u0022"}')[0].startswith(
        "line 1: an object has the name 'a' more than once"
    )
    assert remarks(rb'{"a":1,"b":"\u0022\u0022","c":"\\u0022"}') == []
