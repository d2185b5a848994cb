"""Every instruction of the import language, and the faults that leave one out. Texts are the vendor's (Haplo)."""

from typing import Any

import pytest

from server.mapping.model.model import Types
from tests.support.mapping_world import World, changed, destination, field_of, job, model, name, new

PERSON = destination(
    "person", name("title"), name("age", "integer"), name("email", "email-address"), name("who", "person-name"),
    name("born", "datetime"), name("at", "postal-address"), name("tags", multivalue=True),
    title="title", key=("email",), table="people",
)  # fmt: skip
BOOK = destination("book", name("name"), depends="person", depends_column="author", optional=True, table="books")
PEOPLE = model(PERSON, BOOK, qualifiers=("q:alt",))
TITLE = field_of("title", "person", "title")
NEW = (new("person"), TITLE)


def world() -> Any:
    made = World()
    made.add("people", 1, title="A", age=3, email="a@x")
    made.add("people", 2, title="B", email="b@x")
    made.add("books", 5, author=2, name="old")
    return made


def setup_of(*instructions: Any, of: Any = PEOPLE) -> list[Any]:
    return list(job(of, *instructions).program.setup_messages)  # type: ignore[attr-defined]


def row(*instructions: Any, record: dict[str, Any], of: Any = PEOPLE, start: tuple[Any, ...] = NEW) -> dict[Any, Any]:
    """The values of the first change, the title left out."""
    result = job(of, *start, *instructions).run({"title": "T", **record})
    return {k: v for k, v in result.changes[0].values.items() if k != "title"}


def say(message: Any) -> dict[str, Any]:
    return {"action": "log-error", "message": message}


def said(instruction: Any, record: Any, start: tuple[Any, ...] = NEW, on: Any = None) -> Any:
    work = job(PEOPLE, *start, instruction, world=on)
    work.run({"title": "T", **record})
    return work.messages


# faults found before the first record


@pytest.mark.parametrize("action", ["field", "field-structured", "set-value", "if-has-value"])
def test_faults_of_value_instructions(action: str) -> None:
    base = {"action": action, "source": "s", "structured": "value:person-name", "value": "v"}
    assert setup_of({**base, "destination": "x", "name": "n"}) == [f"Unknown destination in {action}: x"]
    assert setup_of({**base, "destination": "person", "name": "n"}) == [
        f"Unknown name in {action} n for destination person"
    ]
    assert setup_of({**base, "destination": "person", "name": "title", "qualifier": "q:none"}) == [
        f"Invalid qualifier 'q:none' in {action} person/title"
    ]


@pytest.mark.parametrize(
    ("action", "source"),
    [
        ("field", "input field s"),
        ("field-structured", "structured input field value:person-name"),
        ("set-value", "set value person/born"),
    ],
)
def test_a_value_that_cannot_be_converted_leaves_the_instruction_out(action: str, source: str) -> None:
    base = {"action": action, "source": "s", "structured": "value:person-name", "value": "v"}
    assert setup_of({**base, "destination": "person", "name": "born"}) == [
        f"Date format not specified for {source}",
        f"Couldn't create value transformer for {action} person/born",
    ]


def test_looking_for_a_date_needs_no_format() -> None:
    assert setup_of({"action": "if-has-value", "destination": "person", "name": "born"}) == []


def test_a_type_that_nobody_knows() -> None:
    odd = model(destination("d", name("n", "odd")))
    assert setup_of(field_of("s", "d", "n"), of=odd) == [
        "Unknown data type in model: odd",
        "Couldn't create value transformer for field d/n",
    ]


