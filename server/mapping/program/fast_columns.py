"""Conversions of whole columns whose values have one type, without a Python call for each value.

Each returns the same as the Name's type in `values.py`, or None if the result might differ.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from math import isfinite
from typing import Any

Values = Sequence[Any]
ColumnConverter = Callable[[Values], Values | None]
"""Converts values of one type, none of them empty. Returns None if each value must be converted by itself."""

_EXACT = 2**53  # a float holds every smaller whole number
_NUMERIC = frozenset(
    "+-.0123456789eE"
)  # Python's float() takes more, such as 1_000 or "inf"; of these characters it takes what `number` takes
_BOOLEANS = {"true": 1, "false": 0}


def _same(values: Values) -> Values:
    return values


def _digits(values: Values) -> Values | None:
    return list(map(str, values)) if min(values) > -_EXACT and max(values) < _EXACT else None


def _addresses(values: Values) -> Values | None:
    return values if min(map(str.find, values, repeat("@"))) > 0 else None


def _integers(values: Values) -> Values | None:
    try:
        array("q", values)  # raises for more than 64 bits, and is faster than comparisons
    except OverflowError:
        return None
    return values


def _written_integers(values: Values) -> Values | None:
    try:
        numbers = list(map(int, values))
    except ValueError:
        return None
    return _integers(numbers) if list(map(str, numbers)) == values else None


def _floats(values: Values) -> Values | None:
    return values if isfinite(sum(values)) or all(map(isfinite, values)) else None


def _as_floats(values: Values) -> Values | None:
    return list(map(float, values)) if min(values) > -_EXACT and max(values) < _EXACT else None


def _written_booleans(values: Values) -> Values | None:
    found = list(map(_BOOLEANS.get, values))
    return None if None in found else found


def _written_floats(values: Values) -> Values | None:
    if not _NUMERIC.issuperset("".join(values)):
        return None
    try:
        numbers = list(map(float, values))
    except ValueError:
        return None
    return numbers if min(numbers) > -_EXACT and max(numbers) < _EXACT else None  # above, digits may be lost


def _truths(values: Values) -> Values:
    return [1] * len(values)


COLUMN_CONVERTERS: Mapping[str, Mapping[type, ColumnConverter]] = {
    "text": {str: _same, int: _digits},
    "email-address": {str: _addresses},
    "integer": {int: _integers, str: _written_integers},
    "number": {float: _floats, int: _as_floats, str: _written_floats},
    "boolean": {str: _written_booleans, bool: _truths},
}
"""By the type of a Name that is set without options, and by the type of the values. No value is false."""
