"""`xlsx-with-name-row`, and workbooks that would be too much."""

import datetime
import io
import re
import struct
import zipfile

import openpyxl
import orjson
import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from server.readers.workbooks.workbook import open_workbook

READER = READERS["xlsx-with-name-row"]
EMPTY_SHEET = re.compile(rb"<sheetData\s*/>|<sheetData>.*</sheetData>", re.DOTALL)


def saved(*rows: list[object], sheets: tuple[str, ...] = ("Data",)) -> bytes:
    """A workbook whose sheets all hold the rows, each with its own name before them in the first cell's place."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_sheet(data: str) -> bytes:
    """A workbook whose sheet has been written by hand."""
    return repacked(saved(), "xl/worksheets/sheet1.xml", f"<sheetData>{data}</sheetData>".encode())


def repacked(workbook: bytes, name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            text = old.read(entry)
            new.writestr(entry, EMPTY_SHEET.sub(lambda _: data, text) if entry == name else text)
    return file.getvalue()


def blocks(data: bytes, **options: object) -> list[Block]:
    return list(READER.blocks(io.BytesIO(data), options))


def records(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks(data, **options) for record in block.records]


def test_cells_keep_their_kind() -> None:
    moment, day = datetime.datetime(2024, 2, 29, 13, 5), datetime.date(2024, 2, 29)
    row = ["Zoë", 7, 7.5, True, moment, day, datetime.time(13, 5), datetime.timedelta(hours=30, minutes=2)]
    (record,) = records(saved(list("abcdefgh"), row))
    assert orjson.dumps(record, option=orjson.OPT_SORT_KEYS) == (
        b'{"a":"Zo\xc3\xab","b":7,"c":7.5,"d":true,"e":"2024-02-29T13:05:00","f":"2024-02-29","g":"13:05:00","h":"30:02:00"}'
    )


def test_blank_rows_and_leading_columns_do_not_shift_anything() -> None:
    (block,) = blocks(saved([], [None, "id", "name"], [], [None, 1, "a"], [], [None, None, "b"]))
    assert list(block.records) == [{"id": 1, "name": "a"}, {"name": "b"}]
    assert list(block.lines) == [4, 6]
    assert block.originals(0) == b'["",1,"a"]'


def test_a_cell_beside_the_names_fails_its_record_alone() -> None:
    first, bad, third = records(saved(["a"], [1], [2, None, "stray"], [3]))
    assert (first, third) == ({"a": 1}, {"a": 3})
    assert bad == BadRecord("row 3 has a cell to the right of the 1 names: 'stray'")


def test_a_sheet_is_chosen_by_name_or_number() -> None:
    data = saved(["a"], [1], sheets=("One", "2"))
    assert records(data) == records(data, sheet="2") == records(data, sheet=2) == [{"a": 1}]
    with pytest.raises(FileBroken, match=r"no sheet 'Three'; its sheets are: 'One', '2'"):
        records(data, sheet="Three")
    with pytest.raises(FileBroken, match=r"no sheet 3; its sheets"):
        records(data, sheet=3)


@pytest.mark.parametrize("sheet", [0, -1, "", True, None, 1.5])
def test_a_sheet_that_cannot_be_is_refused(sheet: object) -> None:
    assert READER.check({"sheet": sheet}) == f"Invalid sheet {sheet!r}: it must be a sheet's name, or its number from 1"


def test_a_workbook_gives_its_sheets_and_their_rows() -> None:
    with open_workbook(io.BytesIO(saved([], [None, "x"], sheets=("First", "#second")))) as book:
        assert book.sheets == ("First", "#second")
        assert list(book.pieces("#second")) == [([2], [["", "x"]])]
        assert book.height("#second") == 2
        with pytest.raises(FileBroken, match="sheet 'third'"):
            book.pieces("third")


def test_a_cell_of_one_space_is_kept() -> None:
    space = '<row r="1"><c r="A1" t="inlineStr"><is><t xml:space="preserve"> </t></is></c></row>'
    with open_workbook(io.BytesIO(with_sheet(space))) as book:
        assert list(book.pieces("Data")) == [([1], [[" "]])]


def test_an_empty_sheet_has_no_records() -> None:
    assert records(saved()) == []
    assert records(saved(["a", "b"])) == []


NAME = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'


def test_blank_rows_with_a_style_cost_nothing() -> None:
    rows = "".join(f'<row r="{at}"><c r="A{at}" s="0"/><c r="ZZ{at}" s="0" /></row>' for at in range(2, 50_000))
    assert records(with_sheet(NAME + rows + '<row r="1048576"><c r="A1048576"/></row>')) == []


@pytest.mark.parametrize("cell", ['<c r="XFD1048576">', "<c r = 'xfd1048576'>", '<c s="1" r="XFD1048576" t="n">'])
def test_a_cell_far_away_is_refused_before_it_is_loaded(cell: str) -> None:
    with pytest.raises(FileBroken, match=r"reaches to row 1,048,576 and column 16,384: 17,179,869,184 cells"):
        records(with_sheet(f"{NAME}<row>{cell}<v>1</v></c></row>"))


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", bytes(257 << 20))
    with pytest.raises(FileBroken, match=r"unpacks to 269,484,032 bytes"):
        records(file.getvalue())


def test_an_archive_that_lies_about_a_size_is_damaged() -> None:
    data = bytearray(with_sheet(NAME))
    entry = data.rfind(b"xl/worksheets/sheet1.xml") - 46
    struct.pack_into("<I", data, entry + 24, 10)
    with pytest.raises(FileBroken, match="archive is damaged"):
        records(bytes(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an Excel workbook"),
        (b"a,b\n1,2\n", "not an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Cannot read the workbook"),
        (with_sheet('<row r="1"><c r="A1" t="s"><v>9</v></c></row>'), "Cannot read sheet 'Data'"),
        (repacked(saved(), "xl/worksheets/sheet1.xml", b"<sheetData><row>"), "Cannot read sheet 'Data'"),
    ],
)
def test_what_is_no_workbook_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(FileBroken, match=reason):
        records(data)


def test_another_archive_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(FileBroken, match="a zip archive, but not an Excel workbook"):
        records(file.getvalue())


def test_rows_of_blanks_are_passed_over() -> None:
    data = saved(["id", "name"], ["a", "b"], [" \u00a0", "\u3000"], ["\u00a0", "c"], ["\u00a0", None], [0, "\u00a0"])
    assert records(data) == [{"id": "a", "name": "b"}, {"id": "\u00a0", "name": "c"}, {"id": 0, "name": "\u00a0"}]
    (block,) = blocks(data)
    assert list(block.lines) == [2, 4, 6]


def test_blanks_to_the_right_of_the_names_hold_nothing() -> None:
    assert records(saved(["id"], ["a", "\u00a0"], ["b", None, " \u3000"])) == [{"id": "a"}, {"id": "b"}]