def test_faults_of_other_instructions() -> None:
    assert setup_of({"action": "remove-values", "destination": "x", "name": "n"}) == [
        "Unknown destination in remove-values: x"
    ]
    assert setup_of({"action": "remove-values", "destination": "person", "name": "n"}) == [
        "Unknown name in remove-values for destination person"
    ]
    structured = {"action": "field-structured", "structured": "value:no", "destination": "person", "name": "who"}
    assert setup_of(structured) == ["Unknown structured value destination in field-structured: value:no"]
    assert setup_of({"action": "assert-destination", "destination": "x", "exists": True}) == [
        "Unknown destination in assert-destination: x"
    ]
    assert setup_of({"action": "assert-destination", "destination": "person", "exists": True}) == [
        "Can only use dependent destinations in assert-destination: person"
    ]
    assert setup_of({"action": "upsert", "destination": "book"}) == [
        "Can only use destinations with a key in upsert: book"
    ]
    assert setup_of({"action": "dance"}) == ["Unknown action in instruction: dance"]


def test_faults_come_in_order_from_any_depth_and_siblings_go_on() -> None:
    inner = [field_of("s", "nope", "n"), say("ran")]
    work = job(PEOPLE, new("person"), TITLE, {"action": "within", "source": "w", "instructions": inner},
               field_of("s", "person", "nope"))  # fmt: skip
    assert work.program.setup_messages == (  # type: ignore[attr-defined]
        "Unknown destination in field: nope",
        "Unknown name in field nope for destination person",
    )
    assert not work.run({"title": "T", "w": {"s": 1}}).aborted
    assert work.messages == ["ran"]


def test_a_pseudo_destination_is_there_only_for_types_in_use() -> None:
    plain = model(destination("d", name("n")))
    assert setup_of(field_of("s", "value:person-name", "last"), of=plain) == [
        "Unknown destination in field: value:person-name"
    ]


# values


@pytest.mark.parametrize("value", [None, False, ""])
def test_field_skips_what_is_false(value: bool | str | None) -> None:
    assert row(field_of("v", "person", "tags"), record={"v": value}) == {}


def test_field_keeps_zero() -> None:
    assert row(field_of("v", "person", "age"), record={"v": 0}) == {"age": 0}


def test_field_without_a_result_makes_no_target() -> None:
    work = job(PEOPLE, new("person"), TITLE, field_of("v", "book", "name"))
    assert len(work.run({"title": "T", "v": {}}).changes) == 1


def test_set_value_sets_false_values_too() -> None:
    assert row({"action": "set-value", "destination": "person", "name": "tags", "value": ""}, record={}) == {
        "tags": '[""]'
    }


def test_a_bad_constant_is_told_once_a_job() -> None:
    work = job(
        PEOPLE, new("person"), TITLE, {"action": "set-value", "destination": "person", "name": "age", "value": "x"}
    )
    work.run({"title": "T"})
    assert work.messages == ["Invalid integer for set value person/age: x"]
    work.run({"title": "T"})
    assert work.messages == []


def test_a_constant_ref_follows_the_table() -> None:
    ref = destination("r", name("to", "ref", refers_to="people"))
    work = job(model(ref), new("r"), {"action": "set-value", "destination": "r", "name": "to", "value": "1",
                                      "filters": ["haplo:string-to-ref"]})  # fmt: skip
    assert changed(work.run({})) == [("r", "insert", 100, {})]
    assert work.messages == ["Value in input data cannot be mapped for set value r/to: 1"]
    work.world.add("people", 1)
    assert changed(work.run({})) == [("r", "insert", 101, {"to": 1})]


STRUCTURED = {"action": "field-structured", "structured": "value:person-name", "destination": "person", "name": "who"}


def test_field_structured_collects_in_the_order_set_and_clears() -> None:
    work = job(PEOPLE, new("person"), TITLE, field_of("l", "value:person-name", "last"),
               field_of("f", "value:person-name", "first"), STRUCTURED, STRUCTURED)  # fmt: skip
    assert work.run({"title": "T", "l": "B", "f": "A"}).changes[0].values["who"] == '{"last":"B","first":"A"}'


