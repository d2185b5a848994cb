"""Sheets of a bulk load (vendor's documentation, VOSS: Bulk Load Sheet Layout): header blocks and what they say.

A block is a row that begins with `entity:`, up to three header rows of which the last one names the attributes, and the
rows below, up to the next `entity:`. Pure text work: rows come in as (number, cells).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from server.readers.base import shorten
from server.readers.cell_faults import Cell, FaultyRow, is_blank, told

Action = Literal["add", "modify", "delete", "execute"]
Meta = Literal["comment", "hierarchy", "action", "search", "device", "template", "pkid"]
NumberedRow = tuple[int, list[Cell]]

ACTIONS: tuple[Action, ...] = get_args(Action)
HEADER_ROWS = 3  # at most: group titles, field titles, attribute names
CLEAR = " "  # a cell that empties its attribute
LONGEST_ENTITY_ROW = 4000  # characters

_SPACES = frozenset(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_BEFORE_HEADERS = _SPACES | {"", "e", "E"}
_ENTITY = re.compile(r"\s*entity\s*[:=]", re.I).match
_SIGN = re.compile("[:=]")  # between the name of an instruction and its value
_INSTRUCTION = re.compile("[A-Za-z_ ]+").fullmatch
_RESOURCE = re.compile(r"[A-Za-z]\w*/[A-Za-z0-9][\w-]*").fullmatch
_ATTRIBUTE = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*").fullmatch
_KNOWN = ("entity", "hierarchy", "parallel", "meta_prefix", "template", "evaluate_macros", "action")
_METAS: Mapping[str, Meta] = {
    "comment": "comment",
    "hierarchy node": "hierarchy",
    "hierarchy": "hierarchy",
    "action": "action",
    "search fields": "search",
    "search field": "search",
    "search": "search",
    "device": "device",
    "cft template": "template",
    "template": "template",
    "unique identifier (pkid)": "pkid",
    "unique identifier": "pkid",
    "pkid": "pkid",
}


class LayoutWrong(Exception):
    """A sheet that is not laid out as a bulk load; the text names sheet, row and what would be right."""


@dataclass(frozen=True, slots=True)
class SheetBlock:
    """One header block: what its rows are, and in which columns (from 0) their values stand."""

    sheet: str
    line: int  # of the header, from 1
    entity: str
    hierarchy: str | None
    action: Action
    prefix: str
    names: tuple[str, ...]
    places: tuple[int, ...]
    metas: Mapping[Meta, int]
    first: int  # the first line below the header rows
    warnings: tuple[str, ...] = ()

    def records(self, lines: list[int], rows: list[list[Cell]]) -> tuple[list[int], list[list[Cell]]]:
        """Without the rows that are commented out, or hold blanks only; empty ones are not among them."""
        signs = {"", self.prefix[0]}
        doubtful = [at for at, cells in enumerate(rows) if (sign := str(cells[0])[:1]) in signs or sign.isspace()]
        passed = {at for at in doubtful if _is_comment(rows[at], self.prefix) or is_blank(rows[at])}
        if not passed:
            return lines, rows
        kept = [at for at in range(len(rows)) if at not in passed]
        return [lines[at] for at in kept], [rows[at] for at in kept]

    def meta(self, name: Meta, cells: Sequence[Cell]) -> str:
        place = self.metas.get(name)
        return "" if place is None or place >= len(cells) else str(cells[place]).strip()


def _is_comment(cells: list[Cell], prefix: str) -> bool:
    """An error such as #N/A begins with the sign too, but it is no remark."""
    return str(cells[0]).lstrip().startswith(prefix) and not (isinstance(cells, FaultyRow) and 0 in cells.faults)


@dataclass(slots=True)
class Instructions:
    """What the `entity:` row says."""

    values: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def headers_in(rows: Sequence[Sequence[Cell]]) -> list[int]:
    """Which of these filled rows begin a block."""
    # a quick look first: most rows begin with something else
    return [at for at, cells in enumerate(rows) if str(cells[0])[:1] in _BEFORE_HEADERS and is_header(cells)]


def is_header(cells: Sequence[Cell]) -> bool:
    first = cells[0] if cells and cells[0] != "" else next((cell for cell in cells if cell != ""), "")
    return isinstance(first, str) and first.lstrip()[:1] in ("e", "E") and _ENTITY(first) is not None


def action_of(word: str, otherwise: Action) -> Action | None:
    """The action a cell names; None for one that is not known."""
    lowered = word.strip().lower()
    if not lowered:
        return otherwise
    return next((action for action in ACTIONS if action == lowered), None)


def read_header(sheet: str, header: NumberedRow, below: Sequence[NumberedRow]) -> SheetBlock:
    """`below` are the next filled rows of the sheet; raises LayoutWrong."""
    line, cells = header
    where = f"sheet {shorten(sheet)}, row {line}"
    _check_cells(sheet, header)
    said = _instructions(cells, where)
    prefix = said.values.get("meta_prefix") or "#"
    rows = list(_until_header(below))[: HEADER_ROWS + 1]
    index = _names_row(rows, prefix)
    if index is None:
        raise LayoutWrong(f"{where}: no row with attribute names follows; write one below the entity row")
    for row in rows[: index + 1]:
        _check_cells(sheet, row)
    metas = {meta: place for _, row in rows[: index + 1] for place, meta in _metas(row, prefix)}
    names, places = _attributes(sheet, rows[index], prefix, metas)
    return SheetBlock(
        sheet=sheet,
        line=line,
        entity=_entity(said, where),
        hierarchy=said.values.get("hierarchy") or None,
        action=_default_action(said, where),
        prefix=prefix,
        names=names,
        places=places,
        metas=metas,
        first=rows[index][0] + 1,
        warnings=tuple(said.warnings),
    )


