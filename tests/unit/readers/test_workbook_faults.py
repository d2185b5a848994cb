"""Cells without a value: errors, and formulas whose result is not stored. Their rows fail, and say where and why."""

import io

import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from server.readers.bulk.bulk_reader import BlockReader, BulkBook, LayoutWrong, find_blocks
from server.readers.workbooks.xlsx_reader import READ_COLUMNS
from tests.support.binary_workbooks import Computed, Error, xls, xlsb
from tests.support.workbook_parts import number, ods, ods_cell, ods_row, packed, text, xlsx, xlsx_parts

READER = READERS["xlsx-with-name-row"]
ERRORS = ["#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA"]
NAMES = [text("code"), text("title"), text("note")]


def blocks(data: bytes, **options: object) -> list[Block]:
    return list(READER.blocks(io.BytesIO(data), options))


def records(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks(data, **options) for record in block.records]


def bulk_records(data: bytes) -> list[object]:
    content = io.BytesIO(data)
    with BulkBook(content) as book:
        readers = [BlockReader(book, found) for found in find_blocks(book)]
        return [record for reader in readers for block in reader.blocks(content, {}) for record in block.records]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "form", [' t="e"><v>{}</v></c>', ' t="e"><f>B1*2</f><v>{}</v></c>', ' s="0" t="e"><v>{}</v></c>']
)
def test_an_error_fails_its_record_and_no_other(error: str, form: str) -> None:
    data = xlsx(NAMES, [number(1), text("a")], [number(2), form.format(error)], [number(3), text("c")])
    first, bad, last = records(data)
    assert (first, last) == ({"code": 1, "title": "a"}, {"code": 3, "title": "c"})
    assert bad == BadRecord(f"row 3, column B ('title') holds the error {error}")


@pytest.mark.parametrize("cell", [' t="e"/>', ' t="e"></c>', ' t="e"><v/></c>', ' t="e" s="0"/>'])
@pytest.mark.parametrize("before", [number(2), "><v> 2 </v></c>"])
def test_an_error_without_its_word_is_no_empty_cell(cell: str, before: str) -> None:
    _, bad = records(xlsx(NAMES, [number(1), text("a")], [before, cell]))
    assert bad == BadRecord("row 3, column B ('title') holds the error #UNKNOWN!")


def test_a_row_of_nothing_but_errors_is_a_record() -> None:
    error = ' t="e"><v>#REF!</v></c>'
    (block,) = blocks(xlsx(NAMES, ["", "", ""], [error, error], [number(1)]))
    assert (list(block.lines), block.bad, len(block.records)) == ([3, 4], 1, 2)
    assert block.originals(0) == b'["#REF!","#REF!"]'


def test_many_errors_in_a_row_are_counted() -> None:
    (bad,) = records(xlsx([text(name) for name in "abcdefgh"], [' t="e"><v>#NUM!</v></c>'] * 8))
    assert isinstance(bad, BadRecord)
    assert bad.message.endswith("column E ('e') holds the error #NUM!, and 3 more cells hold no value")


def test_the_text_of_an_error_is_a_text() -> None:
    assert records(xlsx(NAMES, [text("#N/A"), text("#REF!")])) == [{"code": "#N/A", "title": "#REF!"}]


