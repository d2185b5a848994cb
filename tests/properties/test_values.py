"""For any input, a converter gives a stored scalar or nothing, and says so where it should."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.mapping.model.model import Destination, Model, Name, Types
from server.mapping.values.filters import FILTERS, Filters
from server.mapping.values.javascript import INVALID, NOTHING, identical, is_skipped, is_truthy, js_text
from server.mapping.values.setup import Rounded, Setup
from server.mapping.values.types.dates import date_parser
from server.mapping.values.values import PLAIN_TYPES, TYPES, converter
from tests.support.mapping_world import RecordScope, World

NAMES = {n: Name(n, column=n) for n in ("title", "code", "user", "mail")}
PEOPLE = Destination(
    "person",
    "people",
    "object",
    NAMES,
    title="title",
    types=Types("t", ("t",)),
    lookups={"behaviour": "code", "username": "user", "email": "mail"},
)
MODELS = {"m": Model("m", {"person": PEOPLE})}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
NEAR_MISSES = st.from_regex(r"[ +-]?[0-9_]{0,25}(\.[0-9]*)?(e[0-9]{1,4})?", fullmatch=True)
PHONES = st.text("+()0123456789- ext.x", max_size=30)
ADDRESSES = st.dictionaries(
    st.sampled_from(["last", "first", "country", "city", "other"]), SCALARS | st.sampled_from(["GB", "XX", "FR"])
)
VALUES = JSON | NEAR_MISSES | PHONES | ADDRESSES | st.just(NOTHING)
OPTIONS = {"dateFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSX", "mapInputValue": {"1": [1]}}


def make(type_: Any, **action: Any) -> Any:
    mapping = {
        "b": {"using": "behaviour", "values": {"1": 5}},
        "t": {"using": "title", "types": ["t"], "values": {"1": "x"}},
    }
    return converter({**OPTIONS, **action}, Name("n", type_), "x", Setup(MODELS["m"], MODELS, mapping, print))


@pytest.mark.parametrize("type_", sorted(TYPES))
@given(value=VALUES)
def test_converters_never_raise(type_: Any, value: Any) -> None:
    scope = RecordScope(World())
    stored = make(type_)(value, scope)
    assert stored is NOTHING or type(stored) in (str, int, float)
    assert len(scope.messages) <= (stored is NOTHING)


@pytest.mark.parametrize("mapping", ["b", "t"])
@given(value=VALUES)
def test_mappings_never_raise(mapping: str, value: Any) -> None:
    assert make("ref", refMapping=mapping)(value, RecordScope(World())) is NOTHING


@pytest.mark.parametrize("name", sorted(FILTERS))
@given(value=VALUES)
def test_filters_never_raise(name: Any, value: Any) -> None:
    Filters(MODELS).get(name)(value, RecordScope(World()))  # type: ignore[misc]


@pytest.mark.parametrize("type_", sorted(PLAIN_TYPES))
@given(value=VALUES)
def test_plain_types_are_what_converters_are(type_: Any, value: Any) -> None:
    scope = RecordScope(World())
    action = {key: value for key, value in OPTIONS.items() if key == "dateFormat"}
    convert = converter(action, Name("n", type_), "x", Setup(MODELS["m"], MODELS, {}, print))
    stored, plain = convert(value, scope), PLAIN_TYPES[type_](action).convert(value)  # type: ignore[misc]
    if isinstance(plain, Rounded):
        plain = plain.stored
    assert (stored, bool(scope.messages)) == ((NOTHING, True) if plain is INVALID else (plain, False))


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_of_64_bit_come_back(number: Any) -> None:
    convert, scope = make("integer", mapInputValue={}), RecordScope(World())
    assert convert(number, scope) == convert(str(number), scope) == number


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_larger_integers_are_refused(number: Any) -> None:
    convert, scope = make("integer", mapInputValue={}), RecordScope(World())
    assert convert(number, scope) is convert(str(number), scope) is NOTHING
    assert len(scope.messages) == 2


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_from_their_text(number: Any) -> None:
    convert, scope = make("number", mapInputValue={}), RecordScope(World())
    assert convert(number, scope) == number
    assert convert(js_text(number), scope) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_float_reads_as_the_same_float(number: Any) -> None:
    text = js_text(number)
    assert float(text) == number
    assert not text.endswith(".0")
    assert ("e" in text) == (number != 0 and not 1e-6 <= abs(number) < 1e21)


@given(JSON)
def test_json_comes_back(value: Any) -> None:
    stored = make("json", mapInputValue={})(value, RecordScope(World()))
    if isinstance(stored, str):
        assert json.loads(stored) == without_infinities(value)


def without_infinities(value: Any) -> Any:
    """JSON has none; what is no number is stored as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [without_infinities(one) for one in value]
    if isinstance(value, dict):
        return {key: without_infinities(one) for key, one in value.items()}
    return value


@given(
    st.datetimes(), st.sampled_from(["yyyy-MM-dd HH:mm:ss.SSS", "yyyyMMddHHmmssSSS", "EEEE d MMMM yyyy, h:mm:ss.SSS a"])
)
def test_dates_come_back(moment: Any, pattern: Any) -> None:
    written = {
        "yyyy-MM-dd HH:mm:ss.SSS": f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}",
        "yyyyMMddHHmmssSSS": f"{moment.year:04d}{moment:%m%d%H%M%S}{moment.microsecond // 1000:03d}",
        "EEEE d MMMM yyyy, h:mm:ss.SSS a": (
            f"{moment:%A} {moment.day} {moment:%B} {moment.year:04d}, "
            f"{(moment.hour - 1) % 12 + 1}:{moment:%M:%S}.{moment.microsecond // 1000:03d} {moment:%p}"
        ),
    }[pattern]
    milliseconds = moment.microsecond // 1000
    tail = f".{milliseconds:03d}Z" if milliseconds else "Z"
    assert date_parser(pattern)(written) == f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{tail}"


@given(st.text("yMdDEGuahHkKmsSzZX'-/ :.,", max_size=12), st.text("0123456789-/:. APMaprzZ+'", max_size=20))
def test_any_pattern_is_refused_or_works(pattern: Any, text: Any) -> None:
    try:
        parse = date_parser(pattern)
    except ValueError:
        return
    parsed = parse(text)
    assert parsed is None or (parsed.endswith("Z") and parsed[10] == "T")


@given(JSON, JSON)
def test_sameness_is_symmetric_and_of_one_type(a: Any, b: Any) -> None:
    assert identical(a, b) == identical(b, a)
    if identical(a, b):
        assert js_text(a) == js_text(b)


@given(JSON)
def test_what_is_passed_over_is_untrue(value: Any) -> None:
    if is_skipped(value):
        assert not is_truthy(value)
    elif not is_truthy(value):
        assert value == 0
    assert isinstance(js_text(value), str)
    assert not (isinstance(value, float) and math.isnan(value) and not is_skipped(value))
