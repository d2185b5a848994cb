"""Rows that say which stored row they mean, and unknown columns; through the wrapped control file."""

from typing import Any

import pytest

from server.mapping.language.control import parse_control, validate
from server.mapping.language.row_control import row_control
from server.mapping.program.compile import compile_control
from server.mapping.program.fast_path import fast_path
from server.mapping.values.values import TYPES
from tests.support.mapping_world import Job, World, changed, destination, field_of, model, name, new

PERSON = destination(
    "person",
    name("name"),
    name("email"),
    name("age", "integer"),
    name("tags", multivalue=True),
    kind="dictionary",
    key=("email",),
    table="people",
)
PEOPLE = model(PERSON)
FIELDS = [field_of("Mail", "person", "email"), field_of("name", "person", "name"), field_of("age", "person", "age")]
TAGS = {
    "action": "for-each",
    "source": "tags",
    "wrapValues": True,
    "instructions": [field_of("value", "person", "tags", multivalue=True)],
}
UPSERT = {"action": "upsert", "destination": "person"}
LOAD = {"action": "load", "destination": "person", "using": "load:person"}


def control(*instructions: Any) -> dict[str, Any]:
    return {
        "dataImportControlFileVersion": 0,
        "model": PEOPLE.name,
        "files": {"DEFAULT": {"read": "csv-with-name-row"}},
        "instructions": list(instructions),
    }


def wrapped(*instructions: Any) -> Any:
    return row_control(control(*instructions), PEOPLE, "json-lines")


def job(*instructions: Any, world: Any = None) -> Job:
    program = compile_control(parse_control(wrapped(*instructions)), PEOPLE, {PEOPLE.name: PEOPLE})
    assert program.setup_messages == ()
    return Job(program, world or World())


@pytest.fixture
def world() -> Any:
    world = World()
    world.add("people", 1, name="Ada", email="ada@example.org", age=36, tags='["a","b"]')
    world.add("people", 2, name="Bob", email="bob@example.org", age=40)
    world.add("people", 3, name="Bob", email="bob2@example.org", age=40)
    return world


def test_the_wrapped_control_file_is_valid_and_reads_json_lines() -> None:
    document = wrapped(new("person"), *FIELDS, TAGS)
    assert validate(document, {PEOPLE.name: PEOPLE}, readers={"json-lines": lambda options: None}) == []
    assert document["files"] == {"DEFAULT": {"read": "json-lines"}}


def test_a_row_without_identifiers_is_what_the_process_makes_of_it(world: Any) -> None:
    result = job(new("person"), *FIELDS, world=world).run({"Mail": "eve@example.org", "name": "Eve"})
    assert changed(result) == [("person", "insert", 100, {"email": "eve@example.org", "name": "Eve"})]


@pytest.mark.parametrize("column", [":Mail", ":email"])
@pytest.mark.parametrize("ready", [[new("person")], [UPSERT], [field_of("key", "load:person", "email"), LOAD]])
def test_an_identifier_finds_the_row_to_update(world: Any, column: str, ready: list[Any]) -> None:
    work = job(*ready, *FIELDS, world=world)
    result = work.run({column: "ada@example.org", "age": "37"})
    assert changed(result) == [("person", "update", 1, {"age": 37})]
    assert work.messages == []


def test_several_identifiers_must_all_fit(world: Any) -> None:
    work = job(new("person"), *FIELDS, world=world)
    assert changed(work.run({":name": "Bob", ":email": "bob2@example.org", "age": "41"})) == [
        ("person", "update", 3, {"age": 41})
    ]
    assert work.run({":name": "Ada", ":email": "bob2@example.org", "age": "41"}).aborted
    assert work.messages == ["There is no person with email = bob2@example.org, name = Ada"]


@pytest.mark.parametrize("ready", [[new("person")], [field_of("key", "load:person", "email"), LOAD]])
def test_a_row_that_is_not_there_fails(world: Any, ready: list[Any]) -> None:
    work = job(*ready, *FIELDS, world=world)
    assert work.run({":email": "eve@example.org", "age": "1"}).aborted
    assert work.messages == ["There is no person with email = eve@example.org"]


def test_an_upsert_makes_the_row_that_is_not_there(world: Any) -> None:
    result = job(UPSERT, *FIELDS, world=world).run({":email": "eve@example.org", "age": "1"})
    assert changed(result) == [("person", "insert", 100, {"email": "eve@example.org", "age": 1})]


def test_several_rows_fail_the_row(world: Any) -> None:
    work = job(new("person"), *FIELDS, world=world)
    assert work.run({":name": "Bob", "age": "1"}).aborted
    assert work.messages == ["There is more than one person with name = Bob"]


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_identifier_fails_the_row(world: Any, blank: str | None) -> None:
    work = job(UPSERT, *FIELDS, world=world)
    assert work.run({":email": blank, ":name": "Ada", "age": "1"}).aborted
    assert work.messages == ["Column :email is blank; give it a value or leave it out"]


