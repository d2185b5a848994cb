"""JavaScript's rules for text, truth and equality of values.

Control files were written for an engine in JavaScript: `4.0` reads `4`, `[]` is true, and `1` is not `true`.
"""

import math
from enum import Enum
from typing import Final, Literal


class Marker(Enum):
    """Results without a value: NOTHING is JavaScript's undefined, INVALID is a value that is an error."""

    NOTHING = "nothing"
    INVALID = "invalid"


NOTHING: Final = Marker.NOTHING
INVALID: Final = Marker.INVALID

Nothing = Literal[Marker.NOTHING]

_CONSTANTS: Final = {"None": "null", "True": "true", "False": "false", "Marker.NOTHING": "undefined"}
_EXACT = 10**21  # from here on JavaScript writes numbers with an exponent
_SHOWN = 500


def js_text(value: object) -> str:
    """Returns the text that JavaScript makes of a JSON value."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | Marker):
        return _CONSTANTS.get(str(value), "undefined")
    if isinstance(value, int):
        return _integer_text(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list | tuple):
        return _list_text(value)
    return "[object Object]"


def shown(value: object) -> str:
    """Returns the text of a value for a message, cut if it is long."""
    text = js_text(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def is_skipped(value: object) -> bool:
    """Whether `field` skips a value: false, "", null, absent or NaN. Zero is a value."""
    if isinstance(value, float):
        return value != value
    return value is None or value is False or value is NOTHING or (isinstance(value, str) and not value)


def is_truthy(value: object) -> bool:
    if isinstance(value, list | dict):
        return True
    if isinstance(value, float):
        return bool(value) and value == value
    return value is not NOTHING and bool(value)


def identical(a: object, b: object) -> bool:
    """Whether two values are equal (`===`): 1 is 1.0, but neither true nor "1"; two lists or objects never are."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float):
        return isinstance(b, int | float) and a == b
    return isinstance(a, str) and isinstance(b, str) and a == b


def _integer_text(value: int) -> str:
    if -_EXACT < value < _EXACT:
        return str(value)
    try:
        return _float_text(float(value))
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if "e" in text:
        return _with_exponent(text)
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def _with_exponent(text: str) -> str:
    """Writes Python's shortest digits as JavaScript does: without an exponent between 1e-6 and 1e21."""
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, power = whole + ("" if fraction == "0" else fraction), int(exponent)
    if 0 <= power < 21:
        return sign + digits.ljust(power + 1, "0")
    if -7 < power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{power:+d}"


def _list_text(values: list[object] | tuple[object, ...], depth: int = 0) -> str:
    if depth == 64:
        return "…"
    return ",".join(
        "" if item is None else _list_text(item, depth + 1) if isinstance(item, list | tuple) else js_text(item)
        for item in values
    )
