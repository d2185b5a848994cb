"""Programs on the real record store: what one record wrote, the next one finds, in earnest and in a dry run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.definitions.definitions import tables_of
from server.mapping.model.model import Types
from server.mapping.program.compile import compile_control
from storage.records.base import Checkpoint
from storage.records.sqlite import SqliteRecords
from tests.support.mapping_world import RecordScope, destination, field_of, model, name, new

PERSON = destination(
    "person", name("title"), name("email"), name("tags", multivalue=True), title="title", key=("email",),
    table="people", types=Types("staff", ("staff",)),
)  # fmt: skip
BOOK = destination("book", name("name"), depends="person", depends_column="author", optional=True, table="books")
LIBRARY = model(PERSON, BOOK, qualifiers=("q:alt",))
UPSERT = (
    {"action": "upsert", "destination": "person"},
    field_of("title", "person", "title", multivalue=True),
    field_of("other", "person", "title", multivalue=True),
    field_of("alt", "person", "title", qualifier="q:alt"),
    field_of("book", "book", "name"),
    field_of("email", "person", "email"),
)
DELETE = (
    field_of("email", "load:person", "email"),
    {"action": "delete", "destination": "person", "using": "load:person"},
)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Any]:
    store = SqliteRecords(tmp_path / "records.db")
    yield store
    store.close()


def run(store: Any, instructions: Any, *contents: Any, dry_run: Any = False) -> Any:
    """The operations of each record, written before the next one is mapped."""
    program = compile_control({"instructions": list(instructions)}, LIBRARY, {LIBRARY.name: LIBRARY})
    tables = tables_of(LIBRARY, program)
    store.ensure(tables)
    session = store.session("job", tables, dry_run=dry_run)
    done = []
    with session.chunk(Checkpoint()) as chunk:
        for number, content in enumerate(contents):
            result = program.run(content, RecordScope(chunk, hints=[]))
            done.append([(c.op, c.destination.name) for c in result.changes])
            write(chunk, result.changes, number)
    session.close()
    return done


def write(chunk: Any, changes: Any, number: Any) -> None:
    for change in changes:
        table = change.destination.table
        if change.op == "delete":
            chunk.delete(table, change.id)
        else:
            getattr(chunk, change.op)(table, change.id, change.values, number)


A = {"title": "A", "other": "AA", "alt": "Á", "book": "one", "email": "a@x"}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_feed_sent_twice_writes_once(records: Any, dry_run: bool) -> None:
    first, again, changed, gone = run(records, UPSERT, A, A, {**A, "book": "two"}, {"email": "b@x"}, dry_run=dry_run)
    assert first == [("insert", "person"), ("insert", "book")]
    assert (again, changed, gone) == ([], [("update", "book")], [])
    assert records.count("people") == (0 if dry_run else 1)


def test_what_is_stored(records: Any) -> None:
    run(records, UPSERT, A)
    person, book = next(records.rows("people")), next(records.rows("books"))
    stored = {column: value for column, value in person.values.items() if column[:2] in ("ti", "em", "_t")}
    assert stored == {
        "title": "A", "title__more": '["AA"]', "title__q_alt": "Á", "email": "a@x", "_type": "staff",
    }  # fmt: skip
    assert (book.values["name"], book.values["author"]) == ("one", person.id)


def test_columns_of_another_control_file_are_emptied_with_their_name(records: Any) -> None:
    run(records, UPSERT, A)
    load = {"action": "load", "destination": "person", "using": "load:person"}
    plain = (field_of("email", "load:person", "email"), load, field_of("title", "person", "title"))
    assert run(records, plain, {"email": "a@x", "title": "B"}) == [[("update", "person")]]
    values = next(records.rows("people")).values
    assert (values["title"], values["title__more"], values["title__q_alt"]) == ("B", None, None)


def test_a_deleted_row_is_not_found_again(records: Any) -> None:
    run(records, (new("person"), field_of("title", "person", "title"), field_of("email", "person", "email")), A)
    assert run(records, DELETE, {"email": "a@x"}, {"email": "a@x"}) == [[("delete", "person")], []]


def test_a_row_with_dependents_stays(records: Any) -> None:
    run(records, UPSERT, A)
    assert run(records, DELETE, {"email": "a@x"}) == [[]]
    assert len(list(records.rows("people"))) == 1


def test_new_makes_a_row_each_time(records: Any) -> None:
    made = (new("person"), field_of("title", "person", "title"))
    assert run(records, made, {"title": "A"}, {"title": "A"}) == [[("insert", "person")]] * 2
