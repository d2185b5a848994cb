"""Both ways to read a sheet give the same, and what the workbook library gives where that reads it rightly."""

import io
import re
import zipfile
from typing import Any
from unittest.mock import patch

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cells import DateCell
from server.readers.base import FileBroken
from server.readers.cell_faults import FaultyRow
from server.readers.workbooks import cell_text as plain_text
from server.readers.workbooks import fast_sheet as plain_sheet
from server.readers.workbooks.calamine_workbook import LibraryWorkbook
from server.readers.workbooks.workbook import open_workbook
from server.readers.workbooks.xlsx_package import Parts, XlsxPackage

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
KEEP = ' xml:space="preserve"'
# by number: General, 0.00, a date, a format of the file's own that is a number, one that is a date
STYLES = '<numFmts><numFmt numFmtId="164" formatCode="#,##0.0\\ "/><numFmt numFmtId="165" formatCode="d/m"/></numFmts>'
STYLES += "<cellXfs>" + "".join(f'<xf numFmtId="{id}"/>' for id in (0, 2, 14, 164, 165)) + "</cellXfs>"
DATES = ("2", "4")

TEXTS = [
    "x",
    "",
    " ",
    " a",
    "b ",
    "&amp;amp;",
    "1 &lt; 2 ",
    "&#10;",
    "&#x41; &#32;",
    "a_x000D_b",
    "_x0020_a",
    "é€😀",
    "_x_",
    "a\nb",
]
RICH = [
    "<si/>",
    "<si><t/></si>",
    "<si><r><t>a </t></r><r><rPr><b/><sz val='11'/></rPr><t> b</t></r></si>",
    f"<si><r><rPr><b/></rPr><t{KEEP}> &amp; </t></r><r><t>c</t></r></si>",
    "<si><t>kanji</t><rPh sb='0' eb='1'><t>kana</t></rPh><phoneticPr fontId='1'/></si>",
]
NUMBERS = [
    "0",
    "7",
    "-0",
    "-12",
    "007",
    "1.5",
    "1E3",
    "-2.5e-3",
    "1e400",
    "0.1",
]


