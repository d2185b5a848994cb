"""Cells that hold no value to be read (errors, formulas without a result), and rows that have such cells."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from server.readers.base import shorten

Cell = str | int | float | bool
Piece = tuple[list[int], list[list[Cell]]]  # rows that follow each other, their numbers first

OPEN_AND_SAVE = "open the workbook in a spreadsheet program and save it, so that the result is stored"

_MOST_TOLD = 5  # cells of a row

_ERROR = re.compile(r"#[A-Z0-9_/]{1,30}[!?]?|Err:[0-9]{1,4}").fullmatch


class Fault(NamedTuple):
    """Stands in the place of a value. `shown` is what the file has in the cell, `holds` says what is wrong with it."""

    shown: str
    holds: str


class FaultyRow(list[Cell]):
    """A row some of whose cells hold no value; `faults` says by place (from 0) what each holds instead.

    In the row itself such a cell is what the file shows for it, and is never empty.
    """

    __slots__ = ("faults",)

    def __init__(self, cells: Iterable[Cell], faults: Mapping[int, str]) -> None:
        super().__init__(cells)
        self.faults = faults


def is_blank(row: list[Cell]) -> bool:
    """Whether a row holds nothing but blanks."""
    return has_nothing(row[0]) and row.__class__ is list and all(map(has_nothing, row))


def has_nothing(cell: Cell) -> bool:
    return isinstance(cell, str) and not cell.strip()


def row_of(cells: Iterable[Cell | Fault]) -> list[Cell]:
    """A plain list where all cells hold values."""
    made = [*cells]
    faults = {place: cell.holds for place, cell in enumerate(made) if isinstance(cell, Fault)}
    values: list[Cell] = [cell.shown if isinstance(cell, Fault) else cell for cell in made]
    return FaultyRow(values, faults) if faults else values


def error_of(text: str) -> Fault:
    """The cell's own word for what went wrong, such as #N/A."""
    word = text.strip() or "#UNKNOWN!"
    return Fault(word, f"the error {word if _ERROR(word) else shorten(word)}")


def without_result(formula: str) -> Fault:
    shown = f"={formula.removeprefix('=')}"
    said = f" {shorten(shown)}" if len(shown) > 1 else ""
    return Fault(shown, f"a formula{said} without a stored result; {OPEN_AND_SAVE}")


def unreadable(text: str, wanted: str) -> Fault:
    return Fault(text or "?", f"{shorten(text)} where {wanted} should be")


def told(
    number: int, row: list[Cell], names: tuple[str, ...] = (), matters: Callable[[str], bool] | None = None
) -> str | None:
    """What is wrong with the row's cells, as a sentence; None where nothing is. `matters`: whether a name does."""
    if not isinstance(row, FaultyRow):
        return None
    found = [
        f"column {column_letters(place)}{_named(place, names)} holds {holds}"
        for place, holds in row.faults.items()
        if matters is None or place >= len(names) or matters(names[place])
    ]
    more = [f"{len(found) - _MOST_TOLD} more cells hold no value"] if len(found) > _MOST_TOLD else []
    return f"row {number}, {', and '.join(found[:_MOST_TOLD] + more)}" if found else None


def _named(place: int, names: tuple[str, ...]) -> str:
    return f" ({shorten(names[place])})" if place < len(names) and names[place] else ""


def column_letters(place: int) -> str:
    letters = ""
    while place >= 0:
        letters = chr(65 + place % 26) + letters
        place = place // 26 - 1
    return letters


def column_place(letters: str) -> int:
    """From 0; the letters are A to Z, in any case."""
    place = 0
    for letter in letters.upper():
        place = place * 26 + ord(letter) - 64
    return place - 1
