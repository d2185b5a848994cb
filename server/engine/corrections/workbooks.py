"""Writes failed rows as a workbook like the one they came in.

A workbook is opened in a process of its own under a memory limit, as its true size is known only once it is unpacked.

The writer is our own, as XlsxWriter 3.3.1 would change cells on their way back to the client. It writes numbers with 16
digits (0.1 + 0.2 becomes 0.3, and 12345678901234567890 becomes 1.234567890123457E+19), cuts texts off behind
32,767 characters, writes a text of the form `<r>…</r>` as markup, and has error cells only as formulas. It also needs a
temporary file for each sheet, where this writer is a stream.
"""

import re
import resource
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import IO, ParamSpec, TypeVar, cast

import orjson

from server.readers.base import FileBroken, RowRecords
from server.readers.bulk.bulk_reader import BulkBook, find_blocks
from server.readers.bulk.layout import LayoutWrong, NumberedRow
from server.readers.workbooks.workbook import Cell
from server.readers.workbooks.xlsx_reader import XlsxReader

P = ParamSpec("P")
T = TypeVar("T")

MEMORY = 2 << 30  # bytes of address space
_SECONDS = 300  # of work
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ERRORS = frozenset(["#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"])  # they have to be corrected
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?)?").fullmatch
_FIRST_DAY, _LEAP_FAULT = datetime(1899, 12, 30), timedelta(days=61)  # days before have another number in some programs
_STYLES = (  # General, a date, a date with a time
    '<fonts><font/></fonts><fills><fill><patternFill patternType="none"/></fill><fill><patternFill '
    'patternType="gray125"/></fill></fills><borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>'
    '<cellXfs><xf/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
)
_HEADER = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

Rows = Iterable[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class BulkRow:
    """A failed row of a bulk load, and where it stands."""

    sheet: str
    line: int
    cells: Sequence[Cell]


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function in a process of its own, under caps on memory and time, and returns its result. Blocks."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_settle_in) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except (BrokenProcessPool, MemoryError):
            raise FileBroken("The workbook cannot be opened again: it needs too much memory, or too long") from None


def _settle_in() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


def table_rows(path: Path, options: Mapping[str, object], records: Sequence[int]) -> tuple[list[str], list[bytes]]:
    """Returns the row of names, and the originals of these records in order."""
    names: list[str] = []
    originals: list[bytes] = []
    wanted = set(records)
    with path.open("rb") as file:
        for block in XlsxReader().blocks(file, options):
            if isinstance(block.records, RowRecords):
                names = list(block.records.names)
            first = block.end.record - len(block.records)
            originals += [block.originals(at) for at in range(len(block.records)) if first + at in wanted]
            if len(originals) == len(wanted):
                break
    return names, originals


def bulk_headers(path: Path) -> dict[str, list[NumberedRow]]:
    """Returns the header rows of every block, by sheet, from left to right."""
    headers: dict[str, list[NumberedRow]] = {}
    with path.open("rb") as file, BulkBook(file) as book:
        try:
            found = find_blocks(book)
        except LayoutWrong as error:
            raise FileBroken(str(error)) from error
        for block in (one.block for one in found):
            here = headers.setdefault(block.sheet, [])
            here += _until(book.rows(block.sheet, block.line), block.first)
    return headers


def _until(rows: Iterable[NumberedRow], line: int) -> Iterator[NumberedRow]:
    for row in rows:
        if row[0] >= line:
            return
        yield row


def bulk_sheets(headers: Mapping[str, Sequence[NumberedRow]], failed: Iterable[BulkRow]) -> Iterator[tuple[str, Rows]]:
    """Yields every sheet that has failed rows: its header rows and failed rows, in the order of their lines."""
    waiting = iter(failed)
    row = next(waiting, None)
    while row is not None:
        sheet = row.sheet
        after: list[BulkRow] = []
        yield sheet, _merged(headers.get(sheet, ()), _of_sheet(row, waiting, after))
        row = after[0] if after else None


def _of_sheet(row: BulkRow, waiting: Iterator[BulkRow], after: list[BulkRow]) -> Iterator[BulkRow]:
    yield row
    for following in waiting:
        if following.sheet != row.sheet:
            after.append(following)
            return
        yield following


def _merged(headers: Sequence[NumberedRow], failed: Iterable[BulkRow]) -> Iterator[Sequence[Cell]]:
    waiting = list(headers)
    for row in failed:
        while waiting and waiting[0][0] < row.line:
            yield waiting.pop(0)[1]
        yield row.cells
    yield from (cells for _, cells in waiting)


def table_sheets(wanted: object, names: Sequence[Cell], originals: Iterable[bytes]) -> Iterator[tuple[str, Rows]]:
    """Yields the sheet of rows where the reader will look for it: under its name, or behind as many empty sheets."""
    number = wanted if isinstance(wanted, int) else 1
    for before in range(1, number):
        yield f"Sheet{before}", ()
    rows = chain([names], (orjson.loads(original) for original in originals))
    yield str(wanted) if isinstance(wanted, str) else f"Sheet{number}", rows


def workbook(sheets: Iterable[tuple[str, Rows]]) -> Iterator[bytes]:
    """Yields an .xlsx of these sheets, row by row."""
    sink = _Sink()
    names: list[str] = []
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in sheets:
            names.append(name)
            with archive.open(f"xl/worksheets/sheet{len(names)}.xml", "w") as part:
                for piece in _sheet(rows):
                    part.write(piece)
                    yield sink.take()
        for path, content in _parts(names):
            archive.writestr(path, _HEADER + content.encode())
    yield sink.take()


class _Sink:
    """Takes what the archive writes; it cannot go back, so nothing has to wait for the end."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Does nothing: the archive calls it, and no buffer is behind this sink."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _sheet(rows: Rows) -> Iterator[bytes]:
    yield _HEADER + f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode()
    for number, row in enumerate(rows, 1):
        cells = "".join(_cell(f"{_letters(at)}{number}", cell) for at, cell in enumerate(row) if cell != "")
        yield f'<row r="{number}">{cells}</row>'.encode()
    yield b"</sheetData></worksheet>"


def _cell(place: str, cell: Cell) -> str:
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{cell!r}</v></c>'
    if cell in _ERRORS:
        return f'<c r="{place}" t="e"><v>{cell}</v></c>'
    if _DATE(cell) and (serial := _serial(cell)) is not None:
        return f'<c r="{place}" s="{2 if "T" in cell else 1}"><v>{serial!r}</v></c>'
    text = _UNPRINTABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", cell)
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(text, quote=False)}</t></is></c>'


def _serial(text: str) -> float | None:
    """Returns the serial number of a date and time, so a date cell stays one. None for a date that has no number."""
    try:
        since = datetime.fromisoformat(text) - _FIRST_DAY
    except ValueError:
        return None
    days = since / timedelta(days=1)
    return None if since < _LEAP_FAULT else int(days) if days.is_integer() else days


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _parts(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    numbers = range(1, len(names) + 1)
    sheets = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in zip(numbers, names, strict=True)
    )
    yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{sheets}</sheets></workbook>'
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    links += f'<Relationship Id="rId{len(names) + 1}" Type="{_LINKS}/styles" Target="styles.xml"/>'
    yield "xl/styles.xml", f'<styleSheet xmlns="{_MAIN}">{_STYLES}</styleSheet>'
    yield "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
    link = f'<Relationship Id="rId1" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/>'
    yield "_rels/.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{link}</Relationships>'
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{overrides}</Types>',
    )
