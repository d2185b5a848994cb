"""The modules that the manual shows to contributors do what it says: they are written to a folder and used."""

import importlib
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

from server.mapping.model.model import TYPE_KINDS
from server.mapping.values.filters import Filters
from server.mapping.values.javascript import INVALID, NOTHING
from server.mapping.values.values import PLAIN_TYPES, TYPES
from server.readers.base import BadRecord, Block, FileBroken, Original, OriginalFile
from tests.support.manual import MANUAL, blocks
from tests.support.mapping_world import RecordScope

PROJECT = MANUAL.parents[1]
GOOD = b"name: Ada\ncity: York\n\n\nname: Ben\nnote: a: b\n"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, as a contributor would type them."""
    before = set(sys.modules)
    for block in blocks(MANUAL / "contributing.md"):
        if block.role == "module":
            (tmp_path / f"{block.words[2]}.py").write_text(block.text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def read(data: bytes, **more: object) -> list[Block]:
    blocks: list[Block] = list(module("key_value_reader").KeyValueReader().blocks(BytesIO(data), {}, **more))
    return blocks


def test_the_reader_reads_records_with_their_lines_and_bytes(shown: Path) -> None:
    (block,) = read(GOOD)
    assert block.records == [{"name": "Ada", "city": "York"}, {"name": "Ben", "note": "a: b"}]
    assert (block.lines, block.end, block.bad) == ([1, 5], (2, 6, 0), 0)
    assert block.originals(1) == b"name: Ben\nnote: a: b\n"


def test_the_reader_cuts_blocks_and_goes_on_after_any(shown: Path) -> None:
    first, second = read(GOOD, size=1)
    assert read(GOOD, start=first.end, size=5)[0].records == second.records


def test_a_bad_record_of_the_reader_fails_alone_and_says_where(shown: Path) -> None:
    (block,) = read(b"name: Ada\n\nno pair\n\nname: Ben\n")
    assert [isinstance(record, BadRecord) for record in block.records] == [False, True, False]
    assert "line 3: not lines of `name: value`" in str(block.records[1])


def test_a_record_without_end_breaks_the_file(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("key_value_reader"), "LINE_CAP", 40)
    with pytest.raises(FileBroken, match="line 5: the record is longer than 40 bytes"):
        read(b"name: Ada\n\n" + b"name: Benjamin\n" * 9)


def test_the_reader_passes_over_a_byte_order_mark(shown: Path) -> None:
    assert read(b"\xef\xbb\xbfname: Ada\n")[0].records == [{"name": "Ada"}]


def test_the_writer_makes_a_file_that_the_reader_reads_again(shown: Path) -> None:
    (block,) = read(GOOD)
    originals = (Original(at, block.originals(at)) for at in range(len(block.records)))
    written = b"".join(module("key_value_writer").write_key_values(OriginalFile(BytesIO, {}), originals))
    assert read(written)[0].records == block.records


def test_the_value_type_stores_what_it_says(shown: Path) -> None:
    plain, message = module("color_type").color_type({})
    assert [plain(value) for value in ("#A0b1C2", "red", 7)] == ["a0b1c2", INVALID, NOTHING]
    assert message == "Invalid color for"
    assert "color" not in {*TYPES, *PLAIN_TYPES, *TYPE_KINDS}  # else this page needs another example


def test_the_filter_is_used_by_its_name(shown: Path) -> None:
    trim = Filters({}, {"example:trim": module("trim_filter").trim}).get("example:trim")
    assert trim is not None
    assert [trim(value, RecordScope(None)) for value in (" a ", 7)] == ["a", 7]


def test_a_file_of_the_project_is_shown_as_it_is() -> None:
    shown = [block for block in blocks(MANUAL / "contributing.md") if block.role == "same"]
    assert shown
    assert [block.words[2] for block in shown if (PROJECT / block.words[2]).read_text("utf-8") != block.text] == []
