"""How values are kept: stored forms, several values, qualifiers, what a loaded row keeps."""

from typing import Any

import orjson
import pytest

from server.mapping.model.model import Name
from tests.support.mapping_world import World, changed, destination, field_of, job, model, name, new

OBJECT = destination("o", name("one"), name("many", multivalue=True), name("n", "integer"))
DICTIONARY = destination("d", name("one"), name("many", multivalue=True), kind="dictionary")


def run(
    of: Any, *instructions: Any, record: Any = None, stored: Any = None, qualifiers: Any = ("q:alt", "q:sub")
) -> Any:
    """The values to write: of a new row, or what differs from the stored one."""
    world = World()
    start = [new(of.name)]
    if stored is not None:
        world.add(of.table, 1, **stored)
        start = [
            field_of("ref", "load:by-ref", "ref", filters=["haplo:string-to-ref"]),
            {"action": "load", "destination": of.name, "using": "load:by-ref"},
        ]
    work = job(model(of, qualifiers=qualifiers), *start, *instructions, world=world)
    result = work.run({"a": "a", "b": "b", "c": "c", "ref": "1", **(record or {})})
    assert work.messages == []
    return result.changes[0].values if result.changes else {}


def put(source: Any, name: str, of: str = "o", **options: Any) -> Any:
    return field_of(source, of, name, **options)


def remove(name: str, of: str = "o") -> dict[str, Any]:
    return {"action": "remove-values", "destination": of, "name": name}


@pytest.mark.parametrize(
    ("instructions", "values"),
    [
        ([put("a", "one"), put("b", "one")], {"one": "b"}),
        ([put("a", "many"), put("b", "many")], {"many": '["b"]'}),
        ([put("a", "many", multivalue=True), put("b", "many", multivalue=True)], {"many": '["a","b"]'}),
        ([put("a", "many", multivalue=True), put("b", "many")], {"many": '["b"]'}),
        ([put("a", "many"), put("b", "many", multivalue=True)], {"many": '["a","b"]'}),
        ([put("a", "one", multivalue=True)], {"one": "a"}),
        (
            [put(s, "one", multivalue=True) for s in "abc"],
            {"one": "a", "one__more": '["b","c"]'},
        ),
        ([put("a", "one", multivalue=True), put("b", "one", multivalue=True), put("c", "one")], {"one": "c"}),
        ([put("a", "one"), put("b", "one", qualifier="q:alt")], {"one": "a", "one__q_alt": "b"}),
        ([put("b", "one", qualifier="q:alt"), put("a", "one")], {"one": "a"}),
        ([put("b", "one", qualifier="q:alt"), put("a", "one", multivalue=True)], {"one": "a", "one__q_alt": "b"}),
        (
            [
                put("a", "one", qualifier="q:alt"),
                put("b", "one", qualifier="q:sub"),
                put("c", "one", qualifier="q:alt"),
            ],
            {"one__q_alt": "c", "one__q_sub": "b"},
        ),
        (
            [put("a", "one", qualifier="q:alt", multivalue=True), put("b", "one", qualifier="q:alt", multivalue=True)],
            {"one__q_alt": "a", "one__q_alt__more": '["b"]'},
        ),
        (
            [
                put("a", "many", qualifier="q:alt", multivalue=True),
                put("b", "many", qualifier="q:alt", multivalue=True),
            ],
            {"many__q_alt": '["a","b"]'},
        ),
        ([put("a", "one", qualifier="q:alt"), put("b", "one"), remove("one")], {}),
    ],
)
def test_values_of_an_object(instructions: list[Any], values: dict[str, Any]) -> None:
    assert run(OBJECT, *instructions) == values


@pytest.mark.parametrize(
    ("instructions", "values"),
    [
        ([put("a", "one", "d"), put("b", "one", "d")], {"one": "b"}),
        ([put("a", "one", "d", multivalue=True), put("b", "one", "d", multivalue=True)], {"one": "b"}),
        ([put("a", "many", "d", multivalue=True), put("b", "many", "d", multivalue=True)], {"many": '["a","b"]'}),
        ([put("a", "many", "d", multivalue=True), put("b", "many", "d")], {"many": '["b"]'}),
        ([put("a", "one", "d", qualifier="q:alt")], {"one": "a"}),
        ([put("a", "one", "d"), remove("one", "d")], {}),
    ],
)
def test_values_of_a_dictionary(instructions: list[Any], values: dict[str, Any]) -> None:
    assert run(DICTIONARY, *instructions) == values


