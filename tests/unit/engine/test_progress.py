"""How far a run says it has come, for every way in which a reader shows where it is."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import openpyxl
import pytest

from server.engine.execution.progress import Progress
from server.readers import READERS

ROWS = [{"code": f"c{number:06}", "name": "n" * (number % 50)} for number in range(20_000)]


def workbook(first_row: int = 1) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("all")
    for _ in range(first_row - 1):
        sheet.append([])
    sheet.append(["code", "name"])
    for row in ROWS[:2000]:
        sheet.append([row["code"], row["name"]])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def xml() -> bytes:
    return b"<all>" + b"".join(f"<r><code>{r['code']}</code></r>".encode() for r in ROWS) + b"</all>"


def csv(charset: str) -> bytes:
    return ("code,name\n" + "".join(f"{row['code']},{row['name']}\n" for row in ROWS)).encode(charset)


CASES: Mapping[str, tuple[str, Mapping[str, object], bytes]] = {
    "lines": ("json-lines", {}, b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)),
    "array": ("json", {}, json.dumps(ROWS).encode()),
    "xml": ("xml-text-of-children", {"recordElement": "r"}, xml()),
    "csv": ("csv-with-name-row", {}, csv("utf-8")),
    "csv-of-two-byte-letters": ("csv-with-name-row", {"charset": "utf-16"}, csv("utf-16")),
    "workbook": ("xlsx-with-name-row", {}, workbook()),
    "workbook-that-begins-late": ("xlsx-with-name-row", {}, workbook(first_row=30)),
}


def fractions(read: str, options: Mapping[str, Any], *contents: bytes, size: int = 200) -> list[float | None]:
    progress = Progress([len(content) for content in contents])
    found = []
    for index, content in enumerate(contents):
        file = io.BytesIO(content)
        found += [
            progress.fraction(index, block, file)
            for block in READERS[read].blocks(file, {"read": read, **options}, size=size)
        ]
    return found


@pytest.mark.parametrize("case", CASES)
def test_it_grows_to_the_end(case: str) -> None:
    read, options, content = CASES[case]
    found = known(fractions(read, options, content))
    assert len(found) > 2
    assert found == sorted(found)
    assert 0 < found[0] < 1
    assert found[-1] == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("case", ["lines", "csv", "workbook"])
def test_half_of_the_records_is_about_half(case: str) -> None:
    read, options, content = CASES[case]
    found = known(fractions(read, options, content))
    assert found[len(found) // 2] == pytest.approx(0.5, abs=0.11)


def test_files_count_by_their_weight() -> None:
    read, options, content = CASES["lines"]
    one, two = content, content * 3
    found = known(fractions(read, options, one, two, size=1000))
    assert found[19] == pytest.approx(0.25)
    assert found[-1] == 1


def test_nobody_can_tell_where_a_weight_is_not_known() -> None:
    file = io.BytesIO(CASES["lines"][2])
    block = next(READERS["json-lines"].blocks(file, {"read": "json-lines"}))
    assert Progress([None]).fraction(0, block, file) is None
    assert Progress([10, None]).fraction(0, block, file) is None
    assert Progress([0]).fraction(0, block, file) is None


def known(found: Sequence[float | None]) -> list[float]:
    return [value for value in found if value is not None]
