"""Model files: what they may say, and what is said to their author."""

from typing import Any

import pytest

from server.mapping.model.model import ModelInvalid, check_tables, parse_model, safe_column

PROFILE = {
    "name": "profile",
    "label": "Person",
    "table": "people",
    "kind": "object",
    "title": "title",
    "types": {"default": "person", "allowed": ["person", "student"]},
    "key": ["email"],
    "lookups": {"email": "email"},
    "names": {
        "title": {"type": "person-name", "required": True},
        "email": {"type": "email-address"},
        "tags": {"multivalue": True},
        "manager": {"type": "ref", "refers_to": "people"},
        "born:on": {"type": "datetime", "description": "Birthday"},
    },
}
BOOK = {
    "name": "book",
    "table": "books",
    "kind": "object",
    "depends": "profile",
    "depends_column": "author",
    "optional": True,
    "names": {"title": {"type": "text"}},
}


def document(*destinations: Any, **more: Any) -> dict[str, Any]:
    return {"name": "example:people", "destinations": list(destinations or (PROFILE, BOOK)), **more}


def problems(*destinations: Any, **more: Any) -> list[Any]:
    with pytest.raises(ModelInvalid) as caught:
        parse_model(document(*destinations, **more), "people.json")
    return list(map(str, caught.value.problems))


def profile(**changes: Any) -> dict[Any, Any]:
    return {key: value for key, value in {**PROFILE, **changes}.items() if value is not ...}


def names(**more: Any) -> Any:
    return profile(names={**PROFILE["names"], **more})  # type: ignore[dict-item]


def test_a_model() -> None:
    model = parse_model(document(label="People", qualifiers=["dc:qualifier:alternative"]), "people.json")
    assert list(model.destinations) == ["profile", "book"]
    assert model.label == "People"
    assert model.qualifiers == ("dc:qualifier:alternative",)
    person, book = model.destinations.values()
    assert person.types.default == "person"  # type: ignore[union-attr]
    assert person.names["born:on"].column == "born_on"
    assert person.names["title"].required
    assert person.names["tags"].kind == "text"
    assert person.names["manager"].kind == "integer"
    assert dict(person.lookups) == {"email": "email"}
    assert (book.depends, book.depends_column, book.optional) == ("profile", "author", True)


def test_the_link_to_a_parent_has_a_column_of_its_name() -> None:
    model = parse_model(document(PROFILE, {**BOOK, "depends_column": None}), "x")
    assert model.destinations["book"].depends_column == "profile"


@pytest.mark.parametrize(
    ("name", "column"),
    [("a b", "a_b"), ("1st", "x1st"), ("id", "id_"), ("ID", "ID_"), ("_job", "x_job"), ("é", "x_"), ("", "x")],
)
def test_safe_columns(name: str, column: str) -> None:
    assert safe_column(name) == column


D = "people.json: destinations[0]"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": ...}, f"{D}.kind: missing, should be one of object, dictionary"),
        ({"kind": "thing"}, f'{D}.kind: "thing" is wrong, should be one of object, dictionary'),
        ({"tabel": "x"}, f"{D}.tabel: unknown key; did you mean table?"),
        (
            {"table": "2 people"},
            f'{D}.table: "2 people" is wrong, should be a table name: ASCII letters, digits and _, a letter first, '
            "not starting with sqlite_",
        ),
        (
            {"table": ...},
            f"{D}.table: missing, should be a table name: ASCII letters, digits and _, a letter first, "
            "not starting with sqlite_",
        ),
        ({"name": ...}, f"{D}.name: missing, should be a text"),
        ({"name": "load:x"}, f'{D}.name: "load:x" is wrong, should be a name that does not start with value: or load:'),
        ({"title": "nam"}, f'{D}.title: "nam" is wrong, should be one of title, email, tags, manager, born:on'),
        ({"key": ["mail"]}, f'{D}.key: "mail" is wrong, should be one of title, email, tags, manager, born:on'),
        ({"key": ["tags"]}, f'{D}.key: "tags" is wrong, should be a Name that is not multivalue'),
        ({"key": "email"}, f'{D}.key: "email" is wrong, should be a list of texts'),
        ({"lookups": {"user": "email"}}, f"{D}.lookups.user: unknown key; known are behaviour, username, email"),
        (
            {"lookups": {"username": "x"}},
            f'{D}.lookups.username: "x" is wrong, should be one of title, email, tags, manager, born:on',
        ),
        (
            {"lookups": {"username": "manager"}},
            f'{D}.lookups.username: "manager" is wrong, should be a Name that holds one text',
        ),
        ({"types": {"default": "x", "allowed": ["y"]}}, f'{D}.types.default: "x" is wrong, should be one of y'),
        ({"types": {"allow": ["y"]}}, f"{D}.types.allow: unknown key; did you mean allowed?"),
        ({"optional": "yes"}, f'{D}.optional: "yes" is wrong, should be true or false'),
        ({"depends": "nobody"}, f'{D}.depends: "nobody" is wrong, should be one of profile'),
        (
            {"depends": "profile"},
            f'{D}.depends: "profile" is wrong, should be a destination that does not itself depend on this one',
        ),
        ({"depends_column": "x"}, f'{D}.depends_column: "x" is wrong, should be left out, as there is no depends'),
        ({"names": []}, f"{D}.names: [] is wrong, should be an object with at least one entry"),
    ],
)
def test_a_wrong_destination(changes: dict[str, Any], problem: str) -> None:
    assert problem in problems(profile(**changes))


