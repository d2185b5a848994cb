"""Names of type date and decimal: what is stored, what is refused, and that equal keys are equal texts."""

import pytest

from server.cells import DateCell
from server.mapping.model.model import Model, Name, parse_model
from server.mapping.values.javascript import INVALID, NOTHING
from server.mapping.values.setup import Setup, SetupProblem
from server.mapping.values.values import PLAIN_TYPES, converter
from tests.support.mapping_world import RecordScope, World

MODEL = {
    "name": "shop",
    "destinations": [
        {
            "name": "price",
            "table": "prices",
            "kind": "dictionary",
            "key": ["amount"],
            "names": {"amount": {"type": "decimal"}, "net": {"type": "decimal"}, "day": {"type": "date"}},
        }
    ],
}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("2024-02-29", "2024-02-29"),
        (DateCell("2024-02-29"), "2024-02-29"),
        (DateCell("2024-02-29T00:00:00"), "2024-02-29"),
        ("2024-02-29T00:00:00Z", "2024-02-29"),
        ("2024-02-29T00:00:00+02:00", "2024-02-29"),
        (DateCell("2024-02-29T10:00:00"), INVALID),
        ("2024-02-29T10:00:00Z", INVALID),
        ("2023-02-29", INVALID),
        ("29/02/2024", INVALID),
        ("yesterday", INVALID),
        (45000, INVALID),
        (True, INVALID),
        (None, NOTHING),
    ],
)
def test_a_day(value: object, stored: object) -> None:
    assert PLAIN_TYPES["date"]({}).convert(value) == stored


@pytest.mark.parametrize(
    ("pattern", "value", "stored"),
    [
        ("dd/MM/yyyy", "29/02/2024", "2024-02-29"),
        ("yyyyMMdd", 20240229, "2024-02-29"),
        ("dd/MM/yyyy HH:mm", "29/02/2024 00:00", "2024-02-29"),
        ("dd/MM/yyyy HH:mm", "29/02/2024 10:00", INVALID),
        ("dd/MM/yyyy", "2024-02-29", INVALID),
        ("dd/MM/yyyy", "29/02/2024 10:00", INVALID),
        ("dd/MM/yyyy", "29/02/2024 00:00", "2024-02-29"),
        ("dd/MM/yyyy", "29/02/2024 or later", INVALID),
        ("dd/MM/yyyy", DateCell("2024-02-29"), "2024-02-29"),
    ],
)
def test_a_day_as_the_column_writes_it(pattern: str, value: object, stored: object) -> None:
    assert PLAIN_TYPES["date"]({"dateFormat": pattern}).convert(value) == stored


@pytest.mark.parametrize("pattern", [5, "yyyy-bb", "'"])
def test_a_format_of_days_that_cannot_be_used(pattern: object) -> None:
    with pytest.raises(SetupProblem, match="Invalid date format for"):
        PLAIN_TYPES["date"]({"dateFormat": pattern})


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("1.10", "1.10"),
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        (" -007.50 ", "-7.50"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1E3", "1000"),
        ("1.5e-7", "0.00000015"),
        ("-0.00", "0.00"),
        (19.9, "19.9"),
        (1e-07, "0.0000001"),
        (12345678901234567, "12345678901234567"),
        ("1e9999", INVALID),
        ("9" * 1001, INVALID),
        ("1,5", INVALID),
        ("1_000", INVALID),
        ("NaN", INVALID),
        ("Infinity", INVALID),
        ("٣", INVALID),
        (float("nan"), INVALID),
        (True, INVALID),
        (DateCell("2024-02-29"), INVALID),
        ("x", INVALID),
        (None, NOTHING),
    ],
)
def test_a_decimal(value: object, stored: object) -> None:
    assert PLAIN_TYPES["decimal"]({}).convert(value) == stored


def stored_as(name: str, value: object) -> object:
    model = parse_model(MODEL, "shop.json")
    setup = Setup(model=model, models={"shop": model}, mapping={}, report=pytest.fail)
    convert = converter({}, name_of(model, name), f"input field {name}", setup)
    assert convert is not None
    return convert(value, RecordScope(World()))


def name_of(model: Model, name: str) -> Name:
    return model.destinations["price"].names[name]


@pytest.mark.parametrize("value", ["1.10", "1.1", "01.100", "11E-1", 1.1])
def test_equal_decimals_of_a_key_are_equal_texts(value: object) -> None:
    assert stored_as("amount", value) == "1.1"


@pytest.mark.parametrize(("value", "stored"), [("100", "100"), ("100.00", "100"), ("-0.0", "0"), ("0", "0")])
def test_whole_decimals_of_a_key(value: object, stored: str) -> None:
    assert stored_as("amount", value) == stored


def test_other_decimals_keep_their_digits() -> None:
    assert stored_as("net", "1.10") == "1.10"
    assert name_of(parse_model(MODEL, "shop.json"), "day").kind == "text"


@pytest.mark.parametrize(("whole", "stored"), [(True, INVALID), (False, "2024-02-29T00:00:00Z")])
def test_a_moment_of_a_process_loses_no_time_behind_its_date(whole: bool, stored: object) -> None:
    plain_type = PLAIN_TYPES["datetime"]({"dateFormat": "dd/MM/yyyy", "wholeText": whole})
    assert plain_type.convert("29/02/2024 10:00") == stored
    assert plain_type.convert("29/02/2024 00:00") == "2024-02-29T00:00:00Z"
