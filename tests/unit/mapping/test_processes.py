"""Import processes: the long form, and the short one as the control file it stands for."""

from typing import Any

import pytest

from server.mapping.language.control import validate
from server.mapping.language.processes import ProcessInvalid, Push, check_processes, parse_process
from server.mapping.model.model import parse_model
from server.mapping.program.compile import compile_control
from server.readers.formats import FORMATS
from tests.support.mapping_world import RecordScope, World

MODEL = parse_model(
    {
        "name": "example:people",
        "destinations": [
            {
                "name": "profile",
                "table": "people",
                "kind": "dictionary",
                "key": ["email"],
                "names": {
                    "title": {"type": "person-name"},
                    "email": {"type": "email-address"},
                    "tags": {"multivalue": True},
                    "scores": {"type": "integer", "multivalue": True},
                    "active": {"type": "boolean"},
                    "born": {"type": "datetime"},
                    "manager": {"type": "ref", "refers_to": "people"},
                    "home": {"type": "postal-address"},
                },
            },
            {
                "name": "book",
                "table": "books",
                "kind": "object",
                "optional": True,
                "depends": "profile",
                "names": {"title": {}},
            },
        ],
    },
    "people.json",
)
KEYLESS = parse_model(
    {
        "name": "keyless",
        "destinations": [
            {"name": "thing", "table": "things", "kind": "object", "names": {"a": {}}},
            {"name": "other", "table": "others", "kind": "object", "names": {"b": {}}},
        ],
    },
    "keyless.json",
)
MODELS = {MODEL.name: MODEL, KEYLESS.name: KEYLESS}
SHORT = {
    "id": "12",
    "label": "Members",
    "model": "example:people",
    "destination": "profile",
    "read": "json-lines",
    "write": "upsert",
    "columns": {"E-mail": "email"},
}
CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "example:people",
    "files": {"DEFAULT": {"read": "json"}},
    "instructions": [],
}


def parse(document: Any, load: Any = None) -> Any:
    return parse_process(document, "p.json", MODELS, formats=FORMATS, load_control=load or (lambda name: CONTROL))


def short(**changes: Any) -> dict[Any, Any]:
    return {key: value for key, value in {**SHORT, **changes}.items() if value is not ...}


def problems(document: Any, load: Any = None) -> list[Any]:
    with pytest.raises(ProcessInvalid) as caught:
        parse(document, load)
    return list(map(str, caught.value.problems))


def instructions(**changes: Any) -> Any:
    return parse(short(**changes)).control["instructions"]


def run(world: Any, *records: Any, **changes: Any) -> list[Any]:
    """Imports records with a process; the rows of the table."""
    process = parse(short(**changes))
    readers = {name: lambda options: None for name in ("json-lines", "csv-with-name-row", "tsv-with-name-row")}
    assert validate(process.control, MODELS, readers=readers) == []
    program = compile_control(process.control, MODEL, MODELS)
    assert program.setup_messages == ()
    for record in records:
        scope = RecordScope(world)
        result = program.run(record, scope)
        assert scope.messages == []
        world.apply(result.changes)
    rows = (row.values for _, row in sorted(world.tables["people"].items()))
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def test_a_control_file_within() -> None:
    process = parse({"id": "feed", "control": CONTROL, "description": "All of them"})
    assert (process.id, process.label, process.model, process.push) == ("feed", "feed", "example:people", None)
    assert process.control == CONTROL
    assert process.control_digest == parse({"id": "x", "control": dict(reversed(CONTROL.items()))}).control_digest


def test_a_control_file_by_name() -> None:
    asked = []
    process = parse({"id": "feed", "control": "people.control.json"}, lambda name: asked.append(name) or CONTROL)  # type: ignore[func-returns-value]
    assert asked == ["people.control.json"]
    assert process.control == CONTROL