def archive(
    rows: Any,
    *,
    texts: Any = (),
    styles: Any = STYLES,
    before: str = "",
    sheets: tuple[str, ...] = ("Data",),
    data: str = "<sheetData>{}</sheetData>",
    modern: Any = "",
) -> Any:
    """A workbook written by hand; each of its sheets has the same rows."""
    files = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
        'PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{LINK}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINK}"><workbookPr{modern}/><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{LINK}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        + f'<Relationship Id="rId90" Type="{LINK}/styles" Target="styles.xml"/>'
        + f'<Relationship Id="rId91" Type="{LINK}/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}" count="1">{"".join(texts)}</sst>',
    }
    for n in range(1, len(sheets) + 1):
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
        files[f"xl/worksheets/sheet{n}.xml"] = (
            f'{head}<worksheet xmlns="{MAIN}">{before}{data.format("".join(rows))}<pageMargins left="1"/></worksheet>'
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return content


def row(number: Any, *cells: Any, more: Any = "") -> str:
    """Cells are what stands behind the reference, for columns in a row, or pairs of a column and that."""
    pairs = [
        cell if isinstance(cell, tuple) else (letters, cell) for letters, cell in zip("ABCDEFGH", cells, strict=False)
    ]
    return (
        f'<row r="{number}"{more}>' + "".join(f'<c r="{letters}{number}"{rest}' for letters, rest in pairs) + "</row>"
    )


def dense(pieces: Any) -> Any:
    """By number, without empty cells at the end; 1 and True are not the same."""
    found = {}
    for numbers, rows in pieces:
        for at, cells in zip(numbers, rows, strict=True):
            last = max(place for place, cell in enumerate(cells) if cell != "")
            found[at] = [(type(cell), cell) for cell in cells[: last + 1]]
            if isinstance(cells, FaultyRow):
                found[at].append(dict(cells.faults))  # type: ignore[arg-type]
    return found


def as_read(content: Any, sheet: Any = "Data") -> Any:
    try:
        with open_workbook(content) as book:
            return dense(book.pieces(sheet))
    except FileBroken:
        return "broken"


def as_events_are_read(content: Any, sheet: str = "Data") -> Any:
    """Reads element by element, even where the patterns would do."""
    try:
        with zipfile.ZipFile(content) as packed:
            book = XlsxPackage(Parts(packed), (False, True))
            return dense(piece for piece, _ in book.pieces(sheet))
    except FileBroken:
        return "broken"


def as_the_library_reads(content: Any, sheet: str = "Data") -> Any:
    try:
        book = LibraryWorkbook(with_kept_blanks(content), (False, True))
        try:
            return dense(piece for piece, _ in book.pieces(sheet))
        finally:
            book.close()
    except FileBroken:
        return "broken"


def with_kept_blanks(content: Any) -> Any:
    """Some programs write `<t> </t>` for a blank that is meant; the library would trim it away."""
    made = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<t> </t>", b'<t xml:space="preserve"> </t>'))
    return made


def read_by_patterns(content: Any, sheet: str = "Data") -> Any:
    def refuse(*_: Any) -> None:
        raise AssertionError("the sheet was left to the other reader")

    with patch("server.readers.workbooks.workbook.XlsxPackage", refuse):
        return as_read(content, sheet)


def inline(text: str, keep: bool = False) -> str:
    return f' t="inlineStr"><is><t{KEEP if keep else ""}>{text}</t></is></c>'


STYLE = st.sampled_from(["", ' s="0"', ' s="1"', ' s="3"'])
SERIAL = st.one_of(
    st.integers(61, 2958465),
    st.floats(61, 80_000, exclude_max=True),
    st.integers(10**8, 10**9).map(lambda n: n / 86400),
)
BLANK = st.sampled_from(["/>", ' s="1"/>', ' s="2" />', "></c>"])
PLAIN = st.one_of(
    st.builds(inline, st.sampled_from(TEXTS), st.booleans()),
    st.builds("{}><v>{}</v></c>".format, STYLE, st.sampled_from(NUMBERS)),
    st.builds('{} t="n"><v>{}</v></c>'.format, STYLE, st.sampled_from(NUMBERS)),
    st.builds('{} t="b"><v>{}</v></c>'.format, STYLE, st.sampled_from("01")),
    st.builds(' s="2" t="s"><v>{}</v></c>'.format, st.integers(0, len(TEXTS) + len(RICH) - 1)),
    st.builds(' t="s" s="2"><v>{}</v></c>'.format, st.integers(0, 3)),
    st.builds(' t="str"><f>A1&amp;"x"</f><v>{}</v></c>'.format, st.sampled_from(TEXTS[2:])),
    st.builds('><f t="shared" si="0"/><v>{}</v></c>'.format, st.sampled_from(NUMBERS)),
    st.builds(' s="{}"><v>{}</v></c>'.format, st.sampled_from(DATES), SERIAL),
    BLANK,
)
ODD = [
    ' s="2"><v>0.5</v></c>',
    ' s="2"><v>60</v></c>',
    ' s="2"><v>1.25</v></c>',
    ' s="2"><v>2958466</v></c>',
    ' t="d"><v>2024-02-29</v></c>',
    ' t="d"><v>13:05:00</v></c>',
    "><v>text</v></c>",
    ' t="s"><v>99</v></c>',
    ' t="b"><v>true</v></c>',
    ' t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>',
    ' t="inlineStr"><is><t><![CDATA[<a>]]></t></is></c>',
    ' t="inlineStr"><is><t>&nope;</t></is></c>',
    ' cm="1"><v>5</v></c>',
]
# the library gives an empty cell or a wrong one, or breaks off
OURS = [
    "><v>1</v><extLst/></c>",
    ' t="e"><v>#N/A</v></c>',
    ' t="e"><f>1/0</f><v>#DIV/0!</v></c>',
    "><f>1+1</f></c>",
    "><f>1+1</f><v></v></c>",
    '><f>A1&amp;"x"</f><v/></c>',
    ' t="str"><f>A1</f></c>',
    ' t="str"><f>A1</f><v></v></c>',
    '><f t="shared" si="0"/></c>',
    ' s="4" t="n"><v>-3.5</v></c>',
    ' t="b"><v>2</v></c>',
    ' t="zz"><v>5</v></c>',
    "><v> 5 </v></c>",
    "><v>123456789012345678</v></c>",
    "><v>-9007199254740993</v></c>",
    "><v>123456789012345678901234</v></c>",
    ' s="2"><v>9007199254740993</v></c>',
]
SHARED = [f"<si><t>{text}</t></si>" for text in TEXTS] + RICH


def sheet_of(cell: Any) -> Any:
    """Rows of which many look alike, with gaps between them."""
    cells = st.lists(cell, min_size=1, max_size=4)
    block = st.tuples(st.integers(1, 3), cells, st.integers(1, 8))

    def written(blocks: Any) -> Any:
        rows, number = [], 0
        for gap, made, times in blocks:
            number += gap
            for _ in range(times):
                rows.append(row(number, *made, more=' spans="1:4" ht="15"' if gap == 2 else ""))
                number += 1
        return rows

    return st.lists(block, min_size=1, max_size=4).map(written)


@given(sheet_of(PLAIN), st.sampled_from([1 << 20, 200, 37]))
@settings(max_examples=150, deadline=None)
def test_plain_rows_are_read_as_the_library_reads_them(rows: Any, step: Any) -> None:
    content = archive(rows, texts=SHARED)
    with patch.object(plain_sheet, "STEP", step), patch.object(plain_text, "STEP", step + 400):
        assert read_by_patterns(content) == as_events_are_read(content) == as_the_library_reads(content)


@given(sheet_of(st.one_of(PLAIN, st.sampled_from(ODD))))
@settings(max_examples=100, deadline=None)
def test_other_rows_are_read_as_the_library_reads_them(rows: Any) -> None:
    content = archive(rows, texts=SHARED)
    assert as_read(content) == as_events_are_read(content) == as_the_library_reads(content)


@given(sheet_of(st.one_of(PLAIN, st.sampled_from([*ODD, *OURS]))), st.sampled_from([1 << 20, 200]))
@settings(max_examples=150, deadline=None)
def test_both_ways_to_read_find_the_same(rows: Any, step: Any) -> None:
    content = archive(rows, texts=SHARED)
    with patch.object(plain_sheet, "STEP", step), patch("server.readers.workbooks.part_events.STEP", step):
        assert as_read(content) == as_events_are_read(content)


@given(
    st.lists(
        st.lists(
            st.one_of(
                st.none(), st.integers(-9, 9), st.booleans(), st.floats(-1e9, 1e9), st.text("ab &<>\n_x0", max_size=9)
            ),
            max_size=5,
        ),
        max_size=9,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_openpyxl_writes_is_plain(rows: Any) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Data"
    for cells in rows:
        book.active.append(cells)
    content = io.BytesIO()
    book.save(content)
    assert read_by_patterns(content) == as_the_library_reads(content)


SOME = [row(1, inline("name"), inline("n")), row(2, inline("a"), "><v>1</v></c>")]


@pytest.mark.parametrize(
    "content",
    [
        archive(SOME, before="<!-- <sheetData> -->"),
        archive([*SOME, "<!-- x -->"]),
        archive(["\n", SOME[0], "\n  ", SOME[1], "\n"]),
        archive([SOME[0].replace(' r="1"', "", 1), SOME[1]]),
        archive([SOME[0].replace(' r="A1"', ""), SOME[1]]),
        archive([row(1, ("B", "><v>2</v></c>"), ("A", "><v>1</v></c>"))]),
        archive([SOME[0], row(2, ("ZZZ", "><v>1</v></c>"))]),
        archive(SOME, data="<sheetData>{}"),
        archive(SOME, data="<x:sheetData xmlns:x='y'>{}</x:sheetData>"),
        archive([], data="<sheetData/>{}"),
        archive([], data="<sheetData />{}"),
        archive(["<row r='1'/>", '<row r="2"/>', row(3, inline("a"))]),
        archive(SOME, styles="<cellXfs/>"),
        archive([row(1, inline("a\r\nb"))]),
        archive([row(1, ' t="s"><v>0</v></c>')], texts=["<si><t>a</t></si><!-- b --><si><t>c</t></si>"]),
        archive([row(1, ' t="s"><v>0</v></c>')], texts=["<x/>"]),
    ],
)
def test_unusual_workbooks_are_read_as_the_library_reads_them(content: Any) -> None:
    assert as_read(content) == as_events_are_read(content) == as_the_library_reads(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive([*SOME, row(2, inline("again"))]), "line 2: row 2 comes after row 2; save the workbook again"),
        (archive([*SOME, row(1, inline("before"))]), "row 1 comes after row 2"),
        (archive([SOME[0], '<row r="5"><c r="A7"><v>1</v></c></row>']), "the cell A7 stands in row 5"),
        (archive([SOME[0], '<row r="0"><c><v>1</v></c></row>']), "a row has the number '0'"),
        (archive([SOME[0], '<row r="5"><c r="7A"><v>1</v></c></row>']), "a cell has the place '7A'"),
        (archive([row(1, ' t="s"><v>9</v></c>')]), "there is no text number '9'"),
        (archive(SOME, styles="<!DOCTYPE x><cellXfs/>"), "xl/styles.xml"),
        (archive(SOME, before="<!DOCTYPE x [<!ENTITY a 'b'>]>"), "xl/worksheets/sheet1.xml"),
        (archive(SOME, data="<sheetData>{}<row></sheetData>"), "line 2: not well-formed XML, mismatched tag"),
        (archive([row(1, ' t="s"><v>0</v></c>')], texts=["<si><t>a</t>", "<si><t>b</t></si>"]), "xl/sharedStrings.xml"),
        (archive(["<a>" * 300]), "elements are nested deeper than 200 levels"),
    ],
)
def test_what_no_program_writes_is_refused_with_its_place(content: Any, message: str) -> None:
    with pytest.raises(FileBroken, match=re.escape(message)), open_workbook(content) as book:
        list(book.pieces("Data"))


@pytest.mark.parametrize("style", range(5))
def test_a_number_is_a_date_where_its_style_says_so(style: Any) -> None:
    content = archive([row(1, f' s="{style}"><v>45000</v></c>')])
    assert as_read(content) == as_events_are_read(content) == as_the_library_reads(content)
    (((kind, _),),) = as_read(content).values()
    assert kind is (DateCell if str(style) in DATES else int)
    read_by_patterns(content)


@pytest.mark.parametrize("built_in", [*range(27), *range(37, 50)])
def test_formats_of_every_workbook(built_in: Any) -> None:
    content = archive(
        [row(1, "><v>1</v></c>", ' s="0"><v>45000.25</v></c>')],
        styles=f'<cellXfs><xf numFmtId="{built_in}"/></cellXfs>',
    )
    assert as_read(content) == as_events_are_read(content) == as_the_library_reads(content)


@pytest.mark.parametrize("built_in", [27, 31, 36, 50, 57, 58, 71, 81])
def test_dates_in_the_formats_of_some_languages(built_in: int) -> None:
    content = archive([row(1, ' s="0"><v>45000</v></c>')], styles=f'<cellXfs><xf numFmtId="{built_in}"/></cellXfs>')
    assert as_read(content) == as_events_are_read(content) == {1: [(DateCell, "2023-03-15")]}


@pytest.mark.parametrize("modern", ["", ' date1904="0"', ' date1904="1"', ' date1904="true"'])
@pytest.mark.parametrize(
    "format",
    [
        "yyyy\\-mm\\-dd",
        "dd.mm.yyyy hh:mm",
        "[$-409]d-mmm-yy;@",
        "[$-F800]dddd\\,\\ mmmm\\ dd",
        "h:mm AM/PM",
        "[h]:mm",
        "mm:ss.0",
        "YYYY-MM-DD",
        "s",
        "\\d0",
        "0\\d",
        "&quot;d&quot;0",
        "[Red]0",
        "[Red]d",
        "E",
        "d;0",
        ";d",
        "General",
        "#,##0.00 €",
        "0.0E+00",
    ],
)
def test_formats_of_its_own(format: str, modern: str) -> None:
    styles = f'<numFmts><numFmt numFmtId="164" formatCode="{format}"/></numFmts><cellXfs><xf numFmtId="164"/></cellXfs>'
    cells = ("><v>45000</v></c>", ' s="0"><v>45000</v></c>', ' s="0"><v>45000.25</v></c>')
    content = archive([row(1, *cells)], styles=styles, modern=modern)
    assert as_read(content) == as_events_are_read(content) == as_the_library_reads(content)


def test_an_empty_row_that_closes_at_once_is_plain() -> None:
    content = archive(
        ['<row r="1"/>', '<row r="2" ht="3"/>', row(3, inline("x")), '<row r="4"/>', '<row r="9" ht="3"/>']
    )
    assert read_by_patterns(content) == {3: [(str, "x")]}


def test_false_and_true_are_what_the_caller_says() -> None:
    rows = [row(1, ' t="b"><v>0</v></c>', ' t="b"><v>1</v></c>'), row(2, "/>", ' t="b"><v>1</v></c>')]
    for extra in ([], [row(3, ' t="e"><v>#N/A</v></c>', inline("x"))], [row(3, ' t="zz"><v>1</v></c>')]):
        with open_workbook(archive([*rows, *extra]), ("no", "yes")) as book:
            assert [cells for _, found in book.pieces("Data") for cells in found][:2] == [["no", "yes"], ["", "yes"]]


def test_a_sheet_that_is_too_much_to_keep_is_read_again() -> None:
    rows = [row(n, inline(f"text {n}"), "><v>5</v></c>") for n in range(1, 500)]
    content = archive(rows, sheets=("Data", "More"))
    whole = as_the_library_reads(content)
    small = patch.multiple("server.readers.workbooks.workbook", KEPT_BYTES=40_000)
    with small, patch.object(plain_sheet, "STEP", 1000), open_workbook(content) as book:
        for sheet in ("Data", "More", "Data"):
            assert dense(book.pieces(sheet)) == whole
            assert book.height(sheet) == 499


def test_a_sheet_that_is_not_plain_does_not_spoil_the_others() -> None:
    content = archive([row(1, inline("x"))], sheets=("One", "Two"))
    bad = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text.replace(b"<t>x</t>", b"<t><![CDATA[x]]></t>") if "sheet1" in name else text)
    with open_workbook(bad) as book:
        for sheet in ("Two", "One", "Two"):
            assert list(book.pieces(sheet)) == [([1], [["x"]])]


@pytest.mark.parametrize(
    "data",
    [
        "<row r='1'>" * 200_000,
        '<row r="1">' + "<c " * 400_000,
        '<row r="1">' + "<row " * 300_000 + "</row>",
        '<row r="1"/>' * 99_999,
    ],
)
def test_nonsense_of_a_megabyte_is_found_out_quickly(data: str) -> None:
    content = archive([data])
    assert as_read(content) == as_events_are_read(content) in ({}, "broken")


@pytest.mark.parametrize(
    "texts", ["<si>" * 300_000, "<si><rPh >" * 90_000 + "</si>", "<si></rPh>" + "<rPh " * 90_000 + "</si>"]
)
def test_texts_of_nonsense_are_found_out_quickly(texts: str) -> None:
    content = archive([row(1, ' t="s"><v>0</v></c>')], texts=[texts])
    assert as_read(content) == as_events_are_read(content) in ({}, "broken")
