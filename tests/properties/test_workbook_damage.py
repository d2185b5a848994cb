"""For any damage of a workbook's sheet: no good row vanishes without being counted or reported."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from server.readers import READERS
from server.readers.base import BadRecord, FileBroken
from tests.support.workbook_parts import number, packed, text, xlsx_parts

SHEET = "xl/worksheets/sheet1.xml"
ROWS = [[text("id"), text("name")], *([text(f"key{at}"), number(at)] for at in range(1, 13))]
KEYS = {f"key{at}": at for at in range(1, 13)}
CELLS = st.sampled_from(
    [
        ' t="e"><v>#N/A</v></c>',
        "><f>1+1</f></c>",
        "><f>1+1</f><v></v></c>",
        ' t="b"><v>7</v></c>',
        ' t="zz"><v>7</v></c>',
        ' t="inlineStr"><is><t><![CDATA[x]]></t></is></c>',
        ' t="d"><v>never</v></c>',
    ]
)


def outcome(sheet: bytes) -> tuple[dict[object, object], int, bool]:
    """The good rows by key, how many were refused, and whether the file was broken."""
    good: dict[object, object] = {}
    bad = 0
    try:
        for block in READERS["xlsx-with-name-row"].blocks(io.BytesIO(packed(xlsx_parts(ROWS) | {SHEET: sheet})), {}):
            for record in block.records:
                bad += isinstance(record, BadRecord)
                good |= {record.get("id"): record.get("name")} if isinstance(record, dict) else {}
    except FileBroken:
        return good, bad, True
    return good, bad, False


def whole() -> bytes:
    return xlsx_parts(ROWS)[SHEET].encode()


@given(st.dictionaries(st.integers(1, 12), CELLS, max_size=5), st.booleans())
@settings(max_examples=80, deadline=None)
def test_rows_around_strange_cells_are_all_there(strange: dict[int, str], first: bool) -> None:
    rows = [[*cells] for cells in ROWS]
    for at, cell in strange.items():
        rows[at][0 if first else 1] = cell
    good, bad, broken = outcome(xlsx_parts(rows)[SHEET].encode())
    kept = {key: value for key, value in KEYS.items() if value not in strange}
    assert not broken
    assert kept.items() <= good.items()
    assert len(good) + bad >= len(KEYS) - (sum("CDATA" in cell for cell in strange.values()) if first else 0)


@given(st.integers(0, len(whole()) - 1))
@settings(max_examples=80, deadline=None)
def test_a_sheet_that_is_cut_off_is_refused(at: int) -> None:
    """Once the rows are at an end, the rest of the sheet says nothing of them."""
    good, _, broken = outcome(whole()[:at])
    assert broken or good == KEYS


@given(st.integers(whole().index(b'<row r="2"'), len(whole()) - 1), st.integers(0, 40), st.binary(max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_sheet_with_damaged_bytes_loses_no_row_in_silence(at: int, length: int, put: bytes) -> None:
    sheet = whole()
    touched = sheet[max(0, at - 400) : at + length + 400]
    near = {key for key in KEYS if key.encode() in touched}
    good, bad, broken = outcome(sheet[:at] + put + sheet[at + length :])
    far = {key: value for key, value in KEYS.items() if key not in near}
    assert broken or far.items() <= good.items() or bad


def test_rows_in_a_damaged_head_are_not_passed_over() -> None:
    """Part of the rows has come before the element that rows stand in."""
    sheet = whole()
    begin, moved = sheet.index(b"<sheetData>"), sheet.index(b'<row r="5"')
    end = sheet.index(b'<row r="9"')
    damaged = sheet[: begin - 2] + sheet[moved:end] + sheet[begin - 2 : moved] + sheet[end:]
    _, _, broken = outcome(damaged)
    assert broken