def _instructions(cells: Sequence[Cell], where: str) -> Instructions:
    found = Instructions()
    for pair in _pairs(_entity_text(cells, where)):
        key, value = _SIGN.split(pair, maxsplit=1) if _SIGN.search(pair) else (pair, "")
        name = key.strip().lower().replace(" ", "_")
        if name in _KNOWN:
            found.values[name] = value.strip().strip("{}\"'").strip()
        elif name:
            found.warnings.append(f"{where}: {shorten(pair)} is not an instruction that is known here and was ignored")
    parallel = found.values.get("parallel", "false").lower()
    if parallel not in ("true", "false", ""):
        raise LayoutWrong(f"{where}: parallel:{parallel[:80]} is wrong, should be true or false")
    return found


def _check_cells(sheet: str, row: NumberedRow) -> None:
    if (problem := told(*row)) is not None:
        raise LayoutWrong(f"sheet {shorten(sheet)}, {problem}")


def _entity_text(cells: Sequence[Cell], where: str) -> str:
    text = ",".join(str(cell).strip().rstrip(",") for cell in cells if cell != "")
    if len(text) > LONGEST_ENTITY_ROW:
        raise LayoutWrong(
            f"{where}: the entity row has {len(text):,} characters, the limit is {LONGEST_ENTITY_ROW:,}; "
            f"it begins with {shorten(text)}"
        )
    return text


def _pairs(text: str) -> Iterator[str]:
    """The instructions between the commas; a comma within a value stands as long as no `name:` follows it."""
    parts = text.split(",")
    starts = [at for at, part in enumerate(parts) if not at or _begins_pair(part)]
    for start, end in pairwise([*starts, len(parts)]):
        yield ",".join(parts[start:end])


def _begins_pair(part: str) -> bool:
    sign = _SIGN.search(part)
    return sign is not None and _INSTRUCTION(part[: sign.start()].strip()) is not None


def _entity(said: Instructions, where: str) -> str:
    entity = said.values.get("entity", "")
    if not _RESOURCE(entity):
        raise LayoutWrong(f"{where}: entity:{entity[:80]} is wrong, should be a model such as data/Countries")
    return entity


def _default_action(said: Instructions, where: str) -> Action:
    word = said.values.get("action", "")
    action = action_of(word, "add")
    if action is None:
        raise LayoutWrong(f"{where}: action:{word[:80]} is wrong, should be one of {', '.join(ACTIONS)}")
    return action


def _until_header(rows: Sequence[NumberedRow]) -> Iterator[NumberedRow]:
    for row in rows:
        if is_header(row[1]):
            return
        yield row


def _names_row(rows: Sequence[NumberedRow], prefix: str) -> int | None:
    """Which row names the attributes: the last with meta columns or titles above it, else the first that looks so."""
    heads = rows[:HEADER_ROWS]
    with_metas = [index for index, (_, row) in enumerate(heads) if any(_metas(row, prefix))]
    below_titles = [i + 1 for i in range(len(heads) - 1) if _titles(heads[i][1], heads[i + 1][1], prefix)]
    if with_metas or below_titles:
        return max(with_metas + below_titles)
    return _first_names(rows, prefix)


def _first_names(rows: Sequence[NumberedRow], prefix: str) -> int | None:
    filled = [len(_plain(row, prefix)) for _, row in rows]
    for index, (_, row) in enumerate(rows[:HEADER_ROWS]):
        names = _plain(row, prefix)
        alike = all(isinstance(name, str) and _ATTRIBUTE(name.strip()) for name in names.values())
        if names and alike and filled[index] >= max(filled[index:]):
            return index
    return 0 if filled and filled[0] else None


def _titles(row: Sequence[Cell], below: Sequence[Cell], prefix: str) -> bool:
    """Whether a row holds the titles of what the row below names, as "Country Name" of `country_name`."""
    titles, names = _plain(row, prefix), _plain(below, prefix)
    if not all(isinstance(name, str) and _ATTRIBUTE(name.strip()) for name in names.values()) or not names:
        return False
    same = sum(_folded(titles.get(place, "")) == _folded(name) for place, name in names.items())
    return same * 2 > len(names)


def _folded(cell: Cell) -> str:
    return re.sub(r"[^a-z0-9]", "", str(cell).lower())


def _plain(row: Sequence[Cell], prefix: str) -> dict[int, Cell]:
    """The filled cells that are not meta columns."""
    return {i: cell for i, cell in enumerate(row) if cell != "" and not str(cell).lstrip().startswith(prefix)}


def _metas(row: Sequence[Cell], prefix: str) -> Iterator[tuple[int, Meta]]:
    for place, cell in enumerate(row):
        text = str(cell).strip()
        if text.startswith(prefix) and (meta := _METAS.get(text[len(prefix) :].strip().lower())):
            yield place, meta


def _attributes(
    sheet: str, row: NumberedRow, prefix: str, metas: Mapping[Meta, int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    line, cells = row
    taken = set(metas.values())
    found: dict[str, int] = {}
    for place, cell in _plain(cells, prefix).items():
        name = str(cell).strip()
        if place in taken or not name:
            continue
        if name in found:
            raise LayoutWrong(f"sheet {shorten(sheet)}, row {line}: the attribute {shorten(name)} stands there twice")
        found[name] = place
    if not found and not taken:
        raise LayoutWrong(f"sheet {shorten(sheet)}, row {line}: no attribute is named")
    return tuple(found), tuple(found.values())
