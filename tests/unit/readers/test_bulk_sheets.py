"""The layout of bulk load sheets: where the attribute names are, and what the rows below ask for."""

import io
from typing import Any
from unittest.mock import patch

import openpyxl
import pytest

from server.readers.base import BadRecord, FileBroken, Position
from server.readers.bulk.bulk_reader import MOST_BLOCKS, BlockReader, BulkBook, LayoutWrong, find_blocks, parse_search


def book_of(*rows: Any, title: Any = "S") -> Any:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append([row] if isinstance(row, str) else list(row))
    content = io.BytesIO()
    book.save(content)
    return content


def found_in(*rows: Any) -> Any:
    with BulkBook(book_of(*rows)) as book:
        return find_blocks(book)


def records_of(*rows: Any, size: Any = 1000, start: Any = None) -> list[Any]:
    content = book_of(*rows)
    with BulkBook(content) as book:
        readers = [BlockReader(book, found) for found in find_blocks(book)]
        more = {} if start is None else {"start": start}
        return [
            record for reader in readers for block in reader.blocks(content, {}, size=size, **more)
            for record in block.records
        ]  # fmt: skip


def attributes(*rows: Any) -> list[Any]:
    return [record["attributes"] for record in records_of(*rows)]


ENTITY = "entity:data/Countries,hierarchy:sys,parallel:false,meta_prefix:#,template:x"


@pytest.mark.parametrize(
    "heads",
    [
        [("name", "code")],
        [("Name", "Code"), ("name", "code")],
        [("Base",), ("name", "code")],
        [("Base",), ("Name", "Code"), ("name", "code")],
        [("Base", "Base"), ("Name", "Code"), ("name", "code")],
        [(), ("name", "code")],
    ],
)
def test_the_attribute_names_are_found_below_titles(heads: list[Any]) -> None:
    assert attributes(ENTITY, *heads, ("Germany", "DE")) == [{"name": "Germany", "code": "DE"}]


@pytest.mark.parametrize(
    "heads",
    [
        [("# Comment", "# Action", "name")],
        [("# Comment", "# Action", "Its Name"), ("# Comment", "# Action", "name")],
        [("# Comment", "# Action", "Name"), (None, None, "name")],
        [("Meta", None, "Base"), ("#comment", "# ACTION", "Name"), ("# Comment", "# Action", "name")],
    ],
)
def test_the_attribute_names_are_found_beside_meta_columns(heads: list[Any]) -> None:
    (found,) = found_in(ENTITY, *heads, (None, "add", "Germany"))
    assert (found.block.names, found.block.metas, found.records) == (("name",), {"comment": 0, "action": 1}, 1)


def test_instructions_may_stand_in_cells_of_their_own() -> None:
    (found,) = found_in(("Entity: data/X", "hierarchy: a.b", "colour:red"), ("name",))
    assert (found.block.entity, found.block.hierarchy) == ("data/X", "a.b")
    assert found.block.warnings == (
        "sheet 'S', row 1: 'colour:red' is not an instruction that is known here and was ignored",
    )


@pytest.mark.parametrize(
    ("row", "hierarchy"),
    [
        ("entity:data/X,hierarchy:a, b,parallel:false", "a, b"),
        ("entity:data/X, hierarchy = a:b", "a:b"),
        ("entity:data/X,hierarchy:a,1:2,3=4", "a,1:2,3=4"),
        ("entity:data/X,\t hierarchy\t:a", "a"),
    ],
)
def test_a_comma_within_an_instruction_stands_where_no_name_follows(row: str, hierarchy: str) -> None:
    assert found_in(row, ("name",))[0].block.hierarchy == hierarchy


@pytest.mark.parametrize("text", [" " * 3900, "a " * 1900, ", " * 1900, "x:" * 1900, ",a" * 1900 + "!"])
def test_an_entity_row_of_nonsense_is_read_at_once(text: str) -> None:
    (found,) = found_in(f"entity:data/X,hierarchy:a,{text}!", ("name",))
    assert found.block.entity == "data/X"


def test_an_entity_row_has_a_limit() -> None:
    with pytest.raises(
        LayoutWrong, match=r"row 1: the entity row has 20,015 characters, the limit is 4,000; it begins"
    ):
        found_in(f"entity:data/X, {' ' * 19_999}!", ("name",))


def test_search_fields_of_a_megabyte_are_read_at_once() -> None:
    assert parse_search("a:" + "," * 1_000_000) == {"a": "," * 1_000_000}


