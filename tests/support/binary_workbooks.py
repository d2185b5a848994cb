"""Workbooks in binary formats, written by hand: as much of .xls and .xlsb as a table with errors needs."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

SECTOR = 512
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
ERRORS = {"#DIV/0!": 0x07, "#VALUE!": 0x0F, "#REF!": 0x17, "#NAME?": 0x1D, "#NUM!": 0x24, "#N/A": 0x2A, "#NULL!": 0}
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


class Error(str):
    """A cell with this error."""


class Computed(Error):
    """A formula whose result is this error."""


Rows = Sequence[Sequence[object]]


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams."""
    chains = [content.ljust(4096, b"\0") for content in streams.values()]
    entries = [_entry("Root Entry", 5, END, 0, child=1)]
    sectors: list[bytes] = []
    fat: list[int] = []
    for number, (name, content) in enumerate(zip(streams, chains, strict=True), 1):
        right = number + 1 if number < len(streams) else FREE
        entries.append(_entry(name, 2, len(sectors), len(content), right=right))
        _chain(sectors, fat, content)
    directory = len(sectors)
    _chain(sectors, fat, b"".join(entries))
    table = len(sectors)
    fat.append(FAT)
    sectors.append(struct.pack("<128I", *fat, *[FREE] * (128 - len(fat))))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, directory, 0, 4096, END, 0, END, 0)  # fmt: skip
    return header + struct.pack("<109I", table, *[FREE] * 108) + b"".join(sectors)


def _chain(sectors: list[bytes], fat: list[int], content: bytes) -> None:
    count = -(-len(content) // SECTOR)
    fat += [*range(len(sectors) + 1, len(sectors) + count), END]
    sectors += [content[at * SECTOR : (at + 1) * SECTOR].ljust(SECTOR, b"\0") for at in range(count)]


def _entry(name: str, kind: int, start: int, size: int, *, right: int = FREE, child: int = FREE) -> bytes:
    written = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII36xIQ", written, len(written), kind, 1, FREE, right, child, start, size)


def xls(sheets: Mapping[str, Rows], *, protected: bool = False) -> bytes:
    tables = [_biff_sheet(rows) for rows in sheets.values()]
    begin = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    begin += _record(0x002F, bytes(54)) if protected else b""
    names = [name.encode("latin-1") for name in sheets]
    at = len(begin) + sum(12 + len(name) for name in names) + 4
    listed = b""
    for name, table in zip(names, tables, strict=True):
        listed += _record(0x0085, struct.pack("<IBBBB", at, 0, 0, len(name), 0) + name)
        at += len(table)
    return compound({"Workbook": begin + listed + _record(0x000A, b"") + b"".join(tables)})


def _biff_sheet(rows: Rows) -> bytes:
    cells = b"".join(
        _biff_cell(struct.pack("<HHH", row, column, 0), cell)
        for row, cells in enumerate(rows) for column, cell in enumerate(cells) if cell is not None
    )  # fmt: skip
    begin = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    return begin + cells + _record(0x000A, b"")


def _biff_cell(place: bytes, cell: object) -> bytes:
    if isinstance(cell, Computed):
        result = struct.pack("<BBBBBBH", 2, 0, ERRORS[cell], 0, 0, 0, 0xFFFF)
        return _record(0x0006, place + result + struct.pack("<HIH", 0, 0, 3) + b"\x1e\x01\0")
    if isinstance(cell, Error):
        return _record(0x0205, place + bytes([ERRORS[cell], 1]))
    if isinstance(cell, str):
        return _record(0x0204, place + struct.pack("<HB", len(cell), 0) + cell.encode("latin-1"))
    return _record(0x0203, place + struct.pack("<d", cell))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def xlsb(rows: Rows, *, sheet: str = "Data") -> bytes:
    bundle = struct.pack("<II", 0, 1) + _wide("rId1") + _wide(sheet)
    main = _part((131, b""), (143, b""), (156, bundle), (144, b""), (132, b""))
    records: list[tuple[int, bytes]] = [(129, b""), (148, struct.pack("<IIII", 0, len(rows), 0, 20)), (145, b"")]
    for number, cells in enumerate(rows):
        records.append((0, struct.pack("<I13x", number)))
        records += [_xlsb_cell(struct.pack("<II", column, 0), cell) for column, cell in enumerate(cells)]
    link = f'Type="{LINK}/{{}}" Target="{{}}"'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", _relations(link.format("officeDocument", "xl/workbook.bin")))
        archive.writestr("xl/_rels/workbook.bin.rels", _relations(link.format("worksheet", "worksheets/sheet1.bin")))
        archive.writestr("xl/workbook.bin", main)
        archive.writestr("xl/worksheets/sheet1.bin", _part(*records, (146, b""), (130, b"")))
    return file.getvalue()


def _relations(link: str) -> str:
    return f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" {link}/></Relationships>'


def _xlsb_cell(place: bytes, cell: object) -> tuple[int, bytes]:
    if isinstance(cell, Computed):
        return 11, place + bytes([ERRORS[cell]]) + struct.pack("<HII", 0, 0, 0)
    if isinstance(cell, Error):
        return 3, place + bytes([ERRORS[cell]])
    if isinstance(cell, str):
        return 6, place + _wide(cell)
    return 5, place + struct.pack("<d", cell)


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def _part(*records: tuple[int, bytes]) -> bytes:
    return b"".join(_sevens(kind) + _sevens(len(data)) + data for kind, data in records)


def _sevens(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80]) + _sevens(number >> 7)
