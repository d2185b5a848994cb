"""`json`: arrays, single documents, objects of records, and how broken files are told from bad records."""

import io

import orjson
import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken

READER = READERS["json"]


def blocks(data: bytes, **options: object) -> list[Block]:
    return list(READER.blocks(io.BytesIO(data), options))


def records(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks(data, **options) for record in block.records]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"\xef\xbb\xbf[1, 2]", [1, 2]),
        (b'[{"a": 1}, "x", [2], null]', [{"a": 1}, "x", [2], None]),
        (b'{"x": {"a": 1}, "y": {"a": 2}}', [{"a": 1}, {"a": 2}]),
        (b'{"x": 1, "y": 2, "x": 3}', [3, 2]),
        (b"{}", []),
    ],
)
def test_what_the_records_are(data: bytes, expected: list[object]) -> None:
    assert records(data) == expected


@pytest.mark.parametrize("data", [b'{"a": 1}', b"[1, 2]", b'"text"', b" 7 "])
def test_a_single_record_is_the_whole_document(data: bytes) -> None:
    assert records(data, singleRecord=True) == [orjson.loads(data)]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "empty"),
        (b"7", "neither an array nor an object"),
        (b"[1, 2", "Line 1, byte 6: the file ends before the array does"),
        (b'[{"a": 1},\n {"a": }]', "Line 2, byte 19"),
        (b"[1,]", "Line 1, byte 4"),
        (b"[,1]", "Line 1, byte 2"),
        (b"[1 2]", "Line 1, byte 4"),
        (b"[NaN]", "Line 1, byte 2"),
        (b"[1]\n[2]", "Line 2, byte 5: text after the end of the array"),
        (b'[{"a": "\xff"}]', "UTF-8"),
        (b'[{"a": 1]}', "Line 1"),
        (b'["unclosed]', "ends before"),
        (b'{"a": 1', "Line 1"),
        (b'{"a": 1}\n{"a": 2}', "unexpected content"),
        (b'{"a": 123456789012345678901}', "64 bits"),
    ],
)
def test_a_broken_file_is_refused_as_a_whole(data: bytes, place: str) -> None:
    with pytest.raises(FileBroken, match=place):
        records(data)


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b"123456789012345678901", "the integer 123456789012345678901 does not fit into 64 bits"),
        (b"1e400", "number is infinity"),
        (b"9" * 5000, "number is infinity"),
        (b"[" * 260 + b"]" * 260, "nested deeper than 254 levels"),
        (b"[" * 5000 + b"]" * 5000, "depth limit"),
        (rb'"\ud800"', "surrogate"),
    ],
)
def test_a_well_formed_value_that_cannot_be_kept_fails_alone(element: bytes, reason: str) -> None:
    (block,) = blocks(b'[{"a":1},\n' + element + b',{"a":3}]')
    assert (block.records[0], block.records[2]) == ({"a": 1}, {"a": 3})
    assert isinstance(block.records[1], BadRecord)
    assert block.records[1].message.startswith("line 2: ")
    assert reason in block.records[1].message
    assert block.originals(1) == element
    assert block.bad == 1


def test_a_long_array_is_cut_between_its_elements() -> None:
    items = [{"id": n, "items": [{"id": n}] * (n % 4), "t": '},{"id":' * (n % 3)} for n in range(30_000)]
    data = orjson.dumps(items)
    assert records(data) == items
    assert records(orjson.dumps(items, option=orjson.OPT_INDENT_2)) == items


def test_a_record_longer_than_a_step_is_read() -> None:
    items = [{"a": "x" * 3_000_000}, {"a": [[1, 2], "y,z"] * 200_000}, {"a": 3}]
    assert records(orjson.dumps(items)) == items


def test_a_fault_far_into_the_file_is_found_where_it_is() -> None:
    data = b"[" + b'{"a":1},\n' * 200_000 + b'{"a" 1}]'
    with pytest.raises(FileBroken, match="Line 200001, byte 1,800,007"):
        records(data)