def broken(name: Any) -> None:
    raise ValueError("unexpected end of data")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"control": CONTROL}, "p.json: id: missing, should be a text"),
        ({"id": 12, "control": CONTROL}, "p.json: id: 12 is wrong, should be a text"),
        (
            {"id": "a", "control": 5},
            "p.json: control: 5 is wrong, should be a control file (an object) or the name of one",
        ),
        (
            {"id": "a", "control": {**CONTROL, "model": "x"}},
            'p.json: control.model: "x" is wrong, should be one of example:people, keyless',
        ),
        (
            {"id": "a", "control": CONTROL, "write": "create"},
            "p.json: write: unknown key; known are id, label, description, push, control",
        ),
        ({**SHORT, "model": "x"}, 'p.json: model: "x" is wrong, should be one of example:people, keyless'),
        ({**SHORT, "destination": "x"}, 'p.json: destination: "x" is wrong, should be one of profile, book'),
        ({**SHORT, "write": "replace"}, 'p.json: write: "replace" is wrong, should be one of create, update, upsert'),
        (
            {**SHORT, "read": 5},
            "p.json: read: 5 is wrong, should be the name of a reader, or an object like "
            '{"read": "tsv-with-name-row", "separator": ";"}',
        ),
        ({**SHORT, "colums": {}}, "p.json: colums: unknown key; did you mean columns?"),
        (
            {**SHORT, "columns": {"a": "mail"}},
            'p.json: columns.a: "mail" is wrong, should be one of title, email, tags, scores, active, born, manager, '
            "home",
        ),
        (
            {**SHORT, "columns": {"a": "tags"}},
            "p.json: columns: no column goes to email, should be one, as the key needs it",
        ),
        ({**SHORT, "columns": {}}, "p.json: columns: {} is wrong, should be an object with at least one entry"),
        (
            {**SHORT, "columns": {"a": {"name": "email", "filter": []}, "b": "email"}},
            "p.json: columns.a.filter: unknown key; did you mean filters?",
        ),
        (
            {**SHORT, "destination": "book", "write": "create", "columns": {"a": "title"}},
            'p.json: destination: "book" is wrong, should be one that does not depend on another (profile), '
            "or write a control file",
        ),
        (
            {**SHORT, "model": "keyless", "destination": "thing", "columns": {"a": "a"}},
            'p.json: write: "upsert" is wrong, should be "create", as destination thing has no key',
        ),
        (
            {**SHORT, "model": "keyless", "destination": "thing", "write": "create", "columns": {"a": "a"}},
            'p.json: destination: "thing" is wrong, should be used with a control file, as the model also requires '
            "other",
        ),
        (
            {**SHORT, "read": "csv-with-name-row", "columns": {"e": "email", "who": "title"}},
            'p.json: columns.who: "title" is made of parts, should be one of title.title, title.first, title.middle, '
            "title.last, title.suffix",
        ),
        ({**SHORT, "push": {"url": "Up"}}, 'p.json: push.url: "Up" is wrong, should be small letters, digits and -'),
        ({**SHORT, "push": {}}, "p.json: push.url: missing, should be small letters, digits and -"),
        (
            {**SHORT, "push": {"url": "a", "response": "CSV"}},
            'p.json: push.response: "CSV" is wrong, should be one of JSON, XML',
        ),
        ({**SHORT, "push": {"url": "a", "enabled": 1}}, "p.json: push.enabled: 1 is wrong, should be true or false"),
    ],
)
def test_a_wrong_process(document: dict[str, Any], problem: str) -> None:
    assert problem in problems(document)


def test_a_control_file_that_cannot_be_read() -> None:
    assert problems({"id": "a", "control": "x.json"}, broken) == [
        'p.json: control: "x.json" cannot be read as JSON: unexpected end of data'
    ]


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_a_document_that_is_no_object(document: list[Any] | str | int | None) -> None:
    assert problems(document)


def test_push() -> None:
    assert parse(short(push={"url": "members", "response": "XML"})).push == Push("members", True, "XML")
    assert parse(short(push={"url": "m-1", "enabled": False})).push == Push("m-1", False, "JSON")


def test_an_address_belongs_to_one_process() -> None:
    one, two = parse(short(push={"url": "a"})), parse(short(id="13", push={"url": "a"}))
    assert list(map(str, check_processes([one, one]))) == []
    assert list(map(str, check_processes([one, two]))) == [
        'process 13: push.url: "a" is already in use by process 12, should be another'
    ]


# the short form as a control file


