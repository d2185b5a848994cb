"""Random small control files on random records: nothing breaks, and an aborted record changes nothing."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.mapping.model.model import Types
from server.mapping.model.scope import RunFault
from tests.support.mapping_world import World, destination, job, model, name

PERSON = destination(
    "person", name("title"), name("who", "person-name"), name("email", "email-address"), name("age", "integer"),
    name("tags", multivalue=True), name("boss", "ref", refers_to="people"), name("born", "datetime"),
    name("kind", "object-type"), name("any", "json"), title="title", key=("email",), table="people",
    types=Types("staff", ("staff", "guest")),
)  # fmt: skip
BOOK = destination("book", name("title"), name("no", "number"), depends="person", optional=True, key=("title",))
PAGE = destination("page", name("text"), depends="book", optional=True, open=True)
NOTE = destination(
    "note", name("text", required=True), name("ok", "boolean"), name("many", multivalue=True), kind="dictionary",
    optional=True,
)  # fmt: skip
LIBRARY = model(PERSON, BOOK, PAGE, NOTE, qualifiers=("q:alt",), types=("staff", "guest"))

SOURCES = st.sampled_from(["a", "b", "c", "value"])
PAIRS = [(d.name, n) for d in LIBRARY.destinations.values() for n in d.names]
PAIRS += [("value:person-name", "last"), ("load:person", "email"), ("load:by-ref", "ref"), ("page", "new name")]
SLOTS = st.sampled_from([*PAIRS, *PAIRS, ("nowhere", "title"), ("book", "nothing")])
DESTINATIONS = st.sampled_from([*LIBRARY.destinations] * 3 + ["load:person", "value:person-name", "nowhere"])
USING = st.sampled_from(["load:person", "load:by-ref", "load:book", "person", "nowhere"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(), st.text(max_size=3),
    st.sampled_from(["e@x", "1", "2", "staff", "2020-01-01"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SOURCES, inner, max_size=3), max_leaves=6
)
GOOD = st.fixed_dictionaries(
    {"a": st.sampled_from(["Ann", "1"]), "b": st.sampled_from(["e@x", "n@x"])}, optional={"c": VALUES, "value": VALUES}
)
RECORDS = st.one_of(GOOD, GOOD, GOOD, st.dictionaries(SOURCES, VALUES, max_size=4), VALUES)
FILTERS = st.sampled_from(["haplo:string-to-ref", "haplo:to-string", "haplo:to-lower-case"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "multivalue": st.booleans(),
        "qualifier": st.sampled_from(["q:alt", "q:unknown"]),
        "filters": st.lists(FILTERS, max_size=2),
        "dateFormat": st.just("yyyy-MM-dd"),
    },
)


def instruction(action: Any, **properties: Any) -> Any:
    return st.fixed_dictionaries({"action": st.just(action), **properties})


def on_name(action: str, **properties: Any) -> Any:
    made = instruction(action, **properties)
    return st.builds(
        lambda base, slot, options: {**options, **base, "destination": slot[0], "name": slot[1]}, made, SLOTS, OPTIONS
    )


SIMPLE = st.one_of(
    *[on_name("field", source=SOURCES)] * 4,
    on_name("set-value", value=VALUES),
    on_name("field-structured", structured=st.sampled_from(["value:person-name", "note", "nowhere"])),
    on_name("remove-values"),
    instruction("new", destination=DESTINATIONS),
    instruction("upsert", destination=DESTINATIONS),
    instruction("load", destination=DESTINATIONS, using=USING, otherwise=st.just([])),
    instruction("delete", destination=DESTINATIONS, using=USING),
    instruction("assert-destination", destination=st.sampled_from(["book", "page"]), exists=st.booleans()),
    instruction("log-error", message=st.just("hm")),
    instruction("if-exists", source=SOURCES, then=st.just([{"action": "abort-record", "message": "no"}])),
)


def nested(inner: Any) -> Any:
    body = st.lists(inner, max_size=4)
    branches = {"then": body, "else": body}
    return st.one_of(
        instruction("if-exists", source=SOURCES, **branches),
        instruction("if-value-one-of", source=SOURCES, values=st.lists(SCALARS, max_size=2), **branches),
        on_name("if-has-value", **branches),
        instruction("within", source=SOURCES, instructions=body),
        instruction("for-each", source=SOURCES, wrapValues=st.booleans(), instructions=body),
        instruction("load", destination=DESTINATIONS, using=USING, otherwise=body),
    )


TITLE = {"source": "a", "destination": "person", "name": "title"}
EMAIL = {"source": "b", "destination": "person", "name": "email"}
LOAD = [
    {"source": "b", "destination": "load:person", "name": "email"},
    {"action": "load", "destination": "person", "using": "load:person", "otherwise": [
        {"action": "new", "destination": "person"}, TITLE, EMAIL]},
]  # fmt: skip
STARTS = st.sampled_from(
    [
        [{"action": "new", "destination": "person"}, TITLE],
        [{"action": "upsert", "destination": "person"}, TITLE, EMAIL],
        [{"action": "upsert", "destination": "book"}, {"source": "a", "destination": "book", "name": "title"}, *LOAD],
        LOAD,
        [LOAD[0], {"action": "delete", "destination": "person", "using": "load:person"}],
        [],
    ]
)
RESTS = st.lists(st.one_of(SIMPLE, SIMPLE, st.recursive(SIMPLE, nested, max_leaves=8)), max_size=5)
PROGRAMS = st.builds(lambda first, rest: first + rest, STARTS, RESTS)


def stored() -> Any:
    world = World()
    world.add("people", 1, title="A", email="e@x", _type="staff")
    world.add("people", 2, title="B", email="f@x", _type="other", tags='["t"]')
    world.add("book", 3, title="T", person=1)
    world.add("page", 4, text="p", book=3)
    return world


@settings(max_examples=60)
@given(PROGRAMS, st.lists(RECORDS, min_size=1, max_size=3))
def test_nothing_but_a_run_fault_is_raised(instructions: Any, records: Any) -> None:
    work = job(LIBRARY, *instructions, world=stored())
    for record in records:
        try:
            result = work.run(record)
        except RunFault:
            continue
        assert not (result.aborted and result.changes)
        assert not (result.aborted and not work.messages)


@settings(max_examples=60)
@given(PROGRAMS, RECORDS)
def test_changes_are_such_as_tables_can_take(instructions: Any, record: Any) -> None:
    world = stored()
    work = job(LIBRARY, *instructions, world=world)
    columns = {table: dict(pairs) for table, pairs in work.program.columns.items()}  # type: ignore[attr-defined]
    try:
        result = work.run(record, commit=False)
    except RunFault:
        return
    rows = Counter((change.destination.table, change.id) for change in result.changes)
    assert set(rows.values()) <= {1}
    for change in result.changes:
        table = change.destination.table
        assert (world.get(table, change.id) is None) == (change.op == "insert")
        for column, value in change.values.items():
            assert column in columns[table] or column in world.get(table, change.id).values
            assert value is None or isinstance(value, str | int | float)
            assert not isinstance(value, bool)


@settings(max_examples=60)
@given(PROGRAMS, RECORDS)
def test_a_program_keeps_nothing_between_records(instructions: Any, record: Any) -> None:
    used, fresh = job(LIBRARY, *instructions, world=stored()), job(LIBRARY, *instructions, world=stored())
    try:
        used.run(record, commit=False)
        used.world, first = stored(), fresh.run(record, commit=False)
    except RunFault:
        return
    assert str(used.run(record, commit=False)) == str(first)
