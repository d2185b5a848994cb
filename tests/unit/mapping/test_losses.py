"""No value of a record is lost without a word: what is not stored is a loss that names it, or its record fails."""

from typing import Any

import pytest

from server.mapping.language.processes import parse_process
from server.mapping.model.scope import Loss
from server.mapping.program.compile import compile_control
from server.readers.formats import FORMATS
from tests.support.mapping_world import changed, destination, field_of, job, model, name, new

THING = destination(
    "thing",
    name("code"),
    name("size", "integer"),
    name("price", "number"),
    name("open", "boolean"),
    name("made", "datetime"),
    name("tags", multivalue=True),
    name("kind", "object-type"),
    name("who", "person-name"),
    name("owner", "ref", refers_to="thing"),
    kind="dictionary",
    key=("code",),
)
MODEL = model(THING)
CODE = field_of("code", "thing", "code")


def lost(record: Any, *instructions: Any, **options: Any) -> list[Any]:
    """The losses of a record that is stored all the same, as (source, value)."""
    work = job(MODEL, new("thing"), CODE, *instructions, **options)
    assert not work.run(record).aborted
    return [(loss.source, loss.value) for loss in work.losses]


def to(source: str, name: str, **options: Any) -> dict[str, Any]:
    return {**field_of(source, "thing", name), **options}


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, str(2**53 + 1), f"+00{2**53 + 1}", 2**63 - 1])
def test_a_whole_number_that_loses_digits_is_stored_with_a_loss(value: int | str) -> None:
    work = job(MODEL, new("thing"), CODE, to("v", "price"))
    (change,) = work.run({"code": "a", "v": value}).changes
    assert change.values["price"] == float(value)
    ((source, shown),) = [(loss.source, loss.value) for loss in work.losses]
    assert (source, shown) == ("v", str(value))
    assert "cannot be stored exactly" in work.losses[0].what


@pytest.mark.parametrize("value", [2**53, -(2**53), str(2**53), 2**60, "0.12345678901234567890", "1e300", 1e300])
def test_other_numbers_are_stored_without_a_loss(value: float | str) -> None:
    assert lost({"code": "a", "v": value}, to("v", "price")) == []


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("many", to("v", "size")),
        ([1, 2], to("v", "code")),
        ({"a": 1}, to("v", "code")),
        ("x", to("v", "open")),
        (False, to("v", "open")),
        ("31/01/2026", to("v", "made", dateFormat="yyyy-MM-dd")),
        (45000, to("v", "made", dateFormat="yyyy-MM-dd")),
        ("no:type", to("v", "kind")),
        ("12", to("v", "owner")),
        ("12", to("v", "owner", filters=["haplo:string-to-ref"])),
        ("nobody", to("v", "owner", filters=["haplo:username-to-ref"])),
        ("Ada", to("v", "who")),
        ({"first": "Ada"}, to("v", "who")),
    ],
)
def test_a_value_that_does_not_come_through_is_a_loss(value: Any, field: Any) -> None:
    ((source, shown),) = lost({"code": "a", "v": value}, field)
    assert source == "v"
    assert shown == (value if isinstance(value, str) else shown)


def test_a_loss_says_where_it_was_going_and_what_would_be_right() -> None:
    work = job(MODEL, new("thing"), CODE, to("v", "size"))
    work.run({"code": "a", "v": "many"})
    what = "is not stored as integer, should be a whole number such as 1250"
    assert work.losses == [Loss(what, "v", "many", "thing", "size")]
    assert work.losses[0].sentence == f'v: "many" {what}'


@pytest.mark.parametrize("value", ["", None, [], {}, False])
def test_what_is_no_value_is_no_loss(value: Any) -> None:
    assert lost({"code": "a", "v": value}, to("v", "tags")) == []


def test_a_part_that_a_name_does_not_have_is_a_loss() -> None:
    record = {"code": "a", "v": {"last": "B", "nick": "Bo", "first": ["A"]}}
    assert lost(record, to("v", "who")) == [("v", '{"nick":"Bo"}'), ("v", '{"first":["A"]}')]


def test_a_second_value_of_the_input_replaces_the_first_and_that_is_told() -> None:
    assert lost({"code": "a", "one": "1", "two": 2}, to("one", "size"), to("two", "size")) == [("one", "1")]
    assert lost({"code": "a", "one": "1", "two": 1}, to("one", "size"), to("two", "size")) == []
    several = [{**to("one", "tags"), "multivalue": True}, {**to("two", "tags"), "multivalue": True}]
    assert lost({"code": "a", "one": "1", "two": "2"}, *several) == []
    default = {"action": "set-value", "destination": "thing", "name": "size", "value": 3}
    assert lost({"code": "a", "two": 2}, default, to("two", "size")) == []


def test_two_parts_of_a_record_for_one_row_are_told_apart() -> None:
    each = {
        "action": "for-each",
        "source": "things",
        "instructions": [{"action": "upsert", "destination": "thing"}, CODE, to("size", "size")],
    }
    work = job(MODEL, each)
    work.run({"things": [{"code": "a", "size": 1}, {"code": "a", "size": 2}, {"code": "b", "size": 1}]})
    assert [(loss.source, loss.value) for loss in work.losses] == [("size", "1")]


@pytest.mark.parametrize(("value", "shown"), [("one", "one"), (5, "5"), (True, "true")])
def test_what_is_no_list_is_told_where_a_list_is_read(value: str | int, shown: str) -> None:
    each = {"action": "for-each", "source": "v", "instructions": [new("thing"), CODE]}
    within = {"action": "within", "source": "v", "instructions": [to("size", "size")]}
    assert lost({"code": "a", "v": value}, each) == [("v", shown)]
    assert lost({"code": "a", "v": value}, within) == [("v", shown)]
    assert lost({"code": "a", "v": [value]}, each) == [("v", shown)]


