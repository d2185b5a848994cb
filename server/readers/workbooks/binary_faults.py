"""Where the errors are in .xls and .xlsb workbooks, and whether a password protects one: the library does not say.

Only the framing of records is read here; what cells hold is the library's business.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import IO, BinaryIO

import olefile

from server.readers.base import FileBroken
from server.readers.cell_faults import Fault, error_of
from server.readers.workbooks.part_events import CELLS_CAP, too_large
from server.readers.workbooks.xlsx_package import Parts

Faults = Mapping[tuple[int, int], Fault]  # by row and column, from 0

PROTECTED = "The workbook is protected by a password; open it in a spreadsheet program and save it without one"

_WORDS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # fmt: skip
_BEGIN, _END = 0x0809, 0x000A
_ENCRYPTED = 0x002F
_SHEET = 0x0085
_FORMULAS = (0x0006, 0x0206, 0x0406)
_TRUTH_OR_ERROR = 0x0205
_MOST_RECORDS = 20_000_000

_XLSB_ROW, _XLSB_ERROR, _XLSB_FORMULA_ERROR = 0, 3, 11
_XLSB_CELLS = range(1, 12)
_XLSB_SHEET = 156


def faults_of_xls(file: BinaryIO) -> list[Faults]:
    """For each sheet in the workbook's order; raises FileBroken where a password protects it."""
    stream = _workbook_stream(file)
    return [] if stream is None else [dict(_xls_errors(stream, offset)) for offset in _sheet_offsets(stream)]


def _workbook_stream(file: BinaryIO) -> bytes | None:
    """None where it cannot be found: then the library says what is wrong."""
    file.seek(0)
    try:
        with olefile.OleFileIO(file) as ole:
            if ole.exists("EncryptedPackage") or ole.exists("EncryptionInfo"):
                raise FileBroken(PROTECTED)
            name = next((name for name in ("Workbook", "Book") if ole.exists(name)), None)
            return None if name is None else bytes(ole.openstream(name).read())
    except (OSError, ValueError, struct.error, IndexError, RecursionError):
        return None


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each record from a place on."""
    for _ in range(_MOST_RECORDS):
        if at + 4 > len(stream):
            return
        kind, length = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + length]
        at += 4 + length


def _sheet_offsets(stream: bytes) -> list[int]:
    offsets: list[int] = []
    for kind, data in _records(stream, 0):
        if kind == _ENCRYPTED:
            raise FileBroken(PROTECTED)
        if kind == _SHEET and len(data) >= 6:
            offsets.append(struct.unpack_from("<I", data)[0])
        elif kind == _END:
            break
    return offsets


def _xls_errors(stream: bytes, offset: int) -> Iterator[tuple[tuple[int, int], Fault]]:
    depth = 0
    for kind, data in _records(stream, offset):
        depth += (kind == _BEGIN) - (kind == _END)
        if depth <= 0:
            return
        code = _error_code(kind, data) if depth == 1 else None  # further down are charts
        if code is not None:
            row, column = struct.unpack_from("<HH", data)
            yield (row, column), error_of(_WORDS.get(code, ""))


def _error_code(kind: int, data: bytes) -> int | None:
    if kind == _TRUTH_OR_ERROR and len(data) >= 8 and data[7] == 1:
        return data[6]
    if kind in _FORMULAS and len(data) >= 14 and data[6] == 2 and data[12:14] == b"\xff\xff":
        return data[8]
    return None


def faults_of_xlsb(parts: Parts) -> Mapping[str, Faults]:
    """By the sheets' names; raises FileBroken where a sheet would need too much memory."""
    main = parts.main()
    if main is None:
        return {}
    relations = parts.relations(main)
    with parts.opened(main) as stream:
        listed = [_sheet_named(data) for kind, data in _xlsb_records(stream) if kind == _XLSB_SHEET]
    targets = {name: relations[id].target for id, name in listed if id in relations}
    return {name: _xlsb_faults(parts, part) for name, part in targets.items() if part in parts}


def _xlsb_faults(parts: Parts, part: str) -> Faults:
    found: dict[tuple[int, int], Fault] = {}
    row = columns = rows = 0
    with parts.opened(part) as stream:
        for kind, data in _xlsb_records(stream):
            if kind == _XLSB_ROW and len(data) >= 4:
                row = struct.unpack_from("<I", data)[0]
            elif kind in _XLSB_CELLS and len(data) >= 4:
                columns, rows = max(columns, struct.unpack_from("<I", data)[0] + 1), max(rows, row + 1)
            if columns * rows > CELLS_CAP:
                raise too_large(part, columns, rows)
            if kind in (_XLSB_ERROR, _XLSB_FORMULA_ERROR) and len(data) >= 9:
                column = struct.unpack_from("<I", data)[0]
                found[row, column] = error_of(_WORDS.get(data[8], ""))
    return found


def _sheet_named(data: bytes) -> tuple[str, str]:
    """A sheet's relationship and name: after two numbers, each text with its length before it."""
    texts, at = [], 8
    for _ in range(2):
        length = struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else 0
        texts.append(data[at + 4 : at + 4 + 2 * length].decode("utf-16-le", "replace"))
        at += 4 + 2 * length
    return texts[0], texts[1]


def _xlsb_records(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    buffered = io.BufferedReader(stream, 1 << 16)  # type: ignore[type-var]  # it reads like a raw stream
    for _ in range(_MOST_RECORDS):
        kind, length = _varying(buffered, 2), _varying(buffered, 4)
        if kind is None or length is None:
            return
        yield kind, buffered.read(length)


def _varying(stream: IO[bytes], most: int) -> int | None:
    """A number of seven bits a byte, the lowest first."""
    number = 0
    for at in range(most):
        byte = stream.read(1)
        if not byte:
            return None
        number |= (byte[0] & 0x7F) << 7 * at
        if not byte[0] & 0x80:
            break
    return number
