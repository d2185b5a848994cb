"""Workbooks of many programs: how they are packed, what their cells hold, and what is refused with the way out."""

import io
import zipfile

import pytest

from server.cells import DateCell
from server.readers import READERS
from server.readers.base import FileBroken
from server.readers.sniff import sniff
from tests.support.binary_workbooks import compound, xls, xlsb
from tests.support.workbook_parts import LINK, PACKAGE, number, ods, ods_cell, ods_row, packed, text, xlsx, xlsx_parts

READER = READERS["xlsx-with-name-row"]
ROWS = [[text("id"), text("name")], [number(1), text("Zoë")]]
TABLE = [{"id": 1, "name": "Zoë"}]


def records(data: bytes, **options: object) -> list[object]:
    return [record for block in READER.blocks(io.BytesIO(data), options) for record in block.records]


def cells(*made: str, formats: tuple[str, ...] = ()) -> list[object]:
    """What the cells of a row become."""
    names = [text(f"c{at}") for at in range(len(made))]
    (record,) = records(xlsx(names, list(made), formats=formats))
    assert isinstance(record, dict)
    return [record.get(f"c{at}") for at in range(len(made))]


def absolute(parts: dict[str, str]) -> dict[str, str]:
    return {n: c.replace('Target="', 'Target="/' if n == "_rels/.rels" else 'Target="/xl/') for n, c in parts.items()}


def strict(parts: dict[str, str]) -> dict[str, str]:
    """The form that the norm calls strict, with other names for the same."""
    new = {
        "http://schemas.openxmlformats.org/officeDocument/2006/": "http://purl.oclc.org/ooxml/officeDocument/",
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "http://purl.oclc.org/ooxml/spreadsheetml/main",
    }
    for old, other in new.items():
        parts = {name: content.replace(old, other) for name, content in parts.items()}
    return parts


def prefixed(parts: dict[str, str]) -> dict[str, str]:
    """Every element of the sheet with a prefix, as some libraries write it."""
    sheet = parts["xl/worksheets/sheet1.xml"].replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:")
    return parts | {"xl/worksheets/sheet1.xml": sheet.replace("xmlns=", "xmlns:x=")}