def test_a_constant_that_cannot_be_stored_is_told_once() -> None:
    constant = {"action": "set-value", "destination": "thing", "name": "kind", "value": "no:type"}
    work = job(MODEL, new("thing"), CODE, constant)
    assert [len((work.run({"code": code}), work.losses)[1]) for code in "abc"] == [1, 0, 0]


# the short form


def short(**options: Any) -> Any:
    document = {"id": "p", "model": MODEL.name, "destination": "thing", "read": "json", "write": "create", **options}
    return parse_process(document, "p.json", {MODEL.name: MODEL}, formats=FORMATS, load_control={}.__getitem__).control  # type: ignore[arg-type]


class Short:
    """A process in short form at work."""

    def __init__(self, **options: Any) -> None:
        self.job = job(MODEL)
        self.job.program = compile_control(short(**options), MODEL, {MODEL.name: MODEL})

    def stored(self, **record: Any) -> Any:
        result = self.job.run({"code": "a", **record})
        return None if result.aborted else {k: v for k, v in result.changes[0].values.items() if k != "code"}


@pytest.mark.parametrize(
    ("source", "value", "right"),
    [
        ("size", "1,5", "a whole number such as 1250"),
        ("size", False, "a whole number such as 1250"),
        ("price", "1,250.00", "a number such as 1250.5; where digits are grouped or the decimal mark is another"),
        ("price", 2**53 + 1, "cannot be stored exactly, becomes 9007199254740992; the types integer and decimal"),
        ("made", "31/01/2026", "a date such as 2026-01-31T10:15:00Z; where dates are written otherwise"),
        ("open", "perhaps", "one of true/yes/1 and false/no/0"),
        ("who", "Ada", "an object with title, first, middle, last, suffix"),
        ("code", ["a", "b"], "a text, a number, true or false"),
    ],
)
def test_a_value_that_cannot_be_stored_fails_its_record_and_says_what_is_right(
    source: str, value: str | bool | list[str], right: str
) -> None:
    process = Short()
    assert process.stored(**{source: value}) is None
    *of_the_vendor, message = process.job.messages
    assert [text.split(" ")[0] for text in of_the_vendor] in ([], ["Invalid"])
    assert message.startswith(f"{source}: ")
    assert right in message
    assert message.endswith(". The record is not stored")


def test_with_drop_the_record_is_stored_and_the_value_told() -> None:
    process = Short(on_bad_value="drop")
    assert process.stored(size="many", price=2) == {"price": 2.0}
    assert [loss.source for loss in process.job.losses] == ["size"]
    assert process.job.messages == ["Invalid integer for input field size: many"]


@pytest.mark.parametrize("yes", ["true", "TRUE", "Yes", "1", 1, True, " yes "])
@pytest.mark.parametrize("no", ["false", "No", "NO", "0", 0, False])
def test_words_of_booleans(yes: str | int, no: str | int) -> None:
    process = Short()
    assert (process.stored(open=yes), process.stored(open=no)) == ({"open": 1}, {"open": 0})


def test_false_is_a_value_for_every_type_that_it_fits() -> None:
    assert changed(Short().job.run({"code": False})) == [("thing", "insert", 100, {"code": "false"})]
    assert Short().stored(tags=[False, "x"]) == {"tags": '["false","x"]'}


def test_words_of_its_own_hold_for_numbers_and_in_any_case() -> None:
    process = Short(columns={"code": "code", "open": {"name": "open", "trueValue": "1", "falseValue": "N"}})
    assert (process.stored(open=1), process.stored(open="n")) == ({"open": 1}, {"open": 0})
    assert process.stored(open="yes") is None


def test_dates_and_numbers_as_a_country_writes_them() -> None:
    columns = {"code": "code", "made": {"name": "made", "format": "dd/MM/yyyy"}, "price": "price", "size": "size"}
    process = Short(columns=columns, decimal=",")
    assert process.stored(made="31/01/2026", price="1.250,50", size="1.250") == {
        "made": "2026-01-31T00:00:00Z",
        "price": 1250.5,
        "size": 1250,
    }
    assert process.stored(price=2.5) == {"price": 2.5}
    assert process.stored(price="1 250,5") == {"price": 1250.5}
    assert process.stored(price="-0,5") == {"price": -0.5}
    for wrong in ("1250.50", "1,250.00", "12.50", "1.25,0,0", "1..250", "12 50,0", "1e", "", " "):
        assert process.stored(price=wrong, size=1) == ({"size": 1} if not wrong else None)


def test_a_column_may_have_a_decimal_mark_of_its_own() -> None:
    process = Short(columns={"code": "code", "price": {"name": "price", "decimal": "."}}, decimal=",")
    assert process.stored(price="1,250.00") == {"price": 1250.0}


@pytest.mark.parametrize(
    "wrong", [{"decimal": ";"}, {"on_bad_value": "warn"}, {"columns": {"p": {"name": "price", "decimal": 1}}}]
)
def test_a_wrong_option_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="should be one of"):
        short(**wrong)


@pytest.mark.parametrize("record", [None, 5, "x", [], ["a"], True])
def test_a_record_that_is_no_object_fails(record: Any) -> None:
    process = Short()
    assert process.job.run(record).aborted
    assert process.job.messages[0].startswith("The record is no object with names and values: ")


def test_a_value_that_is_no_list_is_the_only_one_of_several() -> None:
    process = Short()
    assert process.stored(tags="one") == {"tags": '["one"]'}
    assert process.stored(tags=["one", "two"]) == {"tags": '["one","two"]'}
    assert process.stored(tags=[["one"]]) is None