def test_a_false_cell_is_a_value() -> None:
    assert attributes(ENTITY, ("a", "b"), (False, True), (True, None)) == [{"a": "false", "b": "true"}, {"a": "true"}]


@pytest.mark.parametrize("step", [1 << 20, 100])
def test_blocks_are_found_wherever_the_sheet_is_cut(step: int) -> None:
    block = ("entity:data/{}", ("Its Name",), ("name",), ("x",), ("#y",), (" e",), ("z",))
    rows = [row for n in range(5) for row in (block[0].format(f"T{n}"), *block[1:])]
    with patch("server.readers.workbooks.fast_sheet.STEP", step), BulkBook(book_of(*rows)) as book:
        found = find_blocks(book)
        assert [(one.block.entity, one.block.names, one.block.first) for one in found] == [
            (f"data/T{n}", ("name",), 7 * n + 4) for n in range(5)
        ]
        assert [(one.records, one.last, one.lines) for one in found] == [
            (3, 7 * n + 7, [(0, 7 * n + 4), (1, 7 * n + 6)]) for n in range(5)
        ]
        for one in found:
            (block,) = BlockReader(book, one).blocks(io.BytesIO(), {}, size=9)  # type: ignore[assignment]
            assert [row["attributes"]["name"] for row in block.records] == ["x", " e", "z"]  # type: ignore[attr-defined]


def test_another_meta_prefix() -> None:
    (found,) = found_in("entity:data/X,meta_prefix:$", ("$ Action", "name"), ("$ no", "x"), ("delete", "#x"))
    assert (found.records, bytes(found.actions)) == (1, b"\x02")


def test_blank_rows_and_comments_do_not_count() -> None:
    rows = (ENTITY, ("name",), ("a",), (), ("# b",), ("c",))
    assert attributes(*rows) == [{"name": "a"}, {"name": "c"}]
    assert found_in(*rows)[0].lines == [(0, 3), (1, 6)]


def test_rows_of_blanks_do_not_count() -> None:
    rows = (ENTITY, ("n", "m"), ("a",), ("\u00a0", "\u3000"), (None, "\u00a0"), ("\u00a0", "c"))
    assert attributes(*rows) == [{"n": "a"}, {"n": "\u00a0", "m": "c"}]
    assert found_in(*rows)[0].lines == [(0, 3), (1, 6)]


def test_a_blank_clears_and_an_empty_cell_is_left_alone() -> None:
    (record,) = records_of(ENTITY, ("a", "b", "c"), ("x", " ", None))
    assert record["attributes"] == {"a": "x", "b": None}


def test_a_cell_without_an_attribute_name_fails_its_row() -> None:
    *_, bad, good = records_of(ENTITY, ("a",), ("u",), ("v",), ("w",), ("x", "stray"), ("y", None))
    assert isinstance(bad, BadRecord)
    assert "row 6 has a cell in a column without an attribute name: 'stray'" in bad.message
    assert good["attributes"] == {"a": "y"}


def test_reading_goes_on_where_it_stopped() -> None:
    rows = (ENTITY, ("n",), *((f"v{n}",) for n in range(10)))
    assert [r["attributes"]["n"] for r in records_of(*rows, start=Position(4, 6))] == [f"v{n}" for n in range(4, 10)]


def test_a_workbook_of_too_many_blocks_is_refused() -> None:
    with pytest.raises(LayoutWrong, match="more than 1,000 entity rows"):
        found_in(*(row for _ in range(MOST_BLOCKS + 1) for row in ("entity:data/X", ("n",))))


def test_a_sheet_of_a_million_blank_rows_is_refused_or_quick() -> None:
    book = openpyxl.Workbook()
    book.active.append([ENTITY])
    book.active.cell(1_000_000, 40, "x")
    content = io.BytesIO()
    book.save(content)
    with BulkBook(content) as opened, pytest.raises(FileBroken, match="delete what lies outside the table"):
        find_blocks(opened)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a:1", {"a": "1"}),
        ("a:1,b:2", {"a": "1", "b": "2"}),
        ("a : x, y ,b:2:3", {"a": "x, y ", "b": "2:3"}),
        ("address.city:Bern", {"address.city": "Bern"}),
        ("nonsense", {}),
    ],
)
def test_search_fields(text: str, found: dict[str, Any]) -> None:
    assert parse_search(text) == found
