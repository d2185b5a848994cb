"""Small JSON bodies: how deep and how many, for any texts; and never slow."""

import random
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.errors import UploadMalformed
from server.engine.json_shape import MOST_LEVELS, MOST_VALUES, check_shape

DEEP = pytest.raises(UploadMalformed, match="nested deeper than 100 levels")


def nested(levels: int, inner: bytes = b"1") -> bytes:
    return b"[" * levels + inner + b"]" * levels


@pytest.mark.parametrize("opened", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a": ', b"}]"), (b'{"[\\"": [', b"]}")])
def test_the_limit_is_exact(opened: tuple[bytes, bytes]) -> None:
    begin, end = opened
    most = MOST_LEVELS // len(end)
    check_shape(begin * most + b"1" + end * most)
    with DEEP:
        check_shape(begin * (most + 1) + b"1" + end * (most + 1))


@pytest.mark.parametrize("levels", [101, 254, 255, 1024, 1025, 100_000])
def test_deep_ones_are_refused_wherever_they_stand(levels: int) -> None:
    for body in (
        nested(levels),
        b'{"a": [1, {}, ' + nested(levels) + b"]}",
        b"[" + b"[]," * 500 + nested(levels) + b"]",
    ):
        with DEEP:
            check_shape(body)


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{" * 5000 + '"' + "[" * 500, "\\" * 301, '\\"[' * 300, "]" * 300, "," * MOST_VALUES]
)
def test_texts_do_not_count(text: str) -> None:
    check_shape(orjson.dumps([text] * 3 + [{text: text}]))


@given(
    st.recursive(
        st.none() | st.text('[]{}",\\a'), lambda inner: st.lists(inner) | st.dictionaries(st.text('[{"\\'), inner)
    )
)
def test_it_knows_the_depth_of_any_json(value: object) -> None:
    depth = depth_of(value)
    body = nested(MOST_LEVELS - depth, orjson.dumps(value)) if depth else nested(MOST_LEVELS, orjson.dumps(value))
    check_shape(body)
    with DEEP:
        check_shape(b"[" + body + b"]")


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def test_many_values_are_refused() -> None:
    check_shape(b"[" + b"0," * (MOST_VALUES - 1) + b"0]")
    with pytest.raises(UploadMalformed, match="more than 200000 values"):
        check_shape(b"[" + b"0," * MOST_VALUES + b"0]")


@pytest.mark.parametrize("piece", [b"[", b"]", b"][", b"[]", b'"', b"\\", b'\\"', b"{", b"[{", b'["', b"[[]"])
def test_no_body_takes_long(piece: bytes) -> None:
    body = piece * ((1 << 20) // len(piece))
    begin = time.process_time()
    for each in (body, b"[" + body, body + body.translate(bytes.maketrans(b"[{", b"]}"))):
        try:
            check_shape(each)
        except UploadMalformed:
            continue
    assert time.process_time() - begin < 2


def test_bytes_that_are_no_json_are_left_to_the_parser() -> None:
    for seed in range(50):
        check_shape(random.Random(seed).randbytes(2000).replace(b"[", b"").replace(b"{", b""))
