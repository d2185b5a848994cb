"""The workbook of rows to correct: a date cell stays one, and an error does not become a text."""

import io

import openpyxl
import orjson
import pytest

from server.cells import DateCell
from server.engine.corrections.workbooks import table_sheets, workbook
from server.readers import READERS
from server.readers.base import BadRecord


def written(*cells: object) -> bytes:
    names = [f"c{at}" for at in range(len(cells))]
    return b"".join(workbook(table_sheets(1, names, [orjson.dumps(cells)])))


def read(content: bytes) -> object:
    (block,) = READERS["xlsx-with-name-row"].blocks(io.BytesIO(content), {})
    return block.records[0]


@pytest.mark.parametrize(
    "date", ["2024-02-29", "2024-02-29T13:05:00", "2024-02-29T13:05:07.250000", "1900-03-01", "9999-12-31T23:59:59"]
)
def test_a_date_stays_a_date(date: str) -> None:
    content = written(date)
    record = read(content)
    assert record == {"c0": date}
    assert isinstance(record, dict)
    assert type(record["c0"]) is DateCell
    assert openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]["A2"].is_date


@pytest.mark.parametrize(
    "text", ["1900-02-28", "0001-01-01", "2024-02-30", "2024-2-9", "13:05:00", "2024-02-29T", "#N/A!"]
)
def test_what_is_no_date_and_no_error_stays_a_text(text: str) -> None:
    record = read(written(text))
    assert record == {"c0": text}
    assert isinstance(record, dict)
    assert type(record["c0"]) is str


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"])
def test_an_error_stays_an_error(error: str) -> None:
    assert read(written(7, error)) == BadRecord(f"row 2, column B ('c1') holds the error {error}")
