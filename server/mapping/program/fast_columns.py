"""Columns whose values all have one type: what is stored for them, made without a call for each value.

Each answer is the same as that of the Name's type in `values.py`, or None where it might not be.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from math import isfinite
from typing import Any

Values = Sequence[Any]
ColumnConverter = Callable[[Values], Values | None]
"""What is stored for some values of one type, none of them empty; None where each is to be converted by itself."""

_EXACT = 2**53  # whole numbers below are written digit by digit
_NUMERIC = frozenset("+-.0123456789eE")  # of these alone Python makes the same numbers as we do
_BOOLEANS = {"true": 1, "false": 0}


def _same(values: Values) -> Values:
    return values


def _digits(values: Values) -> Values | None:
    return list(map(str, values)) if min(values) > -_EXACT and max(values) < _EXACT else None


def _addresses(values: Values) -> Values | None:
    return values if min(map(str.find, values, repeat("@"))) > 0 else None


def _integers(values: Values) -> Values | None:
    try:
        array("q", values)  # takes 64 bits, and looks faster than a comparison
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
    return list(map(float, values)) if _integers(values) is not None else None


def _written_booleans(values: Values) -> Values | None:
    found = list(map(_BOOLEANS.get, values))
    return None if None in found else found


def _written_floats(values: Values) -> Values | None:
    if not _NUMERIC.issuperset("".join(values)):
        return None
    try:
        return _floats(list(map(float, values)))
    except ValueError:
        return None


def _truths(values: Values) -> Values:
    return [1] * len(values)


COLUMN_CONVERTERS: Mapping[str, Mapping[type, ColumnConverter]] = {
    "text": {str: _same, int: _digits},
    "email-address": {str: _addresses},
    "integer": {int: _integers, str: _written_integers},
    "number": {float: _floats, int: _as_floats, str: _written_floats},
    "boolean": {str: _written_booleans, bool: _truths},
}
"""By the type of a Name that is set without options, and by the type of the values; no value is false."""