def test_short_forms() -> None:
    assert parse(SHORT).control == {
        "dataImportControlFileVersion": 0,
        "model": "example:people",
        "files": {"DEFAULT": {"read": "json-lines"}},
        "instructions": [
            {"action": "upsert", "destination": "profile"},
            {"source": "E-mail", "destination": "profile", "name": "email", "keepFalse": True},
        ],
        "onBadValue": "fail",
    }
    assert instructions(write="create")[0] == {"action": "new", "destination": "profile"}
    assert instructions(write="update", columns={"E": "email", "B": "born"}) == [
        {"source": "E", "destination": "load:profile", "name": "email", "keepFalse": True},
        {"action": "load", "destination": "profile", "using": "load:profile"},
        {"source": "B", "destination": "profile", "name": "born", "dateFormat": "ISO 8601", "keepFalse": True},
    ]
    assert "onBadValue" not in parse(short(on_bad_value="drop")).control


def test_options_of_the_reader_and_of_columns() -> None:
    read = {"read": "tsv-with-name-row", "separator": ";"}
    columns = {
        "E": {"name": "email", "filters": ["haplo:to-lower-case"]},
        "B": {"name": "born", "dateFormat": "dd/MM/yy"},
    }
    control = parse(short(read=read, columns=columns)).control
    assert control["files"] == {"DEFAULT": read}
    assert control["instructions"][1:] == [
        {"source": "E", "destination": "profile", "name": "email", "filters": ["haplo:to-lower-case"]},
        {"source": "B", "destination": "profile", "name": "born", "dateFormat": "dd/MM/yy", "wholeText": True},
    ]


ADA = {
    "email": "ada@example.org",
    "title": {"first": "Ada", "last": "Lovelace"},
    "tags": ["a", "b"],
    "scores": [1, 2],
    "active": False,
    "born": "1815-12-10",
    "home": {"city": "London", "country": "GB"},
}
ADA_STORED = {
    "email": "ada@example.org",
    "title": '{"first":"Ada","last":"Lovelace"}',
    "tags": '["a","b"]',
    "scores": "[1,2]",
    "active": 0,
    "born": "1815-12-10T00:00:00Z",
    "home": '{"city":"London","country":"GB"}',
}


@pytest.mark.parametrize("write", ["create", "upsert"])
def test_without_columns_every_name_comes_from_its_own(write: str) -> None:
    assert run(World(), ADA, write=write, columns=...) == [ADA_STORED]


def test_lists_take_the_place_of_what_was_stored() -> None:
    world = World()
    run(world, ADA, columns=...)
    later = {"email": "ada@example.org", "tags": ["c"], "scores": [3]}
    assert run(world, later, columns=...) == [{**ADA_STORED, "tags": '["c"]', "scores": "[3]"}]
    assert run(world, {**later, "tags": "d"}, columns=..., write="update")[0]["tags"] == '["d"]'
    assert run(world, {"email": "ada@example.org"}, columns=..., write="update")[0]["tags"] == '["d"]'


def test_a_ref_is_the_id_of_a_row() -> None:
    world = World()
    world.add("people", 1, email="boss@example.org")
    columns = {"e": "email", "m": "manager"}
    assert run(world, {"e": "a@x", "m": 1}, {"e": "b@x", "m": "1"}, columns=columns)[1:] == [
        {"email": "a@x", "manager": 1},
        {"email": "b@x", "manager": 1},
    ]


def test_flat_files_fill_structured_values_by_their_parts() -> None:
    row = {
        "email": "a@x",
        "title.first": "Ada",
        "title.last": "L",
        "home.country": "GB",
        "tags": "one",
        "active": "true",
    }
    stored = {
        "email": "a@x",
        "title": '{"first":"Ada","last":"L"}',
        "home": '{"country":"GB"}',
        "tags": '["one"]',
        "active": 1,
    }
    world = World()
    assert run(world, row, read="csv-with-name-row", columns=...) == [stored]
    assert run(world, {"email": "a@x"}, read="csv-with-name-row", columns=...) == [stored]


def test_parts_under_names_of_the_file() -> None:
    columns = {"Mail": "email", "Forename": "title.first", "Surname": "title.last"}
    row = {"Mail": "a@x", "Surname": "L", "Forename": "A"}
    assert run(World(), row, read="csv-with-name-row", columns=columns) == [
        {"email": "a@x", "title": '{"first":"A","last":"L"}'}
    ]