def test_what_no_program_calls_an_error_is_shown_as_data() -> None:
    (bad,) = records(xlsx(NAMES, [' t="e"><v>x&#10;y</v></c>']))
    assert bad == BadRecord(r"row 2, column A ('code') holds the error 'x\ny'")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("><f>A2*2</f></c>", " '=A2*2'"),
        ("><f>A2*2</f><v></v></c>", " '=A2*2'"),
        ("><f>A2*2</f><v/></c>", " '=A2*2'"),
        ("><f>A2&amp;&quot;x&quot;</f><v /></c>", " '=A2&\"x\"'"),
        (' t="str"><f>A2</f></c>', " '=A2'"),
        (' t="n"><f t="array" ref="B2:B9">SUM(A2:A9)</f></c>', " '=SUM(A2:A9)'"),
        ('><f t="shared" si="0"/></c>', ""),
        ('><f t="shared" si="0"/><v></v></c>', ""),
        (' s="0"><f ca="1">NOW()</f></c>', " '=NOW()'"),
        ("><extLst/><f>A2*2</f></c>", " '=A2*2'"),
    ],
)
def test_a_formula_without_a_result_fails_its_record(cell: str, shown: str) -> None:
    bad, good = records(xlsx(NAMES, [number(1), cell], [number(2), text("b")]))
    assert good == {"code": 2, "title": "b"}
    assert bad == BadRecord(
        f"row 2, column B ('title') holds a formula{shown} without a stored result; "
        "open the workbook in a spreadsheet program and save it, so that the result is stored"
    )


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (' t="str"><f>IF(A2=1,"","x")</f><v></v></c>', None),
        (' t="str"><f>""</f><v/></c>', None),
        (' t="str"><f>"b"</f><v>b</v></c>', "b"),
        ("><f>A2</f><v>0</v></c>", 0),
        (' t="b"><f>A2=1</f><v>0</v></c>', False),
        ("><v></v></c>", None),
        (' t="s"><v/></c>', None),
    ],
)
def test_a_stored_result_is_a_value_an_empty_text_too(cell: str, value: object) -> None:
    assert records(xlsx(NAMES, [number(1), cell])) == [{"code": 1} if value is None else {"code": 1, "title": value}]


@pytest.mark.parametrize(
    ("cell", "holds"),
    [
        (' t="b"><v>2</v></c>', "'2' where 0 or 1 should be"),
        (' t="new"><v>5</v></c>', "'5' where a value of a known kind, not 'new', should be"),
        (' t="d"><v>yesterday</v></c>', "'yesterday' where a date should be"),
    ],
)
def test_a_cell_that_makes_no_sense_fails_alone(cell: str, holds: str) -> None:
    bad, good = records(xlsx(NAMES, [number(1), cell], [number(2)]))
    assert (bad, good) == (BadRecord(f"row 2, column B ('title') holds {holds}"), {"code": 2})


def test_an_error_in_a_column_that_is_not_read_does_no_harm() -> None:
    data = xlsx(NAMES, [number(1), text("a"), ' t="e"><v>#N/A</v></c>'])
    read = {READ_COLUMNS: frozenset(["code", "title"]).__contains__}
    assert records(data, **read) == [{"code": 1, "title": "a", "note": "#N/A"}]
    (bad,) = records(xlsx(NAMES, [number(1), "", "", ' t="e"><v>#N/A</v></c>']), **read)
    assert bad == BadRecord("row 2, column D holds the error #N/A")


def test_an_error_among_the_names_of_the_columns_is_refused() -> None:
    with pytest.raises(FileBroken, match="names of the columns cannot be read: row 1, column B holds the error #NAME"):
        records(xlsx([text("code"), ' t="e"><v>#NAME?</v></c>'], [number(1)]))


def test_errors_in_binary_workbooks() -> None:
    rows = [["code", "title"], [1, Error("#N/A")], [2, Computed("#DIV/0!")], [Error("#REF!")], [3.5, "b"]]
    for data in (xls({"Data": rows}), xlsb(rows)):  # type: ignore[arg-type, dict-item]
        *bad, good = records(data)
        assert good == {"code": 3.5, "title": "b"}
        assert bad == [
            BadRecord("row 2, column B ('title') holds the error #N/A"),
            BadRecord("row 3, column B ('title') holds the error #DIV/0!"),
            BadRecord("row 4, column A ('code') holds the error #REF!"),
        ]


def test_errors_of_one_sheet_are_not_those_of_another() -> None:
    data = xls({"One": [["a"], ["x"], ["y"]], "Two": [["a"], [Error("#N/A")], ["z"]]})
    assert records(data, sheet="One") == [{"a": "x"}, {"a": "y"}]
    assert records(data, sheet=2) == [BadRecord("row 2, column A ('a') holds the error #N/A"), {"a": "z"}]


