"""Types that are ours, not the vendor's: calendar days, and decimal numbers that keep their digits."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from server.cells import DateCell
from server.mapping.values.javascript import INVALID, NOTHING, js_text
from server.mapping.values.setup import PlainType, SetupProblem
from server.mapping.values.types.dates import date_parser

MOST_DIGITS = 1000
IN_KEY = "in key"  # set by `values`: no instruction has such an option

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?").fullmatch


def day_type(action: Mapping[str, object]) -> PlainType:
    """Makes the type of days, stored as YYYY-MM-DD. Texts are in the form of `dateFormat`, or in ISO 8601."""
    pattern = action.get("dateFormat")
    of_text = _iso_day if pattern is None else _day_written(pattern)

    def plain(value: object) -> object:
        if value is None or value is NOTHING:
            return NOTHING
        if isinstance(value, DateCell):
            return _iso_day(value) or INVALID
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return INVALID
        return of_text(js_text(value)) or INVALID

    return PlainType(plain, "Invalid date value for")


def _day_written(pattern: object) -> Callable[[str], str | None]:
    if not isinstance(pattern, str):
        raise SetupProblem(f"Invalid date format for {{src}}: {js_text(pattern)} (it must be a text)")
    try:
        parse = date_parser(pattern, whole=True)
    except ValueError as reason:
        raise SetupProblem(f"Invalid date format for {{src}}: {pattern} ({reason})") from reason
    return lambda text: _iso_day(parse(text) or "")


def _iso_day(text: str) -> str | None:
    """Returns the day of a date. One with a time has a day only at 00:00, as other times would be lost."""
    try:
        if _DAY(text):
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text[:40])
    except ValueError:
        return None
    return moment.date().isoformat() if moment.time() == time() else None


def decimal_type(action: Mapping[str, object]) -> PlainType:
    """Makes the type of decimal numbers, stored as text with the same digits: 1.10 stays 1.10, and 1E3 is 1000.

    In a key, zeros at the end of the fraction are removed, so that equal numbers are equal texts.
    """
    normal = action.get(IN_KEY) is True

    def plain(value: object) -> object:
        if value is None or value is NOTHING:
            return NOTHING
        if isinstance(value, bool | DateCell) or not isinstance(value, str | int | float):
            return INVALID
        return _decimal_text(js_text(value).strip(), normal) or INVALID

    return PlainType(plain, "Invalid decimal for")


def _decimal_text(text: str, normal: bool) -> str | None:
    if len(text) > MOST_DIGITS or not _DECIMAL(text):
        return None
    try:
        written = format(Decimal(text), "f")
    except InvalidOperation:
        return None
    if len(written) > MOST_DIGITS:
        return None
    if normal and "." in written:
        written = written.rstrip("0").rstrip(".")
    return written.removeprefix("-") if not written.strip("-0.") else written