N = f"{D}.names"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"x": {"type": "colour"}}, f'{N}.x.type: "colour" is wrong, should be one of text, boolean, integer,'),
        ({"x": {"tipe": "text"}}, f"{N}.x.tipe: unknown key; did you mean type?"),
        ({"x": "text"}, f'{N}.x: "text" is wrong, should be an object'),
        ({"x": {"column": "EMAIL"}}, f'{N}.x: column "EMAIL" is also that of "email", should be one of its own'),
        ({"born on": {}}, f'{N}.born on: column "born_on" is also that of "born:on", should be one of its own'),
        (
            {"x": {"column": "id"}},
            f'{N}.x.column: "id" is wrong, should be a column name: ASCII letters, digits and _,',
        ),
        ({"x": {"column": "_job"}}, f'{N}.x.column: "_job" is wrong, should be a column name: ASCII letters, digits'),
        ({"x": {"multivalue": 1}}, f"{N}.x.multivalue: 1 is wrong, should be true or false"),
        (
            {"x": {"refers_to": "people"}},
            f'{N}.x.refers_to: "people" is wrong, should be left out, as the type is text',
        ),
        ({"a#b": {}}, f"{N}.a#b: a Name must have at least one character, and no #"),
        (
            {"x": {"column": "email__more"}},
            f'{N}.x: its column "email__more" is needed for values of "email", should be another',
        ),
        (
            {"x": {"column": "email__q_a"}},
            f'{N}.x: its column "email__q_a" is needed for values of "email", should be another',
        ),
    ],
)
def test_a_wrong_name(more: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(names(**more), qualifiers=["q:a"]))


def test_dependencies_in_a_circle() -> None:
    one = {**BOOK, "name": "one", "table": "a", "depends": "two"}
    two = {**BOOK, "name": "two", "table": "b", "depends": "one"}
    assert problems(one, two) == [
        'people.json: destinations[0].depends: "two" is wrong, should be a destination that does not itself depend on '
        "this one",
        'people.json: destinations[1].depends: "one" is wrong, should be a destination that does not itself depend on '
        "this one",
    ]


def test_a_link_in_the_column_of_a_text() -> None:
    book = {**BOOK, "names": {"author": {}}}
    assert problems(PROFILE, book) == [
        'people.json: destinations[1].depends_column: "author" is also the column of "author", should be another, '
        "or that Name a ref"
    ]
    parse_model(document(PROFILE, {**BOOK, "names": {"author": {"type": "ref"}}}), "x")


def test_two_destinations_of_one_name() -> None:
    assert problems(PROFILE, {**BOOK, "name": "profile", "depends": None, "depends_column": None}) == [
        'people.json: destinations[1].name: "profile" is wrong, should be a name no other destination has'
    ]


def test_qualifiers_that_would_share_columns() -> None:
    assert problems(PROFILE, qualifiers=["q:a", "q_a"]) == [
        'people.json: qualifiers: "q_a" and "q:a" would share columns, should differ in more than punctuation'
    ]


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_a_document_that_is_no_object(value: list[Any] | str | int | None) -> None:
    with pytest.raises(ModelInvalid) as caught:
        parse_model(value, "people.json")
    assert "people.json: name: missing, should be a text" in map(str, caught.value.problems)


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(profile(kind="thing", key=["x"], title="y"))) == 3


def test_an_open_destination_needs_no_names() -> None:
    parse_model(document({"name": "any", "table": "things", "kind": "dictionary", "open": True}), "x")


def models(*documents: Any) -> dict[Any, Any]:
    parsed = [parse_model(one, "x") for one in documents]
    return {model.name: model for model in parsed}


def test_models_may_share_a_table_where_columns_agree() -> None:
    other = {
        **document({"name": "p", "table": "people", "kind": "object", "names": {"email": {"type": "email-address"}}})
    }
    assert list(map(str, check_tables(models(document(), {**other, "name": "two"})))) == []


def test_models_that_differ_about_a_table() -> None:
    other = document({"name": "p", "table": "people", "kind": "object", "names": {"Email": {}, "tags": {}}}, name="two")
    assert list(map(str, check_tables(models(document(), other)))) == [
        'model two, destination p: column "Email" of table people is text, but differs in model example:people, '
        "destination profile; should be the same in both",
        'model two, destination p: column "tags" of table people is text, but differs in model example:people, '
        "destination profile; should be the same in both",
    ]


def test_tables_spelled_in_two_ways() -> None:
    other = document({"name": "p", "table": "People", "kind": "object", "names": {"x": {}}}, name="two")
    assert list(map(str, check_tables(models(document(), other)))) == [
        'model two, destination p: table "People" is "people" in model example:people, destination profile, '
        "should be spelled the same"
    ]


def test_refs_to_a_table_nobody_fills() -> None:
    lost = document(names(boss={"type": "ref", "refers_to": "bosses"}), BOOK)
    assert list(map(str, check_tables(models(lost)))) == [
        'model example:people, destination profile, Name boss: refers_to "bosses" is wrong, '
        "should be one of books, people"
    ]
