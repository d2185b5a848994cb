"""Cells that hold one blank, kept: some programs write `<t> </t>` without saying that the blank is to be preserved.

To a bulk load such a cell means something (it clears a value), but the workbook library would trim it away.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

BARE, KEPT = b"<t> </t>", b'<t xml:space="preserve"> </t>'
STEP = 1 << 20


def keep_spaces(file: BinaryIO) -> BinaryIO | None:
    """A copy in memory in which such blanks are preserved; None where there are none, or where it is no archive.

    The archive must have been found bearable before (`open_workbook`).
    """
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        touched = {entry.filename for entry in archive.infolist() if _holds(archive, entry)}
        return _copy(archive, touched) if touched else None


def _holds(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    return _may_hold(entry) and any(BARE in piece for piece in _pieces(archive, entry))


def _may_hold(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename.lower()
    return name.startswith("xl/worksheets/") or name == "xl/sharedstrings.xml"


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The entry's bytes, never cut within a `<t> </t>`: it ends before a `<t>` that may be one."""
    rest = b""
    with archive.open(entry) as stream:
        while data := stream.read(STEP):
            whole = rest + data
            cut = whole.find(b"<t", max(0, len(whole) - len(BARE)))
            end = len(whole) if cut < 0 else cut
            if cut < 0 and whole.endswith(b"<"):
                end -= 1
            yield whole[:end]
            rest = whole[end:]
    yield rest


def _copy(archive: zipfile.ZipFile, touched: set[str]) -> BinaryIO:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for entry in archive.infolist():
            with target.open(entry.filename, "w") as out:
                for piece in _pieces(archive, entry):
                    out.write(piece.replace(BARE, KEPT) if entry.filename in touched else piece)
    copy.seek(0)
    return copy
