"""Finds the parts of an .xlsx archive that the usual programs wrote. Any other raises NotSupportedByFastPath."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO
from xml.etree import ElementTree

from server.readers.cell_faults import Cell, Piece
from server.readers.workbooks.cell_text import NotSupportedByFastPath, shared_texts
from server.readers.workbooks.fast_sheet import Reading, sheet_pieces

MOST_SHEETS = 1000
SMALL_PART = 4 << 20  # the parts that are read as XML trees

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_TARGET = re.compile(r"(?:/xl/)?(worksheets/[\w.-]+\.xml|sharedStrings\.xml|styles\.xml)").fullmatch

_PLAIN_FORMATS = frozenset([*range(5), *range(9, 14), *range(37, 41), 48, 49])  # those built in that show no time
_DATE_FORMATS = frozenset([*range(14, 23), 45, 47])
_DATE_FORMAT = re.compile(
    r'(?:\[\$[^][;"]*\])?[dmyhsDMYHS](?:[dmyhsDMYHS/\-.,: ]|\\[\-.,:/ ])*(?:(?:\\? )?AM/PM)?(?:;@)?'
).fullmatch
_PLAIN_FORMAT = re.compile(r'General|GENERAL|[#0?.,%+\-() _"€$£*@;\\]*(?:E[+-][#0?]+)?').fullmatch


class PlainWorkbook:
    """Raises NotSupportedByFastPath where any of it is unusual, and what `DAMAGED` names where the archive is."""

    def __init__(self, archive: zipfile.ZipFile, truths: tuple[Cell, Cell]) -> None:
        self._archive = archive
        self._truths = truths
        self._reading: Reading | None = None
        names = archive.namelist()
        if len(set(names)) < len(names) or _main_parts(self._tree("_rels/.rels")) != ["xl/workbook.xml"]:
            raise NotSupportedByFastPath
        self._parts = _parts(self._tree("xl/_rels/workbook.xml.rels"))
        workbook = self._tree("xl/workbook.xml")
        self._sheets = _sheets(workbook, self._parts)
        self._modern = all(more.get("date1904") in (None, "0", "false") for more in workbook.iter(f"{_MAIN}workbookPr"))
        if not set(self._sheets.values()) <= set(names):
            raise NotSupportedByFastPath

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(self._sheets)

    def pieces(self, sheet: str) -> Iterator[tuple[Piece, int]]:
        if sheet not in self._sheets:
            raise NotSupportedByFastPath
        if self._reading is None:
            self._reading = self._read_references()
        with self._opened(self._sheets[sheet]) as stream:
            yield from sheet_pieces(stream, self._reading)

    def _read_references(self) -> Reading:
        texts: list[str] = []
        if (name := self._of_kind("sharedStrings")) is not None:
            with self._opened(name) as stream:
                texts = shared_texts(stream)
        styles = self._of_kind("styles")
        plain, dates = (frozenset("0"), frozenset[str]()) if styles is None else _styles(self._tree(styles))
        return Reading(texts, plain, dates if self._modern else frozenset(), self._truths)

    def _of_kind(self, kind: str) -> str | None:
        found = [name for other, name in self._parts.values() if other == kind]
        if len(found) > 1:
            raise NotSupportedByFastPath
        return found[0] if found else None

    def _tree(self, name: str) -> ElementTree.Element:
        with self._opened(name) as stream:
            content = stream.read(SMALL_PART + 1)
        if len(content) > SMALL_PART or b"<!" in content or b"\0" in content:  # no entities, in no encoding
            raise NotSupportedByFastPath
        try:
            return ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            raise NotSupportedByFastPath from error

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        try:
            entry = self._archive.getinfo(name)
        except KeyError as error:
            raise NotSupportedByFastPath from error
        with self._archive.open(entry) as stream:
            yield stream


def _main_parts(relations: ElementTree.Element) -> list[str]:
    found = (relation for relation in relations.iter(_RELATION) if relation.get("Type") == f"{_KINDS}officeDocument")
    return [relation.get("Target", "").removeprefix("/") for relation in found]


def _parts(relations: ElementTree.Element) -> Mapping[str, tuple[str, str]]:
    """The kind and name of each part that is needed, by its id."""
    found: dict[str, tuple[str, str]] = {}
    for relation in relations.iter(_RELATION):
        kind = relation.get("Type", "").removeprefix(_KINDS)
        if kind in ("worksheet", "sharedStrings", "styles"):
            target = _TARGET(relation.get("Target", ""))
            if target is None or relation.get("Id", "") in found:
                raise NotSupportedByFastPath
            found[relation.get("Id", "")] = kind, f"xl/{target[1]}"
    return found


def _sheets(workbook: ElementTree.Element, parts: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    listed = workbook.find(f"{_MAIN}sheets")
    if workbook.tag != f"{_MAIN}workbook" or listed is None or len(listed) > MOST_SHEETS:
        raise NotSupportedByFastPath
    found: dict[str, str] = {}
    for sheet in listed:
        name, (kind, part) = sheet.get("name"), parts.get(sheet.get(f"{_LINK}id", ""), ("", ""))
        if name is None or name in found or kind != "worksheet":  # a chart, or what only the library knows
            raise NotSupportedByFastPath
        found[name] = part
    return found


def _styles(styles: ElementTree.Element) -> tuple[frozenset[str], frozenset[str]]:
    """Those under which a number is one, and those under which it is a date, a time or both."""
    own = {format.get("numFmtId"): format.get("formatCode", "") for format in styles.iter(f"{_MAIN}numFmt")}
    listed = styles.find(f"{_MAIN}cellXfs")
    ids = ["0"] if listed is None or not len(listed) else [style.get("numFmtId", "0") for style in listed]

    def those(built_in: frozenset[int], of_its_own: Callable[[str], object]) -> frozenset[str]:
        fits = (of_its_own(own[id]) if id in own else id.isdecimal() and int(id) in built_in for id in ids)
        return frozenset(str(index) for index, fit in enumerate(fits) if fit)

    return those(_PLAIN_FORMATS, _PLAIN_FORMAT), those(_DATE_FORMATS, _DATE_FORMAT)