def test_an_unknown_qualifier_is_told_and_the_value_is_kept_unqualified() -> None:
    work = job(model(OBJECT), new("o"), put("a", "one", qualifier="q:no"))
    assert work.program.setup_messages == ("Invalid qualifier 'q:no' in field o/one",)  # type: ignore[attr-defined]
    assert changed(work.run({"a": "x"})) == [("o", "insert", 100, {"one": "x"})]


STORED = {"one": "x", "one__more": '["y"]', "one__q_alt": "z", "many": '["m"]', "n": 1}


@pytest.mark.parametrize(
    ("instructions", "values"),
    [
        ([put("a", "one")], {"one": "a", "one__more": None, "one__q_alt": None}),
        ([put("a", "one", multivalue=True)], {"one__more": '["y","a"]'}),
        ([put("a", "one", qualifier="q:alt")], {"one__q_alt": "a"}),
        ([put("a", "one", qualifier="q:sub")], {"one__q_sub": "a"}),
        ([remove("one")], {"one": None, "one__more": None, "one__q_alt": None}),
        ([remove("one"), put("a", "one", multivalue=True)], {"one": "a", "one__more": None, "one__q_alt": None}),
        ([put("a", "many", multivalue=True)], {"many": '["m","a"]'}),
        ([put("a", "many")], {"many": '["a"]'}),
        ([put("n", "n")], {}),
        ([], {}),
    ],
)
def test_changes_of_a_stored_row(instructions: list[Any], values: dict[str, Any]) -> None:
    assert run(OBJECT, *instructions, record={"n": "1"}, stored=STORED) == values


def test_a_column_that_became_multivalue_keeps_what_it_held() -> None:
    for held, seen in (("plain", ["plain", "a"]), ('{"last":"B"}', ['{"last":"B"}', "a"]), ("[1", ["[1", "a"])):
        values = run(OBJECT, put("a", "many", multivalue=True), stored={"many": held})
        assert orjson.loads(values["many"]) == seen


def test_the_columns_are_those_of_the_model_and_of_the_control_file() -> None:
    work = job(
        model(OBJECT, qualifiers=("q:alt",)),
        put("a", "one", multivalue=True), put("a", "n", qualifier="q:alt"), put("a", "many", qualifier="q:alt"),
    )  # fmt: skip
    assert work.program.columns == {  # type: ignore[attr-defined]
        "o": (
            ("one", "text"), ("one__more", "text"), ("many", "text"), ("n", "integer"), ("n__q_alt", "integer"),
            ("many__q_alt", "text"),
        )
    }  # fmt: skip


def test_a_column_is_not_given_to_two_names() -> None:
    clash = destination("o", name("one"), name("one__more"), name("One__Q_Alt"))
    work = job(
        model(clash, qualifiers=("q:alt",)), put("a", "one", multivalue=True), put("a", "one", qualifier="q:alt")
    )
    assert work.program.setup_messages == (  # type: ignore[attr-defined]
        'Column one__more of destination o, needed for field o/one, already belongs to Name "one__more"',
        'Column one__q_alt of destination o, needed for field o/one, already belongs to Name "One__Q_Alt"',
    )
    assert work.program.steps == ()  # type: ignore[attr-defined]


def test_an_open_destination_takes_new_names_as_text() -> None:
    opened = destination("o", name("known", "integer"), open=True)
    work = job(
        model(opened), new("o"), put("a", "new name"), put("b", "known"), put("a", "Known"), put("c", "new name")
    )
    assert work.program.columns == {"o": (("known", "integer"), ("new_name", "text"))}  # type: ignore[attr-defined]
    assert work.program.setup_messages == (  # type: ignore[attr-defined]
        'Column Known of destination o, needed for field o/Known, already belongs to Name "known"',
        "Unknown name in field Known for destination o",
    )
    assert changed(work.run({"a": 4.0, "b": "2"})) == [("o", "insert", 100, {"new_name": "4", "known": 2})]