def test_field_structured_clears_what_did_not_convert() -> None:
    work = job(PEOPLE, new("person"), TITLE, field_of("f", "value:person-name", "first"), STRUCTURED,
               field_of("l", "value:person-name", "last"), STRUCTURED)  # fmt: skip
    assert work.run({"title": "T", "l": "B", "f": "A"}).changes[0].values["who"] == '{"last":"B"}'


def test_an_empty_postal_address_is_reported() -> None:
    address = {
        "action": "field-structured",
        "structured": "value:postal-address",
        "destination": "person",
        "name": "at",
    }
    assert said(address, {}) == ["Missing or invalid country code in postal address, must be two letter ISO code: {}"]


def test_remove_values() -> None:
    remove = {"action": "remove-values", "destination": "person", "name": "tags"}
    assert row(field_of("v", "person", "tags"), remove, record={"v": "x"}) == {}


def test_remove_values_loads_the_target_and_empties_the_row() -> None:
    on = world()
    work = job(PEOPLE, *LOAD, {"action": "remove-values", "destination": "book", "name": "name"}, world=on)
    assert changed(work.run({"ref": "2"})) == [("book", "update", 5, {"name": None})]


# choices and loops


def which(instruction: dict[str, Any], record: dict[str, Any]) -> Any:
    return said({**instruction, "then": [say("then")], "else": [say("else")]}, record)[0]


@pytest.mark.parametrize(
    ("value", "branch"), [(1, "then"), (0, "then"), ([], "then"), ({}, "then"), ("x", "then"), (True, "then"),
                          (0.0, "then"), ("", "else"), (None, "else"), (False, "else")],
)  # fmt: skip
def test_if_exists(value: Any, branch: str) -> None:
    assert which({"action": "if-exists", "source": "v"}, {"v": value}) == branch
    assert which({"action": "if-exists", "source": "absent"}, {"v": value}) == "else"


@pytest.mark.parametrize(
    ("value", "values", "branch"),
    [
        (1, [1], "then"), (1, [1.0], "then"), (1, ["1"], "else"), (1, [True], "else"), ("a", ["b", "a"], "then"),
        ("1", [1], "else"), (True, [True], "then"), (None, [None], "then"), (0, [False], "else"), ([], [[]], "else"),
        ({}, [{}], "else"), ("a", None, "else"), ("", [""], "then"),
    ],
)  # fmt: skip
def test_if_value_one_of(value: Any, values: Any, branch: str) -> None:
    assert which({"action": "if-value-one-of", "source": "v", "values": values}, {"v": value}) == branch


def test_if_value_one_of_wants_the_source_to_be_there() -> None:
    assert which({"action": "if-value-one-of", "source": "v", "values": [None]}, {}) == "else"


def test_branches_may_be_absent() -> None:
    assert said({"action": "if-exists", "source": "v"}, {}) == []
    assert said({"action": "if-exists", "source": "v"}, {"v": 1}) == []


def test_if_has_value() -> None:
    ask = {"action": "if-has-value", "destination": "person", "name": "age", "then": [say("has")], "else": [say("not")]}
    assert said(ask, {}) == ["not"]
    assert said(ask, {"age": 3}, start=(new("person"), TITLE, field_of("age", "person", "age"))) == ["has"]


LOAD = (
    field_of("ref", "load:by-ref", "ref", filters=["haplo:string-to-ref"]),
    {"action": "load", "destination": "person", "using": "load:by-ref"},
)


def test_if_has_value_sees_the_stored_row() -> None:
    ask = {"action": "if-has-value", "destination": "person", "name": "age", "then": [say("has")], "else": [say("not")]}
    assert said(ask, {"ref": "1"}, start=LOAD, on=world()) == ["has"]
    assert said(ask, {"ref": "2"}, start=LOAD, on=world()) == ["not"]


