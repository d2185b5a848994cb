"""Bodies of JSON Lines checked in pieces: the pieces never matter, and what the check takes the reader reads."""

import io
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.errors import BodyEmpty, LineInvalid
from server.engine.json_shape import MOST_VALUES
from server.engine.uploads.json_lines import LineChecks
from server.readers.base import BadRecord
from server.readers.json.json_lines_reader import JsonLinesReader
from server.readers.text.lines import LINE_CAP


def checked(*pieces: Any) -> Any:
    checks = LineChecks()
    for piece in pieces:
        checks.feed(piece)
    return checks.finish()


def verdict(*pieces: Any) -> Any:
    try:
        return checked(*pieces)
    except (LineInvalid, BodyEmpty) as error:
        return str(error)


LINES = st.one_of(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2).map(
        lambda value: json.dumps(value).encode()
    ),
    st.sampled_from([b"", b" ", b"\r", b"[]", b"{", b'{"a": 123456789012345678901}', b"\xef\xbb\xbf{}"]),
)


@given(lines=st.lists(LINES, max_size=6), data=st.data())
def test_pieces_do_not_matter(lines: Any, data: Any) -> None:
    body = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert verdict(*pieces) == verdict(body)


@given(lines=st.lists(LINES, max_size=6))
def test_the_reader_reads_what_was_taken(lines: Any) -> None:
    body = b"\n".join(lines)
    found = verdict(body)
    if isinstance(found, int):
        records = [r for block in JsonLinesReader().blocks(io.BytesIO(body), {}) for r in block.records]
        assert len(records) == found
        assert not any(isinstance(record, BadRecord) for record in records)


def test_a_line_may_come_in_any_number_of_pieces() -> None:
    assert checked(*(bytes([byte]) for byte in b'{"a": 1}\n{"b": 2}')) == 2


@pytest.mark.parametrize("end", [b"", b"\n", b'"}\n'])
def test_a_line_over_the_cap_is_refused(end: bytes) -> None:
    with pytest.raises(LineInvalid, match=r"line 2: longer than 16,777,216 bytes"):
        checked(b'{}\n{"a": "', *[b"x" * (LINE_CAP // 16)] * 16, b"x" * 10 + end)


def test_no_more_than_a_line_is_held_back() -> None:
    checks = LineChecks()
    for _ in range(100):
        checks.feed(b'{"a": "' + b"x" * 1000 + b'"}\n{"b')
        assert sum(map(len, checks._begun)) == 3
        checks.feed(b'": 1}\n')


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 123456789012345678901}', "does not fit into 64 bits"),
        (b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 254 levels"),
        (b"\xff", "not valid JSON"),
        (b"true", "not a JSON object: 'true'"),
        (b'{"a": [' + b"[]," * MOST_VALUES + b"1]}", "more than 200,000 values; send it as several rows"),
        (b'{"a": [' + b"{}," * MOST_VALUES + b'{"b": "\\""}]}', "more than 200,000 values; send it as several rows"),
    ],
)
def test_a_bad_line_is_told_with_number_and_reason(line: bytes, reason: str) -> None:
    with pytest.raises(LineInvalid, match=f"^line 3.*{reason}"):
        checked(b"{}\n\n" + line + b"\n{}")


def test_commas_of_texts_and_of_other_lines_do_not_count() -> None:
    text = b'{"a": "' + b'\\",' * MOST_VALUES + b'"}\n'
    assert checked(text * 2 + b'{"a": 1, "b": 2, "c": 3}\n' * (MOST_VALUES // 2)) == MOST_VALUES // 2 + 2


def test_a_line_of_nothing_but_values_takes_neither_time_nor_memory() -> None:
    line = b'{"a": [' + b"[]," * (LINE_CAP // 3 - 10) + b"1]}\n"
    began = time.process_time()
    tracemalloc.start()
    try:
        assert "more than" in str(verdict(line))
        assert tracemalloc.get_traced_memory()[1] < 8 * LINE_CAP
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 1