def test_an_identifier_that_does_not_convert_fails_the_row(world: Any) -> None:
    work = job(new("person"), *FIELDS, world=world)
    assert work.run({":age": "old", "name": "x"}).aborted
    assert work.messages[-1] == "Column :age cannot be used to find a row"


def test_the_column_of_the_key_beside_its_identifier_changes_the_key(world: Any) -> None:
    work = job(field_of("Mail", "load:person", "email"), LOAD, *FIELDS[1:], world=world)
    result = work.run({":email": "ada@example.org", "Mail": "ada@example.com"})
    assert changed(result) == [("person", "update", 1, {"email": "ada@example.com"})]


def test_values_of_a_list_replace_those_of_the_row_found(world: Any) -> None:
    work = job(new("person"), *FIELDS, TAGS, world=world)
    assert changed(work.run({":email": "ada@example.org", "tags": ["c"]})) == [
        ("person", "update", 1, {"tags": '["c"]'})
    ]
    assert changed(work.run({":email": "ada@example.org", "age": "50"})) == [("person", "update", 1, {"age": 50})]


@pytest.mark.parametrize("ready", [new("person"), UPSERT])
@pytest.mark.parametrize("column", ["Foo", ":Foo", "email", "Name", ":tags"])
def test_an_unknown_column_fails_the_row(world: Any, ready: Any, column: str) -> None:
    work = job(ready, *FIELDS, world=world)
    assert work.run({"Mail": "eve@example.org", column: "x"}).aborted
    assert work.messages == [f"Unknown column {column}; this import takes Mail, name, age, :Mail, :email, :name, :age"]


def test_columns_read_by_any_instruction_are_known() -> None:
    choice = {"action": "if-exists", "source": "a", "then": [field_of("b", "person", "name")]}
    inside = {"action": "within", "source": "c", "instructions": [field_of("d", "person", "name")]}
    document = wrapped(new("person"), choice, inside)
    known = [column for column in document["instructions"][0]["columns"] if column[0] != ":"]
    assert known == ["a", "b", "c"]


@pytest.mark.parametrize("ready", [new("person"), UPSERT])
def test_plain_rows_go_the_short_way_and_odd_ones_do_not(ready: Any) -> None:
    fast = fast_path(parse_control(wrapped(ready, *FIELDS)), PEOPLE, {PEOPLE.name: PEOPLE})
    assert fast is not None
    plain = {"Mail": "a@example.org", "name": "A"}
    rows, slow = [], []  # type: ignore[var-annotated]
    fast.of_dicts([plain, {**plain, "Foo": 1}, {":email": "b@example.org"}, [], plain], 10, rows, slow)
    assert [row[-1] for row in rows] == [10, 14]
    assert slow == [1, 2, 3]


@pytest.mark.parametrize(("header", "expected"), [(["Mail", "name"], []), (["Mail", "Foo"], [0])])
def test_a_table_with_an_unknown_column_goes_the_long_way(header: list[str], expected: list[Any]) -> None:
    fast = fast_path(parse_control(wrapped(new("person"), *FIELDS)), PEOPLE, {PEOPLE.name: PEOPLE})
    rows, slow = [], []  # type: ignore[var-annotated]
    fast.of_lists(header)([["a@example.org", "x"]], 0, rows, slow)  # type: ignore[union-attr]
    assert slow == expected


def test_faults_of_the_instructions_are_told() -> None:
    faults = [
        {"action": "only-columns", "columns": "a"},
        {"action": "identify", "destination": "nobody", "columns": {}},
        {"action": "identify", "destination": "person", "columns": []},
        {"action": "identify", "destination": "person", "columns": {":x": "x"}},
    ]
    program = compile_control(control(*faults), PEOPLE, {PEOPLE.name: PEOPLE})
    assert program.setup_messages == (
        "'columns' property of only-columns is not an array",
        "Unknown destination in identify: nobody",
        "'columns' property of identify is not an object: person",
        "Unknown name in identify x for destination person",
    )


def test_names_of_every_type_leave_a_control_file_that_has_nothing_to_complain_about() -> None:
    everything = destination(
        "all", *(name(f"n {type}", type) for type in sorted(TYPES)), table="all", kind="dictionary"
    )
    document = row_control(control({"action": "new", "destination": "all"}), model(everything), "json-lines")
    program = compile_control(parse_control(document), model(everything), {})
    assert program.setup_messages == ()
    assert ":n text" in document["instructions"][0]["columns"]  # type: ignore[index]