def test_a_default_by_if_has_value_comes_in_time() -> None:
    ask = {"action": "if-has-value", "destination": "person", "name": "title", "else": [
        {"action": "set-value", "destination": "person", "name": "title", "value": "Nobody"}]}  # fmt: skip
    work = job(PEOPLE, new("person"), ask)
    assert changed(work.run({})) == [("person", "insert", 100, {"title": "Nobody"})]


@pytest.mark.parametrize(
    ("value", "messages"),
    [({"x": 1}, ["ran", "x"]), ({}, ["ran"]), (0, []), (None, []), ("", []), (5, ["ran"]), (["a"], ["ran"])],
)
def test_within(value: Any, messages: list[Any]) -> None:
    inner = [say("ran"), {"action": "if-exists", "source": "x", "then": [say("x")]}]
    assert said({"action": "within", "source": "w", "instructions": inner}, {"w": value}) == messages


@pytest.mark.parametrize(
    ("value", "count"),
    [([{"x": 1}, {"x": 2}], 2), ({"a": {"x": 1}, "b": {}}, 1), ("text", 0), (None, 0), (7, 0), ([1, "x"], 0)],
)
def test_for_each(value: Any, count: int) -> None:
    inner = [{"action": "if-exists", "source": "x", "then": [say("x")]}]
    assert len(said({"action": "for-each", "source": "l", "instructions": inner}, {"l": value})) == count


def test_for_each_may_wrap_its_values() -> None:
    tags = {"action": "for-each", "source": "l", "wrapValues": True, "instructions": [
        field_of("value", "person", "tags", multivalue=True)]}  # fmt: skip
    assert row(tags, record={"l": ["a", "", None, "b"]}) == {"tags": '["a","b"]'}
    assert row(tags, record={"l": {"k": "a"}}) == {"tags": '["a"]'}


# targets


def test_load_by_ref() -> None:
    work = job(PEOPLE, *LOAD, TITLE, world=world())
    assert changed(work.run({"ref": "1", "title": "new"})) == [("person", "update", 1, {"title": "new"})]


def test_a_ref_to_another_table_loads_nothing() -> None:
    coded = destination("code", name("code"), lookups={"behaviour": "code"}, optional=True)
    on = world()
    on.add("code", 1, code="c1")
    load = {"action": "load", "using": "load:by-ref", "otherwise": [say("not found")]}
    code = field_of("code", "load:by-ref", "ref", filters=["haplo:code-to-ref"])
    work = job(model(PERSON, coded), code, {**load, "destination": "code"}, code, {**load, "destination": "person"},
               new("person"), TITLE, world=on)  # fmt: skip
    assert not work.run({"code": "c1", "title": "T"}).aborted
    assert work.messages == ["not found"]


def test_a_ref_by_mapping_loads() -> None:
    typed = destination("t", name("title"), title="title", types=Types("a", ("a",)))
    on = World()
    on.add("t", 1, title="X", _type="a")
    mapping = {"m": {"types": ["a"], "using": "title", "values": {"x": "X"}}}
    work = job(model(typed, types=("a",)), field_of("x", "load:by-ref", "ref", refMapping="m"),
               {"action": "load", "destination": "t", "using": "load:by-ref"}, world=on, mapping=mapping)  # fmt: skip
    assert work.program.setup_messages == ()  # type: ignore[attr-defined]
    assert work.run({"x": "x"}).touched == 1


def by_key(action: str = "load", **options: Any) -> tuple[Any, ...]:
    return (
        field_of("email", "load:person", "email"),
        {"action": action, "destination": "person", "using": "load:person", **options},
    )


def test_load_by_key() -> None:
    work = job(PEOPLE, *by_key(), TITLE, world=world())
    assert changed(work.run({"email": "b@x", "title": "new"})) == [("person", "update", 2, {"title": "new"})]


@pytest.mark.parametrize("record", [{"email": "no@x"}, {}])
def test_what_is_not_found_aborts(record: dict[str, Any]) -> None:
    work = job(PEOPLE, *by_key(), world=world())
    assert work.run(record).aborted
    assert work.messages[0] == "Couldn't load destination: person"


