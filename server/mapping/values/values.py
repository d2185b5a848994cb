"""Conversions from a value of the input to what a column stores.

A value goes through `mapInputValue`, then through the filters in the order listed, then through the Name's type.
`TYPES` has every type. `PLAIN_TYPES` has those that need nothing but the value, so that whole columns can be converted
at once.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from server.cells import DateCell
from server.mapping.model.model import Name
from server.mapping.model.scope import Scope
from server.mapping.values.expected import expected_for
from server.mapping.values.filters import Filters
from server.mapping.values.javascript import INVALID, NOTHING, identical, is_truthy, js_text
from server.mapping.values.setup import (
    Converter,
    Filter,
    Lost,
    PlainConverter,
    PlainType,
    Rounded,
    Setup,
    SetupProblem,
    Want,
    complaint,
)
from server.mapping.values.types.dates import ISO_8601, WHOLE_TEXT, date_parser
from server.mapping.values.types.exact_types import IN_KEY, day_type, decimal_type
from server.mapping.values.types.phones import dialling_code, export_form
from server.mapping.values.types.refs import Ref, known_types, ref_converter
from server.mapping.values.types.structured import STRUCTURED, json_text
from server.mapping.values.types.written_numbers import DECIMAL_MARKS, MARKS_SHOWN, localised

_LEAST, _MOST = -(2**63), 2**63 - 1
_EXACT = 2**53  # a float holds every smaller whole number
_EXACT_TYPES = "the types integer and decimal hold all its digits"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
_SCHEME = re.compile(r"[A-Za-z+.-]+:").match
_CONFIGURATION_NAME = re.compile(r"[A-Za-z0-9_-]+:[:A-Za-z0-9_-]+").fullmatch


def converter(
    action: Mapping[str, object], name: Name, src: str, setup: Setup, *, typed: Converter | None = None
) -> Converter | None:
    """Makes the conversion that an instruction asks for. Returns None, and reports why, if it cannot be made.

    `typed` is used instead of the conversion of the Name's type.
    """
    want = Want(action, name, src, setup)
    try:
        return _accounted(want, _mapped(want, _filtered(want, typed or _typed(want))))
    except SetupProblem as problem:
        setup.report(problem.about(src))
        return None


def _accounted(want: Want, convert: Converter) -> Converter:
    """Reports each value that is not stored as a loss of its record."""
    what = f"is not stored as {want.name.type}, should be {expected_for(want.name.type, want.action)}"

    def accounted(value: object, scope: Scope) -> object:
        stored = convert(value, scope)
        if type(stored) is Lost:
            want.lose(scope, value, what, stored.error)
            return NOTHING
        if stored is NOTHING and not _is_nothing(value):
            want.lose(scope, value, what)
        return stored

    return accounted


def _is_nothing(value: object) -> bool:
    return value is None or value is NOTHING or (isinstance(value, str | list | dict) and not value)


def _typed(want: Want) -> Converter:
    if want.name.type not in TYPES:
        raise SetupProblem(f"Unknown data type in model: {want.name.type}")
    return TYPES[want.name.type](want)


def _filtered(want: Want, convert: Converter) -> Converter:
    for step in reversed(_filters(want)):
        convert = _after(step, convert)
    return convert


def _filters(want: Want) -> list[Filter]:
    listed = want.action.get("filters", [])
    if not isinstance(listed, list):
        raise SetupProblem("'filters' property is not an array")
    return [_filter(want, name) for name in listed]


def _filter(want: Want, name: object) -> Filter:
    filters = want.setup.filters or Filters(want.setup.models)
    found = filters.get(name) if isinstance(name, str) else None
    if found is None:
        raise SetupProblem(f"Filter {js_text(name)} is not available.")
    return found


def _after(step: Filter, convert: Converter) -> Converter:
    def filtered(value: object, scope: Scope) -> object:
        return convert(step(value, scope), scope)

    return filtered


def _mapped(want: Want, convert: Converter) -> Converter:
    if "mapInputValue" not in want.action:
        return convert
    table = want.action["mapInputValue"]
    if not isinstance(table, dict):
        raise SetupProblem("'mapInputValue' property is not an object")
    otherwise = want.action.get("mapInputValueDefault", NOTHING)

    def mapped(value: object, scope: Scope) -> object:
        found = table.get(js_text(value), otherwise)
        return convert(value if found is NOTHING else found, scope)

    return mapped


# Plain types: a function of the value alone


def _text(value: object) -> object:
    if type(value) is str:
        return value
    if isinstance(value, DateCell):
        return str(value)
    return js_text(value) if isinstance(value, bool | int | float) else NOTHING


def _integer(value: object) -> object:
    if type(value) is int:
        return value if _LEAST <= value <= _MOST else INVALID
    if isinstance(value, str):
        return _integer_of(value)
    if type(value) is float:
        return int(value) if value.is_integer() and _LEAST <= value < _MOST else INVALID
    return NOTHING if value is None or value is NOTHING else INVALID


def _integer_of(text: str) -> object:
    """Reads a whole number, only in the form in which Python writes it: `007` and `+7` are none."""
    try:
        number = int(text)
    except ValueError:
        return INVALID
    return number if _LEAST <= number <= _MOST and str(number) == text else INVALID


def _number(value: object) -> object:
    if value is None or value is NOTHING:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return INVALID
    if isinstance(value, str) and not _NUMBER(value):
        return INVALID
    try:
        number = float(value)
    except OverflowError:
        return INVALID
    if not math.isfinite(number):
        return INVALID
    return number if -_EXACT < number < _EXACT or _is_exact(value, number) else Rounded(number)


def _is_exact(value: int | float | str, number: float) -> bool:
    """Whether a number is a whole number as it was written. Fractions and exponents are approximations anyway."""
    if not isinstance(value, str):
        return number == value  # Python compares int and float exactly
    digits = value.lstrip("+-").lstrip("0")
    return not digits.isdigit() or int(digits) == abs(number)


MakePlainType = Callable[[Mapping[str, object]], PlainType]


def _marked(type_: MakePlainType) -> MakePlainType:
    """Gives a type of numbers the option `decimal`: the decimal mark of texts, whose digits may then be grouped."""

    def marked(action: Mapping[str, object]) -> PlainType:
        unmarked, mark = type_(action), action.get("decimal")
        if mark is None:
            return unmarked
        if mark not in DECIMAL_MARKS:
            raise SetupProblem(f"Unknown decimal mark for {{src}}: {js_text(mark)}, should be one of {MARKS_SHOWN}")
        written = localised(js_text(mark))
        return unmarked._replace(
            convert=lambda value: unmarked.convert(written(value) if type(value) is str else value)
        )

    return marked


def _of_text(plain: Callable[[str], object]) -> PlainConverter:
    """Makes a type of texts accept a number or a boolean as its text. Where that text is invalid, there is no value."""

    def of_text(value: object) -> object:
        if isinstance(value, str):
            return plain(value)
        if not isinstance(value, bool | int | float):
            return NOTHING
        stored = plain(js_text(value))
        return NOTHING if stored is INVALID else stored

    return of_text


@_of_text
def _email_address(value: str) -> object:
    return str(value) if value.find("@") > 0 else INVALID


@_of_text
def _url(value: str) -> object:
    return str(value) if _SCHEME(value) else INVALID


def _truthy_text(value: object) -> object:
    return NOTHING if isinstance(value, list | dict | Ref) or not is_truthy(value) else js_text(value)


def _configuration_name(value: object) -> object:
    text = _truthy_text(value)
    return text if text is NOTHING or _CONFIGURATION_NAME(js_text(text)) else INVALID


def _json(value: object) -> object:
    """Takes JSON text as bytes, from a reader that has it already, or an object or a list."""
    if type(value) is bytes:
        return value.decode()
    if not isinstance(value, dict | list):
        return NOTHING
    return json_text(value) or INVALID


def _boolean(action: Mapping[str, object]) -> PlainType:
    yes, no = action.get("trueValue", "true"), action.get("falseValue", "false")
    if isinstance(yes, list) and isinstance(no, list):
        return PlainType(_of_words(yes, no), "Invalid boolean value for")

    def compared(value: object) -> object:
        if value is True or identical(value, yes):
            return 1
        return 0 if value is False or identical(value, no) else INVALID

    def plain(value: object) -> object:
        # nearly all values are texts, for which `==` gives the same result and is faster
        return (1 if value == yes else 0 if value == no else INVALID) if type(value) is str else compared(value)

    return PlainType(plain, "Invalid boolean value for")


def _of_words(yes: list[object], no: list[object]) -> PlainConverter:
    """Reads a boolean that several words may stand for, in any case. A number is taken as its text."""
    words = {js_text(word).casefold(): 1 for word in yes} | {js_text(word).casefold(): 0 for word in no}

    def plain(value: object) -> object:
        if isinstance(value, bool):
            return int(value)
        text = js_text(value) if isinstance(value, int | float | str) else ""
        return words.get(text.strip().casefold(), INVALID)

    return plain


def _datetime(action: Mapping[str, object]) -> PlainType:
    message = "Invalid date value for"
    if action.get("action") == "if-has-value":  # it only asks whether there is a value
        return PlainType(lambda value: NOTHING, message)
    pattern = action.get("dateFormat")
    if not isinstance(pattern, str):
        raise SetupProblem("Date format not specified for {src}")
    try:
        parse = date_parser(pattern, whole=action.get(WHOLE_TEXT) is True)
    except ValueError as reason:
        raise SetupProblem(f"Invalid date format for {{src}}: {pattern} ({reason})") from reason
    of_cell, of_text = date_parser(ISO_8601), _of_text(lambda text: parse(text) or INVALID)

    def plain(value: object) -> object:
        if isinstance(value, DateCell):  # a date cell needs no `dateFormat`, which is for texts
            return of_cell(value) or INVALID
        return of_text(value)

    return PlainType(plain, message)


def _telephone_number(action: Mapping[str, object]) -> PlainType:
    country = action.get("country") or "GB"
    code = dialling_code(country.upper()) if isinstance(country, str) else 0
    if not code:
        raise SetupProblem(f"Unknown country for {{src}}: {js_text(country)}, should be a two letter code like GB")

    plain = _of_text(lambda text: export_form(text, code) or INVALID)
    return PlainType(plain, "Invalid telephone number for")


def _always(convert: PlainConverter, message: str = "") -> Callable[[Mapping[str, object]], PlainType]:
    plain_type = PlainType(convert, message)
    return lambda action: plain_type


PLAIN_TYPES: Mapping[str, Callable[[Mapping[str, object]], PlainType]] = {
    "text": _always(_text),
    "boolean": _boolean,
    "integer": _marked(_always(_integer, "Invalid integer for")),
    "number": _marked(_always(_number, "Invalid number for")),
    "decimal": _marked(decimal_type),
    "date": day_type,
    "datetime": _datetime,
    "json": _always(_json, "Invalid JSON value for"),
    "email-address": _always(_email_address, "Invalid email address for"),
    "url": _always(_url, "Invalid URL for"),
    "telephone-number": _telephone_number,
    "text-paragraph": _always(_truthy_text),
    "text-multiline": _always(_truthy_text),
    "isbn": _always(_truthy_text),
    "configuration-name": _always(_configuration_name, "Invalid configuration name for"),
}
"""By type, a function that makes its conversion from the instruction's options. It raises SetupProblem for bad options.