@pytest.mark.parametrize(
    "data",
    [
        packed(xlsx_parts(ROWS)),
        packed(xlsx_parts(ROWS), name=lambda name: name.replace("/", "\\")),
        packed(xlsx_parts(ROWS, folder="")),
        packed(xlsx_parts(ROWS, folder="some/where/else/")),
        packed(xlsx_parts(ROWS), name=lambda name: "/" + name),
        packed(xlsx_parts(ROWS), name=str.upper),
        packed(absolute(xlsx_parts(ROWS))),
        packed(strict(xlsx_parts(ROWS))),
        packed(prefixed(xlsx_parts(ROWS))),
        packed(xlsx_parts(ROWS), encoding="utf-16"),
        packed(xlsx_parts(ROWS), encoding="iso-8859-1"),
        packed(xlsx_parts(ROWS) | {"_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"/>'}),
        packed({name: content for name, content in xlsx_parts(ROWS).items() if name != "xl/styles.xml"}
               | {"xl/styles.xml": "<styleSheet/>"}),
        xls({"Data": [["id", "name"], [1, "Zoë"]]}),
        xlsb([["id", "name"], [1, "Zoë"]]),
        ods(("Data", ods_row(ods_cell("string", "id"), ods_cell("string", "name"))
             + ods_row(ods_cell("float", "1", value="1"), ods_cell("string", "Zoë")))),
    ],
)  # fmt: skip
def test_the_same_table_in_many_packages(data: bytes) -> None:
    assert records(data) == TABLE


def test_utf_16_with_either_byte_first() -> None:
    head = '<?xml version="1.0" encoding="UTF-16"?>'
    parts = {n: b"\xfe\xff" + (head + content).encode("utf-16-be") for n, content in xlsx_parts(ROWS).items()}
    assert records(packed(parts)) == TABLE
    assert records(packed(xlsx_parts(ROWS) | {"xl/worksheets/sheet1.xml": parts["xl/worksheets/sheet1.xml"]})) == TABLE


DAY, MOMENT, CLOCK, LONG = "dd/mm/yyyy", "d.m.yy h:mm", "h:mm:ss", "[h]:mm"


@pytest.mark.parametrize(
    ("code", "serial", "value"),
    [
        (DAY, 45000, DateCell("2023-03-15")),
        (DAY, 1, DateCell("1900-01-01")),
        (DAY, 59, DateCell("1900-02-28")),
        (DAY, 2958465, DateCell("9999-12-31")),
        (MOMENT, 45000.75, DateCell("2023-03-15T18:00:00")),
        ("yyyy\\年m\\月d\\日", 45000, DateCell("2023-03-15")),
        ("[$-407]d/ mmmm yyyy;@", 45000, DateCell("2023-03-15")),
        (DAY, 0.75, "18:00:00"),
        (CLOCK, 0.5, "12:00:00"),
        (DAY, -3.5, -3.5),
        (DAY, 2958466, 2958466),
        (LONG, 1.25, "30:00:00"),
        (LONG, -0.26, "-6:14:24"),
        ("0.00%", 0.125, 0.125),
        ("00000", 42, 42),
        ("#,##0.00 &quot;USD&quot;", 1250, 1250),
        ("&quot;day&quot; 0", 7, 7),
        ("0\\d", 7, 7),
    ],
)
def test_what_a_number_is_depends_on_its_format(code: str, serial: float, value: object) -> None:
    found = cells(number(serial, 1), number(serial), formats=(code,))
    assert [(type(cell), cell) for cell in found] == [(type(value), value), (type(found[1]), serial)]


def test_days_may_be_counted_from_1904() -> None:
    parts = xlsx_parts([[text("a"), text("b")], [number(43538, 1), number(0.5, 1)]], formats=(DAY,))
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace("<workbookPr/>", '<workbookPr date1904="1"/>')
    assert records(packed(parts)) == [{"a": "2023-03-15", "b": "12:00:00"}]


def test_numbers_keep_their_digits() -> None:
    written = ("12345678901234567", "1.2345678901234567E+16", "9" * 25, "1E5", "-0", "0.1", "1.0", "1e-7", "0123")
    read = [12345678901234567, 12345678901234568.0, 1e25, 100000, 0, 0.1, 1, 1e-07, 123]
    assert cells(*map(number, written)) == read


def test_texts_are_what_the_program_shows() -> None:
    rich = ' t="inlineStr"><is><r><t xml:space="preserve">a </t></r><r><rPr><b/></rPr><t>b</t></r></is></c>'
    ruby = ' t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>'
    assert cells(rich, ruby, text("a_x000D_b_x005F_"), text(" x "), text("<![CDATA[<&>]]>")) == [
        "a b", "東京", "a\rb_", " x ", "<&>",
    ]  # fmt: skip


def test_gaps_hidden_rows_and_merged_cells() -> None:
    parts = xlsx_parts([])
    rows = (
        '<row r="3"><c r="B3"><v>7</v></c><c r="D3" t="inlineStr"><is><t>n</t></is></c></row>'
        '<row r="9" hidden="1"><c r="B9"><v>1</v></c><c r="C9" s="0"/><c r="D9"><v>2</v></c></row>'
    )
    merged = '<mergeCells><mergeCell ref="B9:C9"/></mergeCells>'
    sheet = f'<worksheet xmlns="x"><sheetData>{rows}</sheetData>{merged}</worksheet>'
    assert records(packed(parts | {"xl/worksheets/sheet1.xml": sheet})) == [{"7": 1, "n": 2}]


def test_open_documents() -> None:
    head = ods_row(*(ods_cell("string", name) for name in "abcdef"))
    shown = "<text:p>x<text:s text:c='2'/>y<text:tab/>z</text:p><text:p>2<text:span>nd</text:span></text:p>"
    note = "<office:annotation><text:p>a note</text:p></office:annotation><text:p>v</text:p>"
    row = ods_row(
        ods_cell("date", "1 Feb 24", date_value="2024-02-01"),
        ods_cell("date", "", date_value="2024-02-01T10:30:00"),
        ods_cell("time", "", time_value="PT08H05M00S"),
        ods_cell("boolean", "FALSE", boolean_value="false"),
        ods_cell("string", shown),
        ods_cell("string", note),
    )
    typed = {"a": "2024-02-01", "b": "2024-02-01T10:30:00", "c": "08:05:00", "d": False, "e": "x  y\tz\n2nd", "f": "v"}
    (found,) = records(ods(("Data", head + row)))
    assert found == typed
    assert [type(found[name]) for name in "abc"] == [DateCell, DateCell, str]


def test_repeated_cells_and_rows_of_open_documents() -> None:
    head = ods_row(ods_cell(times=2), *(ods_cell("string", name) for name in "ab"))
    rows = ods_row(
        ods_cell(times=2), ods_cell("percentage", "50%", value="0.5", times=2), ods_cell(times=16000), times=3
    )
    data = ods(("Data", head + rows + ods_row(ods_cell(times=1024), times=1_048_572)), ("Other", ods_row()))
    assert records(data) == [{"a": 0.5, "b": 0.5}] * 3
    assert records(data, sheet="Other") == []


@pytest.mark.parametrize(
    "rows",
    [
        ods_row(ods_cell("string", "x", times=2_000_000)),
        ods_row(ods_cell("string", "x", times=1000), times=1_000_000),
        ods_row(ods_cell("string", "x"), times=9_000_000),
        ods_row(ods_cell(times=9_999_999), ods_cell("string", "x")),
        ods_row(times=9_999_999) + ods_row(ods_cell("string", "x")),
    ],
)
def test_open_documents_that_unfold_to_too_much_are_refused(rows: str) -> None:
    with pytest.raises(FileBroken, match=r"content\.xml reaches to row .* the limit is 12,000,000"):
        records(ods(("Data", rows)))


def test_of_several_sheets_the_others_are_named() -> None:
    data = ods(*((name, ods_row(ods_cell("string", "a"))) for name in ("First", "Second", "Third")))
    (block,) = READER.blocks(io.BytesIO(data), {})
    assert block.remarks == (
        "only the sheet 'First' was read, not 'Second', 'Third'; the option `sheet` chooses another",
    )
    chosen = READER.blocks(io.BytesIO(data), {"sheet": "Second"})
    assert not any(block.records or block.remarks for block in chosen)
    with pytest.raises(FileBroken, match="no sheet 'Fourth'; its sheets are: 'First', 'Second', 'Third'"):
        records(data, sheet="Fourth")


def test_charts_are_no_sheets() -> None:
    parts = xlsx_parts(ROWS)
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(
        "<sheets>", '<sheets><sheet name="Chart" sheetId="9" r:id="rId9"/>'
    )
    parts["xl/_rels/workbook.xml.rels"] = parts["xl/_rels/workbook.xml.rels"].replace(
        "<Relationship ",
        f'<Relationship Id="rId9" Type="{LINK}/chartsheet" Target="chartsheets/c.xml"/><Relationship ',
        1,
    )
    assert records(packed(parts)) == TABLE


LOCKED = "<encryption-data/>"


@pytest.mark.parametrize(
    "data",
    [
        compound({"EncryptionInfo": b"\x04\0\x04\0", "EncryptedPackage": bytes(100)}),
        xls({"Data": [["a"]]}, protected=True),
        ods(("Data", ods_row(ods_cell("string", "a"))), manifest=LOCKED),
    ],
)
def test_a_password_is_named(data: bytes) -> None:
    with pytest.raises(FileBroken, match=r"protected by a password.* save it without one"):
        records(data)


def test_an_encrypted_archive_is_named() -> None:
    data = bytearray(packed(xlsx_parts(ROWS)))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(FileBroken, match="needs a password"):
        records(bytes(data))


def replaced(part: str, content: str) -> bytes:
    return packed(xlsx_parts(ROWS) | {f"xl/{part}": content})


def without(part: str) -> bytes:
    return packed({name: content for name, content in xlsx_parts(ROWS).items() if not name.endswith(part)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,name\n1,a\n", "seems to be text: if it is CSV, import it as such"),
        (b"<html><table><tr><td>id</td></tr></table></html>", "holds HTML or XML: open it in a spreadsheet program"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><Workbook/>", "holds HTML or XML"),
        (packed({"word/document.xml": "<w/>"}), "a zip archive, but not an Excel workbook"),
        (replaced("workbook.xml", "<document/>"), "a zip archive, but not an Excel workbook"),
        (without("sheet1.xml"), "has no part 'xl/worksheets/sheet1.xml'"),
        (replaced("worksheets/sheet1.xml", "<worksheet><row>"), "line 2: not well-formed"),
        (replaced("_rels/workbook.xml.rels", "<Relationships/>"), "in which part its sheet 'Data' is"),
        (xlsx([text("a\0b")]), "not well-formed"),
        (packed({"content.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><a/>"}), "has a DTD"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(data: bytes, message: str) -> None:
    with pytest.raises(FileBroken) as refused:
        records(data)
    assert message in str(refused.value)


def test_a_binary_sheet_of_a_cell_far_away_is_refused() -> None:
    data = packed({})
    with zipfile.ZipFile(io.BytesIO(xlsb([["a"]]))) as old:
        parts: dict[str, str | bytes] = {name: old.read(name) for name in old.namelist()}
    sheet = parts["xl/worksheets/sheet1.bin"]
    assert isinstance(sheet, bytes)
    far = b"\0\x11" + (1_048_575).to_bytes(4, "little") + bytes(13) + b"\x05\x10" + (16_383).to_bytes(4, "little")
    end = sheet.index(b"\x92\x01")
    data = packed(parts | {"xl/worksheets/sheet1.bin": sheet[:end] + far + bytes(12) + sheet[end:]})
    with pytest.raises(FileBroken, match="reaches to row 1,048,576 and column 16,384"):
        records(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ods", ods(("Data", ods_row()))),
        ("unnamed", ods(("Data", ods_row()))),
        ("a.xlsb", xlsb([["a"]])),
        ("root.xlsx", packed(xlsx_parts(ROWS, folder=""))),
        ("unnamed", packed(xlsx_parts(ROWS), name=lambda name: name.replace("/", "\\"))),
        ("a.xls", xls({"Data": [["a"]]})),
    ],
)
def test_such_files_are_recognised(name: str, data: bytes) -> None:
    guess = sniff(name, data)
    assert guess is not None
    assert guess.read == "xlsx-with-name-row"