def test_a_name_without_a_column_gets_a_safe_one() -> None:
    bare = destination("o", Name("dc:title"))
    work = job(model(bare), new("o"), put("a", "dc:title"))
    assert changed(work.run({"a": "x"})) == [("o", "insert", 100, {"dc_title": "x"})]


def person(*names: Any) -> Any:
    return destination("p", name("who", "person-name"), *names, title="who")


WHO = {"action": "field-structured", "structured": "value:person-name", "destination": "p", "name": "who"}


def test_a_persons_name_is_a_title() -> None:
    work = job(model(person()), new("p"), field_of("l", "value:person-name", "last"), WHO)
    assert not work.run({"l": "Hopper"}).aborted
    assert work.run({}).aborted


def test_a_title_under_a_qualifier_is_one() -> None:
    prepared = destination("p", name("t"), title="t")
    work = job(model(prepared, qualifiers=("q",)), new("p"), field_of("t", "p", "t", qualifier="q"))
    assert not work.run({"t": "x"}).aborted


def test_a_stored_title_counts_even_where_only_another_control_file_knows_it() -> None:
    prepared = destination("p", name("t"), name("n"), title="t")
    assert run(prepared, field_of("a", "p", "n"), stored={"t__q_alt": "x"}) == {"n": "a"}


def test_an_empty_text_is_no_title() -> None:
    prepared = destination("p", name("t"), title="t")
    work = job(model(prepared), new("p"), {"action": "set-value", "destination": "p", "name": "t", "value": ""})
    assert work.run({}).aborted


def test_upsert_leaves_alone_what_the_record_does_not_mention() -> None:
    prepared = destination("p", name("k"), name("t"), name("many", multivalue=True), key=("k",))
    world = World()
    world.add("p", 1, k="x", t="old", t__q_alt="z", many='["m"]')
    upsert = ({"action": "upsert", "destination": "p"}, field_of("k", "p", "k"))
    work = job(model(prepared, qualifiers=("q:alt",)), *upsert, field_of("t", "p", "t"),
               field_of("m", "p", "many", multivalue=True), world=world)  # fmt: skip
    assert changed(work.run({"k": "x", "t": "new"})) == [("p", "update", 1, {"t": "new"})]
    assert changed(work.run({"k": "x", "m": "a"})) == [("p", "update", 1, {"many": '["a"]'})]


def test_upsert_does_so_even_when_its_row_was_needed_early() -> None:
    prepared = destination("p", name("k"), name("t"), name("many", multivalue=True), key=("k",))
    child = destination("c", name("n"), depends="p")
    world = World()
    world.add("p", 1, k="x", t="old", t__q_alt="z", many='["m"]')
    world.add("c", 2, p=1)
    work = job(model(prepared, child, qualifiers=("q:alt",)), {"action": "upsert", "destination": "p"},
               field_of("k", "p", "k"), field_of("n", "c", "n"), field_of("t", "p", "t"),
               field_of("m", "p", "many", multivalue=True), world=world)  # fmt: skip
    assert changed(work.run({"k": "x", "n": "n", "t": "new", "m": "a"})) == [
        ("p", "update", 1, {"t": "new", "many": '["a"]'}),
        ("c", "update", 2, {"n": "n"}),
    ]


def test_upsert_removes_what_it_is_told_to_remove() -> None:
    prepared = destination("p", name("k"), name("t"), key=("k",))
    world = World()
    world.add("p", 1, k="x", t="old", t__q_alt="z")
    upsert = ({"action": "upsert", "destination": "p"}, field_of("k", "p", "k"))
    work = job(model(prepared, qualifiers=("q:alt",)), *upsert, remove("t", "p"), world=world)
    assert changed(work.run({"k": "x"})) == [("p", "update", 1, {"t": None, "t__q_alt": None})]