def test_otherwise_is_run_instead() -> None:
    work = job(PEOPLE, *by_key(otherwise=[new("person"), TITLE]), world=world())
    assert changed(work.run({"email": "no@x", "title": "T"})) == [("person", "insert", 100, {"title": "T"})]


def test_otherwise_may_be_empty() -> None:
    work = job(PEOPLE, *by_key(otherwise=[]), world=world())
    assert work.run({"email": "no@x"}).aborted
    assert work.messages == ["No data set in required destination person"]


def test_load_clears_what_it_used() -> None:
    work = job(PEOPLE, *by_key(), {"action": "load", "destination": "person", "using": "load:person"}, world=world())
    assert work.run({"email": "a@x"}).aborted
    assert work.messages == ["Couldn't load destination: person"]


def test_several_rows_are_as_good_as_none() -> None:
    on = world()
    on.add("people", 3, title="C", email="a@x")
    work = job(PEOPLE, *by_key(), world=on)
    assert work.run({"email": "a@x"}).aborted
    assert work.messages == [
        "More than one row of destination person has email = a@x",
        "Couldn't load destination: person",
    ]


def test_a_key_of_two_names_must_be_whole() -> None:
    pair = destination("p", name("a"), name("b", "integer"), key=("a", "b"))
    on = World()
    on.add("p", 1, a="x", b=2)
    fields = (field_of("a", "load:p", "a"), field_of("b", "load:p", "b"))
    work = job(model(pair), *fields, {"action": "load", "destination": "p", "using": "load:p"}, world=on)
    assert not work.run({"a": "x", "b": "2"}).aborted
    assert work.run({"a": "x"}).aborted
    assert work.run({"b": 2}).aborted


def test_a_row_of_another_type_is_not_found() -> None:
    typed = destination("t", name("n"), key=("n",), types=Types("staff", ("staff",)))
    on = World()
    on.add("t", 1, n="x", _type="visitor")
    on.add("t", 2, n="y", _type="staff")
    work = job(model(typed), field_of("n", "load:t", "n"), {"action": "load", "destination": "t", "using": "load:t"},
               world=on)  # fmt: skip
    assert work.run({"n": "x"}).aborted
    assert not work.run({"n": "y"}).aborted


def test_load_queues_what_was_there() -> None:
    work = job(PEOPLE, new("person"), TITLE, *by_key(), world=world())
    result = work.run({"title": "T", "email": "a@x"})
    assert changed(result) == [("person", "insert", 100, {"title": "T"})]
    assert result.touched == 1


def assertion(exists: Any) -> dict[str, Any]:
    return {"action": "assert-destination", "destination": "book", "exists": exists}


@pytest.mark.parametrize(
    ("ref", "exists", "aborted"),
    [("2", True, False), ("2", False, True), ("1", False, False), ("1", True, True), ("1", "", True), ("2", 1, True)],
)
def test_assert_destination(ref: str, exists: str | int, aborted: bool) -> None:
    work = job(PEOPLE, *LOAD, assertion(exists), world=world())
    assert work.run({"ref": ref}).aborted is aborted
    assert work.messages == (["assert-destination failed: book"] if aborted else [])


def test_a_new_parent_has_no_dependents() -> None:
    assert not job(PEOPLE, new("person"), TITLE, assertion(False)).run({"title": "T"}).aborted


@pytest.mark.parametrize(("message", "told"), [("no good", "no good"), ("", "abort"), (None, "abort"), (5, "5")])
def test_abort_record(message: str | int | None, told: str) -> None:
    work = job(PEOPLE, new("person"), TITLE, {"action": "abort-record", "message": message})
    assert work.run({"title": "T"}).aborted
    assert work.messages == [told]


