"""Plain control files by columns: what a client wrote is stored, compared and looked up, and never anything more."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from server.mapping.language.control import parse_control
from server.mapping.model.model import Types
from server.mapping.program.fast_path import fast_path
from tests.support.mapping_world import destination, model, name

THING = destination(
    "thing", name("code"), name("size", "integer"), name("many", multivalue=True), name("day", "datetime"),
    name("mail", "email-address", required=False), kind="dictionary", key=("code",),
)  # fmt: skip
CODE = {"source": "code", "destination": "thing", "name": "code"}
HOSTILE = [
    "{v}", "{n/a}", "{", "}", "{{}}", "x{v.__doc__[11]};raise SystemExit#", "'", '"', "\\", "\n", "\x00", "%s",
    "__import__('os').abort()", "\u2028", "\ud7ff",
]  # fmt: skip


@dataclass
class Made:
    columns: tuple[Any, ...]
    rows: list[Any] = field(default_factory=list)
    slow: list[Any] = field(default_factory=list)


def planned(*steps: Any, head: str = "new", owner: Any = THING, guard: tuple[Any, ...] | list[Any] = ()) -> Any:
    instructions = [*guard, {"action": head, "destination": owner.name}, *steps]
    control = parse_control({"model": "test:model", "files": {}, "instructions": instructions})
    one = model(owner)
    return fast_path(control, one, {one.name: one})


def made(fast: Any, records: Any, header: list[Any] | None = None, number: int = 0) -> Any:
    result = Made(fast.columns)
    rows = fast.of_dicts if header is None else fast.of_lists(header)
    rows(records, number, result.rows, result.slow)
    return result


def set_value(value: Any, name: str = "code") -> dict[str, Any]:
    return {"action": "set-value", "destination": "thing", "name": name, "value": value}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_constant_is_stored_to_the_letter(text: str) -> None:
    assert made(planned(set_value(text)), [{}]).rows == [(text, 0)]
    assert made(planned(set_value(text)), [[]], []).rows == [(text, 0)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_constant_in_place_of_false_is_stored_to_the_letter(text: str) -> None:
    either = {"action": "if-value-one-of", "source": "code", "values": [False], "then": [set_value(text)]}
    fast = planned({**either, "else": [CODE]})
    assert made(fast, [{"code": False}, {"code": "b"}, {}]) == Made(("code",), [(text, 0), ("b", 1)], [2])
    assert made(fast, [{"code": False}, {"code": False}]).rows == [(text, 0), (text, 1)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_source_is_looked_up_to_the_letter(text: str) -> None:
    fast = planned({**CODE, "source": text})
    assert made(fast, [{text: "a"}, {"v": "b"}]) == Made(("code",), [("a", 0)], [1])
    assert made(fast, [["b", "a"]], ["v", text]).rows == [("a", 0)]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_option_is_compared_to_the_letter(text: str) -> None:
    fast = planned({**CODE, "mapInputValue": {text: "{v}"}, "mapInputValueDefault": text})
    assert made(fast, [{"code": text}, {"code": "else"}]).rows == [("{v}", 0), (text, 1)]


def test_without_a_field_there_is_a_row_for_each_record() -> None:
    assert made(planned(), [{}, {"a": 1}, 5]) == Made((), [(0,), (1,)], [2])
    assert made(planned(), [], []) == Made(())
    assert made(planned(), [[], []], [], number=7) == Made((), [(7,), (8,)])


def test_of_columns_with_one_name_the_last_counts() -> None:
    assert made(planned(CODE), [["a", "b", "c"]], ["code", "code", "more"]).rows == [("b", 0)]


SIZE = {"source": "size", "destination": "thing", "name": "size"}


def test_a_record_of_which_nothing_is_read_is_left_to_the_evaluator() -> None:
    fast = planned(CODE, SIZE)
    records = [{}, {"code": "a"}, {"size": 1}, {"code": "", "size": None}, {"more": "x"}]
    assert made(fast, records) == Made(("code", "size"), [("a", None, 1), (None, 1, 2)], [0, 3, 4])
    assert made(fast, [["", ""], ["", 2]], ["code", "size"]).slow == [0]
    assert made(planned(CODE, set_value(1, "size")), [{}]).rows == [(None, 1, 0)]


def test_false_is_a_value_where_the_field_keeps_it() -> None:
    keeping = planned({**CODE, "keepFalse": True}, {**SIZE, "keepFalse": True})
    records = [{"code": False, "size": 1}, {"code": "a", "size": False}, {"code": True, "size": 2}]
    assert made(keeping, records) == Made(("code", "size"), [("false", 1, 0), ("true", 2, 2)], [1])
    flag = destination("flag", name("code"), name("on", "boolean"), kind="dictionary")
    on = {"source": "on", "destination": "flag", "name": "on"}
    code = {**CODE, "destination": "flag"}
    records = [{"code": "a", "on": True}, {"code": "b", "on": False}, {"code": "c", "on": None}]
    assert made(planned(code, on, owner=flag), records).slow == [1]
    kept = planned(code, {**on, "keepFalse": True, "trueValue": ["yes"], "falseValue": ["no"]}, owner=flag)
    assert made(kept, records) == Made(("code", "on"), [("a", 1, 0), ("b", 0, 1), ("c", None, 2)])
    assert made(kept, [{"on": "NO"}, {"on": "x"}, {"on": "Yes"}]) == Made(
        ("code", "on"), [(None, 0, 0), (None, 1, 2)], [1]
    )


def test_a_column_that_is_not_there_is_empty_or_misses_what_is_required() -> None:
    assert made(planned(CODE, SIZE), [["1"]], ["size"]).rows == [(None, 1, 0)]
    assert made(planned(CODE, head="upsert"), [["a"], ["b"]], ["more"]).slow == [0, 1]


def test_rows_that_do_not_fit_the_header_are_left_to_the_evaluator() -> None:
    assert made(planned(CODE), [["a"], [], ["a", "b"], None, ["c"]], ["code"]) == Made(
        ("code",), [("a", 0), ("c", 4)], [1, 2, 3]
    )


def test_columns_that_are_not_listed_are_left_to_the_evaluator() -> None:
    fast = planned(CODE, guard=[{"action": "only-columns", "columns": ["code"]}])
    assert made(fast, [{"code": "a"}, {"code": "b", "x": 1}, []]) == Made(("code",), [("a", 0)], [1, 2])
    assert made(fast, [["a", "b"]], ["code", "x"]).slow == [0]


def test_each_value_of_a_mixed_column_is_stored_by_its_own_type() -> None:
    sizes = [1, "2", 3.0, "x", None, "", False, 2**63, "04", [], 0, "0"]
    fast = planned({**CODE, "source": "size", "name": "size"})
    result = made(fast, [{"size": size} for size in sizes])
    assert result.rows == [(1, 0), (2, 1), (3, 2), (0, 10), (0, 11)]
    assert result.slow == [3, 4, 5, 6, 7, 8, 9]


def test_the_rows_of_several_blocks_follow_each_other() -> None:
    fast, result = planned(CODE), Made(("code",))
    fast.of_dicts([{"code": "a"}, 1], 0, result.rows, result.slow)
    fast.of_dicts([{"code": "b"}], 2, result.rows, result.slow)
    assert result == Made(("code",), [("a", 0), ("b", 2)], [1])


def test_lists_are_json() -> None:
    fast = planned({**CODE, "name": "many"})
    assert made(fast, [{"code": '"]{v}'}, {}]) == Made(("many",), [('["\\"]{v}"]', 0)], [1])


def test_dates_that_come_again_are_as_good_as_the_first() -> None:
    fast = planned({**CODE, "name": "day", "dateFormat": "yyyy-MM-dd"})
    days = ["2020-01-02", "no date", "2020-01-02", "2020-01-02", "no date", "2020-01-02"]
    result = made(fast, [{"code": day} for day in days])
    assert [row[-1] for row in result.rows] == [0, 2, 3, 5]
    assert {row[0] for row in result.rows} == {"2020-01-02T00:00:00Z"}
    assert result.slow == [1, 4]


def test_a_default_type_is_the_value_of_the_object_type_name_too() -> None:
    owner = destination(
        "thing", name("code"), name("kind", "object-type"), kind="dictionary", types=Types("{v}", ("{v}",))
    )
    fast = planned(CODE, owner=owner)
    assert made(fast, [{"code": "a"}]) == Made(("code", "_type", "kind"), [("a", "{v}", "{v}", 0)])
