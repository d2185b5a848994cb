"""The control file's checks: every message, word for word, and their order."""

from typing import Any

import pytest

from server.mapping.language.control import ACTIONS, parse_control, validate
from server.mapping.model.model import Destination, Model, Name
from server.mapping.model.scope import RunFault

MODELS = {"m": Model("m", {})}
READERS = {
    "json": lambda options: None,
    "tsv-with-name-row": lambda options: "no such charset" if "charset" in options else None,
}
OVERWRITTEN = (
    "Assigning values within for-each without a new/load statement or setting multivalue property will result in "
    "overwritten data"
)
FIELD = {"source": "s", "destination": "d", "name": "n"}


def control(**changes: Any) -> dict[Any, Any]:
    document = {
        "dataImportControlFileVersion": 0,
        "model": "m",
        "files": {"DEFAULT": {"read": "json"}},
        "instructions": [FIELD],
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not ...}


def check(document: Any) -> Any:
    return validate(document, MODELS, readers=READERS, processors=("joins",))


def check_instructions(*instructions: Any) -> Any:
    return check(control(instructions=list(instructions)))


ALL = [
    "Not a control file",
    "Control file does not specify model in the model property",
    "Control file does not specify processing instructions in the instructions property",
    "Control file does not have files property",
]


def test_nothing_wrong() -> None:
    assert check(control(comment="ignored", recordProcessor="joins", mapping={})) == []


@pytest.mark.parametrize("document", [{}, [], None, 5, "text", True])
def test_no_control_file_at_all(document: Any) -> None:
    assert check(document) == ALL


@pytest.mark.parametrize("version", ["0", 1, False, None, "", [], 0.5])
def test_bad_version(version: Any) -> None:
    assert check(control(dataImportControlFileVersion=version)) == ["Bad version of control file, should be 0"]


@pytest.mark.parametrize("version", [0, 0.0, -0.0])
def test_good_version(version: float) -> None:
    assert check(control(dataImportControlFileVersion=version)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataImportControlFileVersion": ...}, "Not a control file"),
        ({"model": ...}, "Control file does not specify model in the model property"),
        ({"model": "x"}, "Model not implemented: x"),
        ({"model": None}, "Model not implemented: null"),
        ({"model": ["m"]}, "Model not implemented: m"),
        ({"instructions": ...}, ALL[2]),
        ({"instructions": {}}, "'instructions' property is not an array"),
        ({"instructions": "text"}, "'instructions' property is not an array"),
        ({"files": ...}, "Control file does not have files property"),
        ({"files": []}, "'files' property is not an object"),
        ({"files": {"a": {}}}, "Reader not specified for file a"),
        ({"files": {"a": 5}}, "Reader not specified for file a"),
        ({"files": {"a": {"read": "x"}}}, "Unknown reader for file a: x"),
        ({"files": {"a": {"read": None}}}, "Unknown reader for file a: null"),
        ({"files": {"a": {"read": "x"}, "b": {}, "c": {"read": "json"}}}, "Reader not specified for file b"),
        (
            {"files": {"a": {"read": "tsv-with-name-row", "charset": "x"}}},
            "Bad options for file a: no such charset",
        ),
        ({"recordProcessor": "x"}, "Unknown record processor specified in recordProcessor property: x"),
        ({"recordProcessor": None}, "Unknown record processor specified in recordProcessor property: null"),
        ({"recordProcessor": ["joins"]}, "Unknown record processor specified in recordProcessor property: joins"),
    ],
)
def test_one_message(changes: dict[str, Any], message: Any) -> None:
    assert check(control(**changes)) == [message]


@pytest.mark.parametrize("instructions", [None, [], False])
def test_no_instructions_are_no_fault(instructions: list[Any] | bool | None) -> None:
    assert check(control(instructions=instructions)) == []


def test_all_checks_run_in_order() -> None:
    document = {
        "dataImportControlFileVersion": 7,
        "model": "x",
        "files": {"a": {}},
        "instructions": [{"action": "x"}],
        "recordProcessor": "y",
    }
    assert check(document) == [
        "Bad version of control file, should be 0",
        "Model not implemented: x",
        "Unknown action in instruction: x",
        "Reader not specified for file a",
        "Unknown record processor specified in recordProcessor property: y",
    ]


@pytest.mark.parametrize("action", [a for a, rule in ACTIONS.items() if rule.required])
def test_missing_properties(action: Any) -> None:
    names = ", ".join(ACTIONS[action].required)
    assert check_instructions({"action": action}) == [f"Expected property not found in {action} instruction: {names}"]
    first, *rest = ACTIONS[action].required
    if rest:
        assert check_instructions({"action": action, first: None}) == [
            f"Expected property not found in {action} instruction: {', '.join(rest)}"
        ]