@pytest.mark.parametrize(("message", "told"), [("hm", "hm"), ("", "error")])
def test_log_error(message: str, told: str) -> None:
    work = job(PEOPLE, new("person"), TITLE, say(message))
    assert not work.run({"title": "T"}).aborted
    assert work.messages == [told]


# ours: upsert and delete

UPSERT = {"action": "upsert", "destination": "person"}
EMAIL = field_of("email", "person", "email")


def test_upsert_makes_a_row() -> None:
    work = job(PEOPLE, UPSERT, TITLE, EMAIL, world=world())
    assert changed(work.run({"title": "T", "email": "c@x"})) == [
        ("person", "insert", 100, {"title": "T", "email": "c@x"})
    ]


def test_upsert_updates_the_row_with_the_key() -> None:
    work = job(PEOPLE, UPSERT, TITLE, EMAIL, world=world())
    assert changed(work.run({"title": "T", "email": "a@x"})) == [("person", "update", 1, {"title": "T"})]


def test_upsert_counts_an_equal_row_as_touched() -> None:
    result = job(PEOPLE, UPSERT, TITLE, EMAIL, world=world()).run({"title": "A", "email": "a@x"})
    assert (result.changes, result.touched) == ([], 1)


def test_checks_count_what_the_row_has() -> None:
    work = job(PEOPLE, UPSERT, EMAIL, field_of("age", "person", "age"), world=world())
    assert changed(work.run({"email": "a@x", "age": 9})) == [("person", "update", 1, {"age": 9})]
    assert work.run({"email": "new@x", "age": 9}).aborted
    assert work.messages[0] == "dc:attribute:title is not set in object person"


def test_upsert_without_its_key_aborts() -> None:
    work = job(PEOPLE, UPSERT, TITLE)
    assert work.run({"title": "T"}).aborted
    assert work.messages == ["Couldn't upsert destination person: no value for email of its key"]


def test_upsert_does_not_choose_between_rows() -> None:
    on = world()
    on.add("people", 3, email="a@x")
    work = job(PEOPLE, UPSERT, TITLE, EMAIL, world=on)
    assert work.run({"title": "T", "email": "a@x"}).aborted
    assert work.messages == ["Couldn't upsert destination person: more than one row has email = a@x"]


def test_upsert_leaves_rows_of_other_types_alone() -> None:
    typed = destination("t", name("n"), key=("n",), types=Types("staff", ("staff",)))
    on = World()
    on.add("t", 1, n="x", _type="visitor")
    work = job(model(typed), {"action": "upsert", "destination": "t"}, field_of("n", "t", "n"), world=on)
    assert work.run({"n": "x"}).aborted
    assert work.messages == ["Couldn't upsert destination t: the row with n = x is of another type"]


def test_one_key_twice_in_a_record_is_one_row() -> None:
    each = {
        "action": "for-each",
        "source": "l",
        "instructions": [UPSERT, TITLE, EMAIL, field_of("age", "person", "age")],
    }
    record = {"l": [{"title": "T", "email": "e@x"}, {"title": "U", "email": "f@x"}, {"age": 4, "email": "e@x"}]}
    assert changed(job(PEOPLE, each).run(record)) == [
        ("person", "insert", 100, {"title": "T", "email": "e@x", "age": 4}),
        ("person", "insert", 101, {"title": "U", "email": "f@x"}),
    ]
    record["l"][0]["email"] = record["l"][2]["email"] = "a@x"  # type: ignore[index]
    assert changed(job(PEOPLE, each, world=world()).run(record))[0] == ("person", "update", 1, {"title": "T", "age": 4})


@pytest.mark.parametrize("key_first", [True, False])
def test_a_dependent_of_an_upserted_parent_is_updated_too(key_first: bool) -> None:
    book = field_of("book", "book", "name")
    fields = (EMAIL, book) if key_first else (book, EMAIL)
    work = job(PEOPLE, UPSERT, *fields, world=world())
    assert changed(work.run({"email": "b@x", "book": "new"})) == [("book", "update", 5, {"name": "new"})]
    assert changed(work.run({"email": "a@x", "book": "own"})) == [("book", "insert", 100, {"name": "own", "author": 1})]


