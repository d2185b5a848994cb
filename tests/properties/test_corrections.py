"""What a writer makes of records is read as these records again, for any content."""

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.engine.corrections.workbooks import table_rows, table_sheets, workbook
from server.readers import READERS
from server.readers.base import BadRecord, FileBroken, Original, OriginalFile
from server.readers.formats import FORMATS

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)  # type: ignore[arg-type]
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=("Cs", "Cn")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def read(name: str, data: bytes, **options: object) -> tuple[list[Any], list[bytes]]:
    """Records and originals; a bad record by its message without numbers."""
    blocks = list(READERS[name].blocks(io.BytesIO(data), options, size=3))
    records = [_shown(record) for block in blocks for record in block.records]
    return records, [block.originals(at) for block in blocks for at in range(len(block.records))]


def _shown(record: object) -> object:
    return "bad" if isinstance(record, BadRecord) else record


def again(name: str, data: bytes, keep: Sequence[bool], **options: object) -> tuple[list[Any], list[Any]]:
    """The records that are kept, and what is read of the file that is made of them."""
    records, originals = read(name, data, **options)
    kept = [at for at in range(len(records)) if keep[at % len(keep)]]
    write = FORMATS[name].writer
    assert write is not None
    failed = iter([Original(at, originals[at]) for at in kept])
    made = b"".join(write(OriginalFile(lambda: io.BytesIO(data), options), failed))
    return [records[at] for at in kept], read(name, made, **options)[0]


KEEP = st.lists(st.booleans(), min_size=1, max_size=5)


@given(rows=st.lists(VALUES, max_size=6), keep=KEEP)
def test_json(rows: list[object], keep: list[bool]) -> None:
    before, after = again("json", json.dumps(rows, indent=1).encode(), keep)
    assert after == before


@given(
    rows=st.lists(VALUES.map(json.dumps) | st.just("{broken"), max_size=6),
    keep=KEEP,
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_json_lines(rows: list[str], keep: list[bool], end: str) -> None:
    before, after = again("json-lines", end.join(rows).encode(), keep)
    assert after == before


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "utf-32", "gb18030", "windows-1252"])
@given(
    rows=st.lists(st.lists(PLAIN | st.sampled_from(['"', "a\nb", "\r\n", ",", ""]), max_size=4), max_size=6),
    keep=KEEP,
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv(charset: str, rows: list[list[str]], keep: list[bool], end: str) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator=end).writerows([["größe", "b", "c"], *rows])
    try:
        before, after = again("csv-with-name-row", file.getvalue().encode(charset, "replace"), keep, charset=charset)
    except FileBroken:
        assume(False)
    assert after == before


@given(rows=st.lists(st.lists(PLAIN, min_size=1, max_size=4).map("\t".join), max_size=6), keep=KEEP)
def test_tsv(rows: list[str], keep: list[bool]) -> None:
    before, after = again("tsv-with-name-row", "\n".join(["a\tb", *rows]).encode(), keep)
    assert after == before


@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), PLAIN, max_size=3), max_size=5),
    root=PLAIN,
    keep=KEEP,
    charset=st.sampled_from(["utf-8", "iso-8859-1", "windows-1252", "us-ascii", "utf-16"]),
)
def test_xml(rows: list[dict[str, str]], root: str, keep: list[bool], charset: str) -> None:
    records = "".join(f"<r{''.join(f' {k}={quoteattr(v)}' for k, v in row.items())}/>" for row in rows)
    text = f'<?xml version="1.0" encoding="{charset}"?><x:rows of={quoteattr(root)}>{records}</x:rows>'
    before, after = again("xml-attributes", text.encode(charset, "xmlcharrefreplace"), keep)
    assert after == before


CELLS = (
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | PLAIN.map(lambda text: text.replace("\r", "").replace("_x", "_y"))
    | st.sampled_from([" ", " padded ", "two\nlines", "<b>&amp;", "\x0bcontrol", "007", "TRUE", "=1+1"])
)


@settings(max_examples=40)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=5))
def test_workbooks(rows: list[list[Any]]) -> None:
    originals = [json.dumps(row).encode() for row in rows]
    made = b"".join(workbook(table_sheets("Data & more", ["a", "b", "c"], originals)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.xlsx")
        path.write_bytes(made)
        names, found = table_rows(path, {"sheet": "Data & more"}, range(len(rows)))
    assert names == (["a", "b", "c"] if found else [])
    assert [_trimmed(json.loads(one)) for one in found] == [_trimmed(row) for row in rows if _holds(row)]


def _holds(row: list[Any]) -> bool:
    """Rows of nothing but blanks are passed over."""
    return any(not isinstance(cell, str) or cell.strip() for cell in row)


def _trimmed(row: list[Any]) -> list[tuple[type, Any]]:
    while row and row[-1] == "":
        row = row[:-1]
    return [(type(cell), cell) for cell in row]


def test_every_format_has_a_writer_but_workbooks() -> None:
    assert [name for name, format in FORMATS.items() if format.writer is None] == ["xlsx-with-name-row"]
