"""Whether a number in a cell is a number, a moment or a duration: its number format says so."""

import re
from typing import Literal

NumberKind = Literal["number", "moment", "duration"]

_LONGEST = 1000
_MOMENTS = frozenset([*range(14, 23), *range(27, 37), 45, 47, *range(50, 59), *range(71, 82)])  # some by language only
_DURATIONS = frozenset([46])
_NO_SIGNS = re.compile(r'"[^"]*"|\\.|_.|\*.', re.DOTALL)  # texts, and signs that stand for themselves
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")  # colours, languages, conditions and times beyond a day
_ELAPSED = re.compile("h+|m+|s+", re.IGNORECASE).fullmatch
_PARTS = frozenset("dmyhs")


def kind_of_built_in(number: int) -> NumberKind:
    if number in _DURATIONS:
        return "duration"
    return "moment" if number in _MOMENTS else "number"


def kind_of_format(code: str) -> NumberKind:
    """What the format's first section shows; that is the one for positive numbers."""
    section = _NO_SIGNS.sub("", code[:_LONGEST]).partition(";")[0]
    if any(_ELAPSED(inside) for inside in _BRACKETS.findall(section)):
        return "duration"
    rest = _BRACKETS.sub("", section).lower().replace("general", "")
    return "moment" if _PARTS & set(rest) else "number"
