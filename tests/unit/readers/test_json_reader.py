"""`json`: arrays, single documents, objects of records, and how broken files are told from bad records."""

import io
import itertools
import tracemalloc
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from server.readers.json import json_reader
from server.readers.json import limits as json_limits

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


class Work:
    """What the reader does: bytes that it has parsed, and steps of its scan."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.proofs = self.parsed = self.steps = self.scanned = 0
        counting = SimpleNamespace(loads=self._loads, dumps=orjson.dumps, JSONDecodeError=orjson.JSONDecodeError)
        monkeypatch.setattr(json_reader, "orjson", counting)
        for name in ("_INSIDE", "_BETWEEN"):
            monkeypatch.setattr(json_reader, name, SimpleNamespace(match=self._counted(getattr(json_reader, name))))

    def _loads(self, data: bytes) -> object:
        self.proofs += 1
        self.parsed += len(data)
        return orjson.loads(data)

    def _counted(self, pattern: Any) -> Any:
        def match(data: bytes, at: int) -> Any:
            found = pattern.match(data, at)
            self.steps += 1
            self.scanned += found.end() - at
            return found

        return match


SMALL = b'{"a":1},' * 40_000
HUGE = {
    "empty objects in arrays": [b"[" + b"{}," * 700_000 + b"{}]"],
    "empty objects in an object": [b'{"a":[' + b"{}," * 700_000 + b"{}]}"],
    "a record like those before, with more such in it": [SMALL[:-1], b'{"a":[' + b'{"a":1},' * 250_000 + b"7]}"],
    "one such after the other": [b'{"a":[' + b'{"a":1},' * 90_000 + b"7]}"] * 4,
    "a text of commas and brackets": [SMALL[:-1], b'{"a":"' + rb"}]},{[,{\"a\":1},{" * 110_000 + b'"}', b'{"a":2}'],
    "texts of commas and brackets": [SMALL[:-1], b'{"a":[' + rb'"},{\"a\":1",' * 150_000 + b'"]}"]}', b"[]"],
    "nested as deep as may be": [b'{"a":[' + (b"[" * 250 + b"{}" + b"]" * 250 + b",") * 1_500 + b"1]}", b"2"],
}


@pytest.mark.parametrize("elements", HUGE.values(), ids=HUGE)
def test_a_huge_record_is_looked_at_a_few_times_only(
    elements: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"[" + b",".join(elements) + b"]"
    work = Work(monkeypatch)
    assert records(data) == orjson.loads(data)
    assert work.proofs <= 16
    assert work.parsed <= 4 * len(data)
    assert work.scanned <= 2 * len(data)
    assert work.steps <= len(data) / 50


def test_a_record_too_deep_for_any_parser_is_looked_at_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b"[" * 600_000 + b"]" * 600_000
    work = Work(monkeypatch)
    first, bad, last = records(b"[1," + deep + b",3]")
    assert (first, last) == (1, 3)
    assert isinstance(bad, BadRecord)
    assert work.parsed <= 3 * len(deep)
    assert work.steps <= 100


def test_every_short_text_is_cut_where_a_plain_walk_would_cut_it() -> None:
    """The patterns of the scan rely on parts of `re` that were wrong in early releases of Python 3.11."""
    texts = (bytes(text) for length in range(7) for text in itertools.product(b'"\\[],a', repeat=length))
    wrong = [text for text in texts if _scanned(text) != _walked(text)]
    assert wrong == []


def test_more_texts_than_one_match_takes_are_cut_at_every_comma() -> None:
    element = b'["%b", {"a": [%b]}]' % (b"\\\\x\\" + b'"', b", ".join([b'"],["'] * 3000))
    commas, end = _scanned(b",".join([element] * 3) + b"]")
    assert commas == [len(element), 2 * len(element) + 1]
    assert end == 3 * len(element) + 2


def _scanned(text: bytes) -> tuple[list[int], int | None]:
    scan = json_reader._Scan()
    return list(scan.commas(text)), scan.end


def _walked(text: bytes) -> tuple[list[int], int | None]:
    commas, depth, at = [], 0, 0  # type: ignore[var-annotated]
    while at < len(text):
        character = text[at : at + 1]
        if character == b'"':
            at = _end_of_text(text, at)
        elif character == b"]" and not depth:
            return commas, at
        elif character == b"," and not depth:
            commas.append(at)
        depth += (character == b"[") - (character == b"]")
        at += 1
    return commas, None


def _end_of_text(text: bytes, at: int) -> int:
    """Where the closing quote stands; the end where there is none."""
    at += 1
    while at < len(text) and text[at : at + 1] != b'"':
        at += 2 if text[at : at + 1] == b"\\" else 1
    return at


def test_a_text_of_escapes_takes_no_memory_for_each_of_them() -> None:
    text = b'"' + rb"\n" * (1 << 20) + b'", ' + b"1" * 19
    tracemalloc.start()
    try:
        assert _scanned(text)[0] == [len(text) - 21]
        assert json_limits.fault(text, None) is None
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("reader", ["json", "json-lines"])
@pytest.mark.parametrize("text", ['[{"id": "1"}]', '{"id": "1"}\n', "[]"])
def test_wide_charsets_are_told_as_such(reader: str, codec: str, text: str) -> None:
    with pytest.raises(FileBroken, match=f"{codec.upper()[:6]}.*save it as UTF-8"):
        list(READERS[reader].blocks(io.BytesIO(text.encode(codec)), {}))


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a\x1a\r\n", b"\x1a\0\0"])
@pytest.mark.parametrize("data", [b'[{"a": 1}]', b'{"x": {"a": 1}}', b"[]"])
def test_an_end_mark_of_old_systems_is_no_text_after_the_end(data: bytes, end: bytes) -> None:
    assert records(data + end) == records(data)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b'[{"a": 1},\n{"a": "x", "b" : 2, "a": 3}]', ["line 2"]),
        (b'[{"a": {"b": 1, "b": 1}}]', ["line 1"]),
        (b'{"x": {"a": 1}, "x": {"a": 2}}', ["line 1"]),
        (b'[{"a": "b\\"", "b": "a"}, {"a": 1}]', []),
    ],
)
def test_a_name_that_an_object_has_twice_is_told(data: bytes, lines: list[str]) -> None:
    found = blocks(data)
    told = [remark for block in found for remark in block.remarks]
    assert [remark.split(":")[0] for remark in told] == lines
    assert all("more than once; only the last value is read" in remark for remark in told)