What the input may hold, and what is stored (None and "" are no value, and neither a warning nor an error):

| type | takes | stores | anything else |
|---|---|---|---|
| text | text, number, boolean, date cell | its text as JavaScript writes it | a warning |
| boolean | true, false, `trueValue`, `falseValue` | 1 or 0 | an error |
| integer | whole number of 64 bits, or its plain text | the number | an error |
| number | finite number, or its text | a float; a whole number that is rounded: with a warning | an error |
| decimal | number, or its text, up to 1,000 digits | text with the same digits | an error |
| date | text in `dateFormat` or ISO 8601, date cell at 00:00 | text, `2024-02-29` | an error |
| datetime | text or number in `dateFormat`, date cell | text, ISO 8601 in UTC | text: an error; else a warning |
| json | object, list | compact JSON text | too deep: an error; else a warning |
| email-address, url | text with `@` after its start; with a scheme | the text | text: an error; else a warning |
| telephone-number | text or number that is one number of `country` | `+CODE NUMBER` | text: an error; else a warning |
| text-paragraph, text-multiline, isbn | any true text, number or boolean | its text | a warning |
| configuration-name | the same, in the form `example:name` | its text | a list or object: a warning; else an error |
"""


# Types that need more than the value


def _reporting(want: Want) -> Converter:
    """Returns the converter of a plain type."""
    plain, message = PLAIN_TYPES[want.name.type](want.action)
    src = want.src

    def convert(value: object, scope: Scope) -> object:
        stored = plain(value)
        if stored is INVALID:
            return Lost(complaint(message, src, value))
        if type(stored) is Rounded:
            want.lose(scope, value, f"cannot be stored exactly, becomes {js_text(stored.stored)}; {_EXACT_TYPES}")
            return stored.stored
        return stored

    return convert


def _decimal(want: Want) -> Converter:
    return _reporting(replace(want, action={**want.action, IN_KEY: want.name.in_key}))


def _object_type(want: Want) -> Converter:
    known = known_types(want.setup.models)

    def convert(value: object, scope: Scope) -> object:
        return value if isinstance(value, str) and value in known else NOTHING

    return convert


TYPES: Mapping[str, Callable[[Want], Converter]] = {
    **dict.fromkeys(PLAIN_TYPES, _reporting),
    **STRUCTURED,
    "decimal": _decimal,
    "ref": ref_converter,
    "object-type": _object_type,
}