def test_dependents_of_dependents_are_found_again_in_any_order_of_the_model() -> None:
    page = destination("page", name("text"), depends="book", optional=True)
    work = job(model(page, BOOK, PERSON), UPSERT, field_of("text", "page", "text"), TITLE, EMAIL)
    record = {"text": "x", "title": "T", "email": "e@x"}
    assert len(work.run(record).changes) == 3
    again = work.run(record)
    assert (again.changes, again.touched) == ([], 3)


def test_one_key_twice_in_a_record_has_one_dependent() -> None:
    each = {
        "action": "for-each",
        "source": "l",
        "instructions": [UPSERT, TITLE, EMAIL, field_of("book", "book", "name")],
    }
    record = {"l": [{"title": "T", "email": "e@x", "book": "one"}, {"title": "T", "email": "e@x", "book": "two"}]}
    work = job(PEOPLE, each)
    assert changed(work.run(record)) == [
        ("person", "insert", 100, {"title": "T", "email": "e@x"}),
        ("book", "insert", 101, {"name": "two", "author": 100}),
    ]
    assert work.run(record).changes == []


def test_an_upserted_child_needs_no_parent_when_it_is_stored() -> None:
    person = destination("person", name("n"), optional=True, table="people")
    book = destination("book", name("isbn"), name("n"), key=("isbn",), depends="person", optional=True, table="books")
    on = World()
    on.add("books", 1, isbn="i", person=9)
    upsert = ({"action": "upsert", "destination": "book"}, field_of("isbn", "book", "isbn"), field_of("n", "book", "n"))
    work = job(model(person, book), *upsert, world=on)
    assert changed(work.run({"isbn": "i", "n": "x"})) == [("book", "update", 1, {"n": "x"})]
    assert work.run({"isbn": "j", "n": "x"}).aborted


def test_a_key_may_hold_the_link_to_the_parent() -> None:
    part = destination("part", name("owner", "ref"), name("no", "integer"), depends="person", depends_column="owner",
                       key=("owner", "no"), optional=True)  # fmt: skip
    work = job(model(PERSON, part), UPSERT, TITLE, EMAIL, {"action": "upsert", "destination": "part"},
               field_of("no", "part", "no"))  # fmt: skip
    record = {"title": "T", "email": "a@x", "no": 1}
    assert len(work.run(record).changes) == 2
    assert work.run(record).changes == []


def test_delete() -> None:
    work = job(PEOPLE, *by_key("delete"), world=world())
    assert changed(work.run({"email": "a@x"})) == [("person", "delete", 1, {})]
    assert work.run({"email": "a@x"}).aborted
    assert work.messages == ["Couldn't load destination: person"]


def test_a_row_deleted_in_the_record_is_gone() -> None:
    work = job(PEOPLE, *by_key("delete"), *by_key(otherwise=[new("person"), TITLE]), world=world())
    result = work.run({"email": "a@x", "title": "T"})
    assert changed(result) == [("person", "delete", 1, {}), ("person", "insert", 100, {"title": "T"})]


def test_after_delete_a_destination_is_not_ready() -> None:
    work = job(PEOPLE, *by_key("delete"), TITLE, world=world())
    assert work.run({"email": "a@x", "title": "T"}).aborted
    assert work.messages == ['Destination "person" needs be made ready with a "new" or "load" instruction']


def test_a_row_that_others_depend_on_is_not_deleted() -> None:
    work = job(PEOPLE, *by_key("delete"), world=world())
    assert work.run({"email": "b@x"}).aborted
    assert work.messages == [
        "Couldn't delete destination: person (row 2 still has rows of book; delete those first)",
    ]
