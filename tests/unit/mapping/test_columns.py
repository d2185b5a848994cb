"""The columns of a file against a control file: where each goes, what is missing, what stays empty."""

from typing import Any

from server.mapping.language.columns import match_columns, sources_of
from server.mapping.model.model import parse_model

MODEL = parse_model(
    {
        "name": "test:people",
        "destinations": [
            {
                "name": "person",
                "table": "people",
                "kind": "object",
                "title": "name",
                "key": ["email"],
                "names": {"name": {"type": "person-name"}, "email": {}, "tags": {"multivalue": True}, "size": {}},
            },
            {"name": "book", "table": "books", "kind": "dictionary", "optional": True, "names": {"title": {}}},
        ],
    },
    "people.json",
)


def control(*instructions: dict[str, Any]) -> dict[str, Any]:
    return {"model": "test:people", "files": {}, "instructions": list(instructions)}


def put(source: str, name: str, destination: str = "person") -> dict[str, Any]:
    return {"source": source, "destination": destination, "name": name}


UPSERT = {"action": "upsert", "destination": "person"}
STRUCTURED = (
    put("first", "first", "value:person-name"),
    put("last", "last", "value:person-name"),
    {"action": "field-structured", "structured": "value:person-name", "destination": "person", "name": "name"},
)
TAGS = {
    "action": "for-each",
    "source": "tags",
    "wrapValues": True,
    "instructions": [{**put("value", "tags"), "multivalue": True}],
}


def test_a_column_goes_where_its_source_goes() -> None:
    matched = match_columns(control(UPSERT, put("e-mail", "email"), *STRUCTURED), MODEL, ["e-mail", "first", "other"])
    assert [(flow.destination, flow.name) for flow in matched.uses["e-mail"].flows] == [("person", "email")]
    assert [flow.name for flow in matched.uses["first"].flows] == ["name.first"]
    assert not matched.uses["other"].used
    assert [flow.source for flow in matched.missing] == ["last"]


def test_names_that_nothing_fills_are_told_with_those_that_are_needed() -> None:
    matched = match_columns(control(UPSERT, put("e-mail", "email"), put("n", "name")), MODEL, ["e-mail"])
    assert [(one.name, one.required) for one in matched.unfilled] == [("name", True), ("tags", False), ("size", False)]
    constant = {"action": "set-value", "destination": "person", "name": "size", "value": "1"}
    matched = match_columns(control(UPSERT, put("e-mail", "email"), constant), MODEL, ["e-mail"])
    assert "size" not in [one.name for one in matched.unfilled]


def test_parts_fill_the_whole_name() -> None:
    matched = match_columns(control(UPSERT, *STRUCTURED), MODEL, ["first", "last"])
    assert "name" not in [one.name for one in matched.unfilled]


def test_lists_and_what_lies_within_records_are_found() -> None:
    books = {"action": "for-each", "source": "books", "instructions": [put("title", "title", "book")]}
    whole = control(UPSERT, TAGS, books, put("place", "size"))
    matched = match_columns(whole, MODEL, ["tags[]", "books[].title", "books[].isbn", "place.city"])
    used = {column for column, use in matched.uses.items() if use.used}
    assert used == {"tags[]", "books[].title", "place.city"}
    assert matched.missing == []


def test_a_flat_column_may_have_a_dot_in_its_name() -> None:
    matched = match_columns(control(UPSERT, put("title.first", "size")), MODEL, ["title.first", "title"])
    assert matched.uses["title.first"].used
    assert not matched.uses["title"].used


def test_columns_that_find_a_row_or_only_decide_are_used() -> None:
    load = {"action": "load", "destination": "person", "using": "load:person", "otherwise": [UPSERT]}
    when = {"action": "if-exists", "source": "left", "then": [{"action": "abort-record", "message": "gone"}]}
    matched = match_columns(control(put("id", "email", "load:person"), load, when), MODEL, ["id", "left"])
    assert [flow.name for flow in matched.uses["id"].finds] == ["email"]
    assert matched.uses["left"].asked
    identify = {"action": "identify", "destination": "person", "columns": {":mail": {"name": "email"}}, "then": []}
    assert match_columns(control(identify), MODEL, [":mail"]).uses[":mail"].finds


def test_every_source_is_told_once_with_its_type() -> None:
    when = {"action": "if-exists", "source": "books", "then": []}
    books = {"action": "for-each", "source": "books", "instructions": [put("title", "title", "book")]}
    assert sources_of(control(UPSERT, put("a", "email"), put("a", "size"), when, books, *STRUCTURED), MODEL) == {
        "a": "text",
        "books[].title": "text",
        "first": "person-name",
        "last": "person-name",
    }