@pytest.mark.parametrize(
    ("action", "required"),
    [
        ("field", ("source", "destination", "name")),
        ("field-structured", ("structured", "destination", "name")),
        ("set-value", ("destination", "name", "value")),
        ("remove-values", ("destination", "name")),
        ("if-exists", ("source",)),
        ("if-value-one-of", ("source",)),
        ("if-has-value", ("destination", "name")),
        ("within", ("source",)),
        ("for-each", ("source",)),
        ("new", ("destination",)),
        ("load", ("destination", "using")),
        ("assert-destination", ("destination", "exists")),
        ("abort-record", ("message",)),
        ("log-error", ("message",)),
        ("upsert", ("destination",)),
        ("delete", ("destination", "using")),
    ],
)
def test_the_table_of_actions(action: str, required: tuple[str, ...]) -> None:
    assert ACTIONS[action].required == required


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ({"action": "jump"}, "Unknown action in instruction: jump"),
        ({"action": 5}, "Unknown action in instruction: 5"),
        ({"action": ["field"], "source": "s"}, "Expected property not found in field instruction: destination, name"),
        ({"action": "set-attribute-group"}, "Unknown action in instruction: set-attribute-group"),
        ({"action": "toString"}, "Unknown action in instruction: toString"),
        ({"action": ""}, "Expected property not found in field instruction: source, destination, name"),
        ("text", "Instruction is not an object: text"),
        (None, "Instruction is not an object: null"),
        ({**FIELD, "filters": "x"}, "'filters' property is not an array"),
        ({**FIELD, "filters": None}, "'filters' property is not an array"),
        ({**FIELD, "filters": ["haplo:to-string", "x", "y"]}, "Filter x is not available."),
        ({**FIELD, "filters": [5]}, "Filter 5 is not available."),
        (
            {"action": "set-value", "destination": "d", "name": "n", "value": 1, "filters": ["x"]},
            "Filter x is not available.",
        ),
        (
            {"action": "field-structured", "destination": "d", "name": "n", "structured": "s", "filters": 1},
            "'filters' property is not an array",
        ),
    ],
)
def test_a_wrong_instruction(instruction: dict[str, Any] | str | None, message: str) -> None:
    assert check_instructions(instruction) == [message]


@pytest.mark.parametrize(
    ("outer", "key"),
    [
        ({"action": "if-exists", "source": "s"}, "then"),
        ({"action": "if-exists", "source": "s"}, "else"),
        ({"action": "if-value-one-of", "source": "s"}, "then"),
        ({"action": "if-value-one-of", "source": "s"}, "else"),
        ({"action": "if-has-value", "destination": "d", "name": "n"}, "then"),
        ({"action": "if-has-value", "destination": "d", "name": "n"}, "else"),
        ({"action": "within", "source": "s"}, "instructions"),
        ({"action": "for-each", "source": "s"}, "instructions"),
        ({"action": "load", "destination": "d", "using": "u"}, "otherwise"),
    ],
)
def test_nested_instructions_are_checked(outer: dict[str, Any], key: str) -> None:
    assert check_instructions({**outer, key: [{"action": "x"}]}) == ["Unknown action in instruction: x"]
    assert check_instructions({**outer, key: {}}) == [f"'{key}' property is not an array"]
    assert check_instructions({**outer, key: None}) == []


def test_the_first_fault_counts_depth_first() -> None:
    nested = {"action": "if-exists", "source": "s", "then": [{"action": "inner"}]}
    assert check_instructions(nested, {"action": "outer"}) == ["Unknown action in instruction: inner"]
    assert check_instructions({"action": "outer"}, nested) == ["Unknown action in instruction: outer"]


def test_properties_are_checked_before_the_rule_of_for_each_and_that_before_filters() -> None:
    assert for_each({"destination": "d"}) == ["Expected property not found in field instruction: source, name"]
    assert for_each({**FIELD, "filters": ["x"]}) == [OVERWRITTEN]
    assert for_each({**FIELD, "filters": ["x"], "multivalue": True}) == ["Filter x is not available."]


def test_instructions_nested_beyond_reason() -> None:
    deep = FIELD
    for _ in range(63):
        deep = {"action": "within", "source": "s", "instructions": [deep]}  # type: ignore[dict-item]
    assert check_instructions(deep) == []
    deep = {"action": "within", "source": "s", "instructions": [deep]}  # type: ignore[dict-item]
    assert check_instructions(deep) == ["Instructions are nested more than 64 deep"]


# for-each


def for_each(*instructions: Any) -> Any:
    return check_instructions({"action": "for-each", "source": "s", "instructions": list(instructions)})


