"""Any .xlsx archive: its parts are found by their relationships, wherever they lie and however they are written."""

import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from server.readers.base import FileBroken, shorten
from server.readers.cell_faults import Cell, Piece
from server.readers.workbooks.event_sheet import References, event_pieces, event_texts
from server.readers.workbooks.number_formats import NumberKind, kind_of_built_in, kind_of_format
from server.readers.workbooks.part_events import Attributes, attribute, elements

MOST_SHEETS = 1000
UNPACKED_CAP = 1 << 30
OTHERS_CAP = 256 << 20  # everything but the sheets
KINDS = "an Excel workbook (.xlsx, .xlsm, .xlsb or .xls) nor an OpenDocument spreadsheet (.ods)"
NO_WORKBOOK = f"The file is a zip archive, but not {KINDS}"


@dataclass(frozen=True, slots=True)
class Relation:
    kind: str  # the last word of its type: the same in the transitional and the strict form
    target: str


class Parts:
    """An archive's files by their usual names: slashes, no slash at the front, in any case."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = {_usual(entry.filename).lower(): entry for entry in archive.infolist()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._entries

    @contextmanager
    def opened(self, name: str, most: int = OTHERS_CAP) -> Iterator[IO[bytes]]:
        entry = self._entries.get(name.lower())
        if entry is None:
            raise FileBroken(f"The workbook has no part {shorten(name)}, which others refer to")
        if entry.file_size > most:
            raise FileBroken(f"The part {shorten(name)} unpacks to {entry.file_size:,} bytes, the limit is {most:,}")
        with self._archive.open(entry) as stream:
            yield stream

    def relations(self, part: str) -> Mapping[str, Relation]:
        """Where a part (or "", the archive itself) leads to, by id."""
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        if listed not in self:
            return {}
        with self.opened(listed) as stream:
            found = elements(listed, stream, lambda tag: tag == "Relationship")
        return {
            more.get("Id", ""): _relation(folder, more) for _, _, more in found if more.get("TargetMode") != "External"
        }

    def main(self) -> str | None:
        """The part that lists the sheets."""
        found = [one.target for one in self.relations("").values() if one.kind == "officeDocument"]
        usual = ["xl/workbook.xml", "xl/workbook.bin"] if not found else found[:1]
        return next((name for name in usual if name in self), None)


def _usual(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/")


def _relation(folder: str, written: Attributes) -> Relation:
    target = written.get("Target", "").replace("\\", "/")
    whole = target if target.startswith("/") else posixpath.join(folder, target)
    return Relation(written.get("Type", "").rpartition("/")[2], _usual(whole))


class XlsxPackage:
    """The worksheets of a workbook, each read as a stream; raises FileBroken."""

    def __init__(self, parts: Parts, truths: tuple[Cell, Cell]) -> None:
        main = parts.main()
        if main is None:
            raise FileBroken(NO_WORKBOOK)
        self._parts = parts
        self._truths = truths
        self._relations = parts.relations(main)
        with parts.opened(main) as stream:
            listed = elements(main, stream, lambda tag: tag in ("workbook", "sheet", "workbookPr"))
        if not listed or listed[0][1] != "workbook":
            raise FileBroken(NO_WORKBOOK)
        self._modern = all(
            more.get("date1904", "0").lower() in ("0", "false", "off")
            for _, name, more in listed
            if name == "workbookPr"
        )
        self._sheets = self._worksheets(
            [more for parent, name, more in listed if (parent, name) == ("sheets", "sheet")]
        )
        self._references: References | None = None

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(self._sheets)

    def pieces(self, sheet: str) -> Iterator[tuple[Piece, int]]:
        part = self._sheets.get(sheet)
        if part is None:
            raise FileBroken(f"Cannot read sheet {sheet!r}: the workbook has none of that name")
        try:
            with self._parts.opened(part, UNPACKED_CAP) as stream:
                yield from event_pieces(part, stream, self._referred_to())
        except FileBroken as error:
            raise FileBroken(f"Cannot read sheet {sheet!r}: {error}") from error

    def _worksheets(self, listed: list[Attributes]) -> dict[str, str]:
        if len(listed) > MOST_SHEETS:
            raise FileBroken(f"The workbook has {len(listed):,} sheets, the limit is {MOST_SHEETS:,}")
        found: dict[str, str] = {}
        for more in listed:
            name, relation = more.get("name", ""), self._relations.get(attribute(more, "id") or "")
            if relation is None:
                raise FileBroken(f"The workbook says nowhere in which part its sheet {shorten(name)} is")
            if relation.kind == "worksheet":  # others are charts, dialogs and macros
                found.setdefault(name, relation.target)
        return found

    def _referred_to(self) -> References:
        if self._references is None:
            texts: list[str] = []
            if (name := self._of_kind("sharedStrings")) is not None:
                with self._parts.opened(name) as stream:
                    texts = event_texts(name, stream)
            self._references = References(texts, self._kinds(), self._modern, self._truths)
        return self._references

    def _kinds(self) -> list[NumberKind]:
        name = self._of_kind("styles")
        if name is None:
            return []
        with self._parts.opened(name) as stream:
            found = elements(name, stream, lambda tag: tag in ("numFmt", "xf"))
        own = {more.get("numFmtId"): more.get("formatCode", "") for _, tag, more in found if tag == "numFmt"}
        used = [more.get("numFmtId", "0") for parent, tag, more in found if (parent, tag) == ("cellXfs", "xf")]
        kinds = {id: _kind(id, own.get(id)) for id in set(used)}
        return [kinds[id] for id in used]

    def _of_kind(self, kind: str) -> str | None:
        return next((one.target for one in self._relations.values() if one.kind == kind), None)


def _kind(id: str, code: str | None) -> NumberKind:
    if code is not None:
        return kind_of_format(code)
    return kind_of_built_in(int(id)) if id.isdecimal() and id.isascii() and len(id) < 9 else "number"
