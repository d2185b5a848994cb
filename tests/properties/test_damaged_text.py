"""Good records in a file of text that something happened to: none vanishes without being counted or told."""

import io
import json
import tracemalloc
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken

COUNT = 12
VALUE = "Zoë \U0001f600"


def csv_file(separator: str) -> bytes:
    rows = "".join(f"key-{n}{separator}{VALUE}\n" for n in range(COUNT))
    return f"id{separator}name\n{rows}".encode()


def records() -> list[dict[str, str]]:
    return [{"id": f"key-{n}", "name": VALUE} for n in range(COUNT)]


FILES: Mapping[str, bytes] = {
    "csv-with-name-row": csv_file(","),
    "tsv-with-name-row": csv_file("\t"),
    "json-lines": "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records()).encode(),
    "json": json.dumps(records(), ensure_ascii=False, indent=0).encode(),
    "xml-text-of-children": (
        "<r>\n" + "".join(f"<p><id>{one['id']}</id><name>{one['name']}</name></p>\n" for one in records()) + "</r>"
    ).encode(),
}
MARC: Mapping[str, bytes] = {
    "marc-xml": (
        "<collection>\n"
        + "".join(
            f'<record><leader>0</leader><controlfield tag="001">{one["id"]}</controlfield><datafield tag="245">'
            f'<subfield code="a">{one["name"]}</subfield></datafield></record>\n'
            for one in records()
        )
        + "</collection>"
    ).encode(),
    "marc-json": json.dumps(
        [
            {"leader": "0", "fields": [{"001": one["id"]}, {"245": {"subfields": [{"a": one["name"]}]}}]}
            for one in records()
        ],
        ensure_ascii=False,
        indent=0,
    ).encode(),
}
ALL = {**FILES, **MARC, **{f"source-records-{name}": data for name, data in MARC.items()}}
BYTES = [
    b'"',
    b"\n",
    b"\r",
    b"\xff",
    b"\0",
    b"\x1a",
    b"\\",
    b"<",
    b"[",
    b"{",
    b",",
    b"\t",
    b"x",
    b"\xef\xbb\xbf",
    b'""',
]


class Read:
    """What a reader gave, and whether it told of a fault, by a bad record or by breaking off."""

    def __init__(self, name: str, data: bytes) -> None:
        self.good: list[object] = []
        self.told = False
        self.bad = ""
        try:
            self._read(name, data)
        except FileBroken:
            self.told = True

    def _read(self, name: str, data: bytes) -> None:
        for block in READERS[name].blocks(io.BytesIO(data), {}, size=5):
            self.told = self.told or bool(block.remarks) or block.bad > 0
            for at, record in enumerate(block.records):
                if isinstance(record, BadRecord):
                    self.bad += block.originals(at).decode("utf-8", "replace")
                else:
                    self.good.append(record)


def keys_in(read: Read) -> set[str]:
    text = json.dumps(read.good, default=str)
    return {f"key-{n}" for n in range(COUNT) if f"key-{n}" in text}


@pytest.mark.parametrize("name", sorted(ALL))
@given(at=st.integers(0, 2000), what=st.sampled_from(BYTES))
def test_bytes_that_come_in_between_lose_no_record_untold(name: str, at: int, what: bytes) -> None:
    data = ALL[name]
    at %= len(data) + 1
    read = Read(name, data[:at] + what + data[at:])
    lost = COUNT - len(keys_in(read))
    # bytes within a key change it: then that one is there under another name
    assert lost == 0 or read.told or (lost == 1 and len(read.good) >= COUNT)


@pytest.mark.parametrize("name", sorted(ALL))
@given(at=st.integers(0, 2000), end=st.binary(max_size=0) | st.sampled_from([b"\n", b"\x1a"]))
def test_a_file_that_is_cut_off_keeps_what_comes_before(name: str, at: int, end: bytes) -> None:
    data = ALL[name]
    at %= len(data) + 1
    read = Read(name, data[:at] + end)
    whole = data[:at].count(b"key-") - 1
    if READERS[name].whole_file:
        assert read.told or not data[at:].strip()
    else:
        assert len(keys_in(read)) >= min(whole, COUNT) or read.told


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_any_line_ends_give_the_same_records_or_are_told(name: str, end: bytes) -> None:
    read = Read(name, ALL[name].replace(b"\n", end))
    assert len(read.good) == COUNT or read.told


@pytest.mark.parametrize("name", sorted(ALL))
def test_two_files_that_were_joined_lose_no_record_untold(name: str) -> None:
    read = Read(name, ALL[name] * 2)
    assert len(read.good) >= 2 * COUNT or read.told


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize(
    "codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "gb18030"]
)
def test_another_charset_is_read_or_told(name: str, codec: str) -> None:
    read = Read(name, FILES[name].decode().encode(codec))
    assert read.good == records() or read.told or codec == "utf-7"


LINES: Mapping[str, Callable[[int], bytes]] = {
    "csv, stray quotes": lambda n: b"id,name\n" + b'1,"x\n2,y\n' * n,
    "csv, one open quote": lambda n: b'id,name\n1,"x\n' + b"2,y\n" * n,
    "csv, quotes in every line": lambda n: b'id,name\n1,"x\n' + b'a","b\n' * n,
    "csv, separators": lambda n: b"id,name\n" + b",,,,,,\n" * n,
    "csv, long names": lambda n: b"id," * n + b"\n1,2\n",
    "json, open brackets": lambda n: b'[{"a":' * n,
    "json, one text": lambda n: b'["' + rb"\n" * n + b'"]',
    "json, many open texts": lambda n: b'["a' * n,
    "json-lines, one line": lambda n: b'{"a":1}' * n,
    "json-lines, repeated names": lambda n: b'{"a":1,"a":2}\n' * n,
    "xml, open tags": lambda n: b"<r><a>" * n,
}


@pytest.mark.parametrize("name", sorted(LINES))
def test_memory_does_not_run_away_with_hostile_text(name: str) -> None:
    reader = {"csv": "csv-with-name-row", "xml": "xml-text-of-children"}.get(kind := name.split(",")[0], kind)
    data = LINES[name](10_000)
    tracemalloc.start()
    try:
        Read(reader, data)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