NEW = {"action": "new", "destination": "d"}
SET = {"action": "set-value", "destination": "d", "name": "n", "value": 1}
STRUCTURED = {"action": "field-structured", "structured": "value:x", "destination": "d", "name": "n"}


@pytest.mark.parametrize(
    "instructions",
    [
        (FIELD,),
        (SET,),
        (STRUCTURED,),
        ({**FIELD, "multivalue": 0},),
        (FIELD, NEW),
        ({**NEW, "destination": "other"}, FIELD),
        ({**FIELD, "destination": "value:person-name"},),
        ({"action": "if-exists", "source": "s", "then": [FIELD]},),
        (NEW, {"action": "for-each", "source": "s", "instructions": [FIELD]}),
    ],
)
def test_for_each_would_overwrite(instructions: tuple[Any, ...]) -> None:
    assert for_each(*instructions) == [OVERWRITTEN]


@pytest.mark.parametrize(
    "instructions",
    [
        (NEW, FIELD, SET, STRUCTURED),
        ({"action": "load", "destination": "d", "using": "u"}, FIELD),
        ({"action": "upsert", "destination": "d"}, FIELD),
        ({**FIELD, "multivalue": True},),
        ({**FIELD, "multivalue": "yes"},),
        ({**FIELD, "destination": "load:by-ref"},),
        (NEW, {**FIELD, "destination": "value:x", "multivalue": True}),
        (NEW, {"action": "if-exists", "source": "s", "then": [FIELD], "else": [SET]}),
        ({"action": "if-exists", "source": "s", "then": [NEW]}, FIELD),
        (NEW, {"action": "within", "source": "s", "instructions": [FIELD]}),
        ({"action": "remove-values", "destination": "d", "name": "n"},),
    ],
)
def test_for_each_would_not_overwrite(instructions: tuple[Any, ...]) -> None:
    assert for_each(*instructions) == []


def test_outside_for_each_anything_may_be_set() -> None:
    assert check_instructions(FIELD, FIELD, SET) == []


# the parsed form


def test_every_instruction_gets_its_action() -> None:
    parsed = parse_control(
        control(
            instructions=[
                {**FIELD, "action": None},
                {"action": "if-exists", "source": "s", "then": [FIELD], "else": None},
            ]
        )
    )
    assert parsed.instructions == [
        {**FIELD, "action": "field"},
        {"action": "if-exists", "source": "s", "then": [{**FIELD, "action": "field"}], "else": []},
    ]
    assert (parsed.model, parsed.record_processor, parsed.mapping) == ("m", None, {})


def test_a_file_without_an_entry_uses_default() -> None:
    parsed = parse_control(control(files={"a": {"read": "json"}, "DEFAULT": {"read": "tsv-with-name-row"}}))
    assert parsed.entry("a") == {"read": "json"}
    assert parsed.entry("b") == {"read": "tsv-with-name-row"}


def test_a_file_without_any_entry() -> None:
    with pytest.raises(RunFault) as caught:
        parse_control(control(files={"a": {"read": "json"}})).entry("b")
    assert str(caught.value) == (
        "Could not find file specification in control file for file b (and DEFAULT file entry does not exist)"
    )


OPEN = {"m": Model("m", {"free": Destination("free", "free", "dictionary", {"known": Name("known")}, open=True)})}


def check_open(*instructions: Any) -> Any:
    return validate(control(instructions=list(instructions)), OPEN, readers=READERS)


def into_free(name: Any) -> dict[str, Any]:
    return {"source": "s", "destination": "free", "name": name}


def test_an_open_destination_has_room_for_so_many_names_and_no_more() -> None:
    names = [into_free(f"n{n}") for n in range(999)]
    assert check_open(*names, into_free("known"), into_free("n1")) == []
    more = [*names, {"action": "within", "source": "x", "instructions": [into_free("one more")]}]
    assert check_open(*more) == ["Destination free would have 1,001 Names; an open destination can have 1,000 at most"]


@pytest.mark.parametrize(("one", "other", "column"), [("id", "ID", "ID_"), ("a b", "a_b", "a_b"), ("É", "é", "_")])
def test_names_of_an_open_destination_that_would_share_a_column(one: str, other: str, column: str) -> None:
    (said,) = check_open(into_free(one), into_free(other))
    assert said.startswith(f"Names {one} and {other} of destination free would share the column ")
    assert said.lower().endswith(column.lower())


def test_closed_destinations_and_odd_names_are_none_of_this() -> None:
    assert check_open({**FIELD, "name": ["x"], "destination": "free"}, {**FIELD, "destination": {}}) == []
