"""Reads the XML parts of a workbook element by element: in any encoding that XML allows, without DTDs and entities."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO
from xml.parsers import expat

from server.readers.base import FileBroken
from server.readers.cell_faults import Cell, Fault, Piece, row_of

STEP = 64 << 10
MOST_DEPTH = 200
CELLS_CAP = 12_000_000  # of a sheet's whole rectangle
MOST_ROWS = 1 << 20
PIECE_ROWS = 2000
PIECE_CELLS = 200_000

# a byte order mark goes before the charset that is declared
_MARKED = re.compile(rb"""\A(\xef\xbb\xbf<\?xml[^>"']*["'][^>"']*["'][^>"'=]*\sencoding\s*=\s*["'])[A-Za-z0-9._:-]+""")

Attributes = dict[str, str]


def local(name: str) -> str:
    """An element's or attribute's name without its namespace."""
    return name.rpartition(" ")[2]


class PartParser:
    """An expat parser whose faults are FileBroken, with the part and the line. Names are `NAMESPACE NAME`."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._depth = 0

    @property
    def where(self) -> str:
        return f"{self.part}, line {self.parser.CurrentLineNumber}"

    def feed(self, data: bytes, final: bool = False) -> None:
        try:
            self.parser.Parse(data, final)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise FileBroken(f"{self.part} is damaged: line {error.lineno}: not well-formed XML, {reason}") from error
        except (ValueError, LookupError) as error:
            raise FileBroken(f"{self.where}: not readable as XML, {error}") from error

    def enter(self) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise FileBroken(f"{self.where}: elements are nested deeper than {MOST_DEPTH} levels")

    def leave(self) -> None:
        self._depth -= 1

    def read(self, stream: IO[bytes]) -> Iterator[int]:
        """Feeds all of it; gives the length of each piece."""
        first = True
        while data := stream.read(STEP):
            self.feed(_MARKED.sub(rb"\1utf-8", data) if first else data)
            first = False
            yield len(data)
        self.feed(b"", final=True)

    def _refuse_doctype(self, *_: object) -> None:
        raise FileBroken(f"{self.where}: the part has a DTD (<!DOCTYPE …>), which is not accepted")


class SheetRows:
    """Collects the rows of a sheet while its part is parsed, and hands them out in pieces."""

    def __init__(self, part: str) -> None:
        self.feed = PartParser(part)
        self._numbers: list[int] = []
        self._rows: list[list[Cell]] = []
        self._cells = 0  # in these rows
        self._width = 0  # of the sheet

    def pieces(self, stream: IO[bytes]) -> Iterator[tuple[Piece, int]]:
        """Yields filled rows with their numbers, and how many bytes they were. Raises FileBroken."""
        taken = 0
        for length in self.feed.read(stream):
            taken += length
            if len(self._rows) >= PIECE_ROWS or self._cells >= PIECE_CELLS:
                yield self._take(), taken
                taken = 0
        yield self._take(), taken

    def _take(self) -> Piece:
        piece = self._numbers, self._rows
        self._numbers, self._rows, self._cells = [], [], 0
        return piece

    def _add(self, number: int, found: Mapping[int, Cell | Fault], *, times: int = 1) -> None:
        """Adds a row of these cells by place, as often as it is repeated, from this row number on."""
        width, last = max(found) + 1, number + times - 1
        self._width = max(self._width, width)
        if self._width * last > CELLS_CAP or last > MOST_ROWS:
            raise too_large(self.feed.part, self._width, last)
        self._numbers += range(number, last + 1)
        self._rows += [row_of([found.get(place, "") for place in range(width)])] * times
        self._cells += width * times


def too_large(part: str, columns: int, rows: int) -> FileBroken:
    return FileBroken(
        f"{part} reaches to row {rows:,} and column {columns:,}: "
        f"{columns * rows:,} cells, the limit is {CELLS_CAP:,}; "
        "delete what lies outside the table, split it, or send CSV"
    )


def elements(part: str, stream: IO[bytes], wanted: Callable[[str], bool]) -> list[tuple[str, str, Attributes]]:
    """(parent, name, attributes) of the elements whose name is wanted, in order; names are local ones."""
    found: list[tuple[str, str, Attributes]] = []
    path = [""]
    feed = PartParser(part)

    def start(name: str, attributes: Attributes) -> None:
        feed.enter()
        if wanted(local(name)):
            found.append((path[-1], local(name), attributes))
        path.append(local(name))

    feed.parser.StartElementHandler = start

    def end(_: str) -> None:
        feed.leave()
        path.pop()

    feed.parser.StartElementHandler, feed.parser.EndElementHandler = start, end
    for _ in feed.read(stream):
        pass
    return found


def attribute(attributes: Mapping[str, str], name: str) -> str | None:
    """By its local name, in whichever namespace."""
    return next((value for key, value in attributes.items() if local(key) == name), None)