def test_errors_in_open_documents() -> None:
    head = ods_row(*(ods_cell("string", name) for name in ("code", "title")))
    bad = [
        ods_cell("string", "#N/A", formula="of:=NA()", string_value=""),
        ods_cell("float", "Err:502", formula="of:=1/0", value="0"),
        ods_cell("string", "#DIV/0!").replace("<table:table-cell", '<table:table-cell calcext:value-type="error"'),
        ods_cell(formula="of:=[.A1]*2"),
    ]
    rows = [ods_row(ods_cell("float", "1", value="1"), cell) for cell in bad]
    found = records(ods(("Data", head + "".join(rows) + ods_row(ods_cell("string", "#N/A")))))
    assert found == [
        BadRecord("row 2, column B ('title') holds the error #N/A"),
        BadRecord("row 3, column B ('title') holds the error Err:502"),
        BadRecord("row 4, column B ('title') holds the error #DIV/0!"),
        BadRecord(
            "row 5, column B ('title') holds a formula '=[.A1]*2' without a stored result; "
            "open the workbook in a spreadsheet program and save it, so that the result is stored"
        ),
        {"code": "#N/A"},
    ]


ENTITY = [text("entity:data/Places")]


def test_a_bulk_load_row_with_an_error_fails_alone() -> None:
    error = ' t="e"><v>#DIV/0!</v></c>'
    rows = [[text("code"), text("name")], [text("x"), error], [text("y"), text("Y")], [error]]
    first, good, last = bulk_records(xlsx(ENTITY, *rows))
    assert first == BadRecord("sheet 'Data', row 3, column B ('name') holds the error #DIV/0!")
    assert isinstance(good, dict)
    assert good["attributes"] == {"code": "y", "name": "Y"}
    assert last == BadRecord("sheet 'Data', row 5, column A ('code') holds the error #DIV/0!")


def test_an_error_in_the_first_cell_is_no_comment() -> None:
    rows = [[text("code"), text("name")], [' t="e"><v>#N/A</v></c>', text("n")], [text("#N/A"), text("a comment")]]
    assert bulk_records(xlsx(ENTITY, *rows)) == [
        BadRecord("sheet 'Data', row 3, column A ('code') holds the error #N/A")
    ]


def test_an_error_in_a_meta_column_fails_the_row() -> None:
    names = [text("# Action"), text("# Hierarchy Node"), text("code")]
    error = ' t="e"><v>#REF!</v></c>'
    bad, also = bulk_records(xlsx(ENTITY, names, [error, "", text("x")], [text("delete"), error, text("y")]))
    assert bad == BadRecord("sheet 'Data', row 3, column A ('# action') holds the error #REF!")
    assert also == BadRecord("sheet 'Data', row 4, column B ('# hierarchy') holds the error #REF!")


@pytest.mark.parametrize("at", [0, 1])
def test_an_error_in_a_header_of_a_bulk_load_is_refused(at: int) -> None:
    rows = [[*ENTITY, ""], [text("code"), ""], [text("x"), text("y")]]
    rows[at][1] = ' t="e"><v>#NAME?</v></c>'
    with pytest.raises(LayoutWrong, match=rf"sheet 'Data', row {at + 1}, column B holds the error #NAME\?"):
        bulk_records(xlsx(*rows))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ('<c r="A2"><v>1</v></c><c r="B2"><v>2</v></c><c r="B2"><v>3</v></c>', "column 2 of the row has two cells"),
        ('<c r="B2"><v>1</v></c><c r="A2"><v>2</v></c><c><v>3</v></c>', "column 2 of the row has two cells"),
        ('<c r="A2"><v>1</v><v>2</v></c>', "a cell has two values"),
    ],
)
def test_no_value_takes_the_place_of_another(cells: str, said: str) -> None:
    parts = dict(xlsx_parts([NAMES, [number(1)]]))
    sheet = parts["xl/worksheets/sheet1.xml"]
    begin, end = sheet.index('<row r="2"'), sheet.rindex("</row>")
    parts["xl/worksheets/sheet1.xml"] = f'{sheet[:begin]}<row r="2">{cells}{sheet[end:]}'
    with pytest.raises(FileBroken, match=said):
        records(packed(parts))


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1252", "UTF-8", "utf-16"])
def test_a_byte_order_mark_of_a_part_goes_before_its_declaration(declared: str) -> None:
    parts = xlsx_parts([NAMES, [number(1), text("Zoë")]])
    marked = {
        name: ("\ufeff" + f'<?xml version="1.0" encoding="{declared}"?>' + content).encode()
        for name, content in parts.items()
    }
    assert records(packed(marked)) == [{"code": 1, "title": "Zoë"}]
