"""The engine of the import language: targets, dependencies, checks, commit order. Texts are the vendor's (Haplo)."""

from typing import Any

import pytest

from server.mapping.language.control import parse_control
from server.mapping.model.model import Types
from server.mapping.model.scope import RunFault
from server.mapping.program.compile import compile_control
from server.mapping.record.evaluation import NOTHING_READ
from server.mapping.values.javascript import js_text
from tests.support.mapping_world import World, changed, destination, field_of, job, model, name, new

TITLE_HINT = (
    "To set defaults for dc:attribute:title, see example of if-has-value instruction at "
    "https://docs.haplo.org/import/control/instruction/if-has-value"
)
PERSON = destination(
    "person", name("dc:attribute:title"), name("age", "integer"), title="dc:attribute:title", table="people"
)
TITLE = field_of("title", "person", "dc:attribute:title")
STATUS = destination(
    "status", name("userId"), name("a", required=True), name("b", required=True), name("notes", multivalue=True),
    kind="dictionary",
)  # fmt: skip
BOOK = destination("book", name("name"), depends="person", depends_column="author", optional=True, table="books")
PAGE = destination("page", name("text"), depends="book", optional=True, table="pages")
LIBRARY = model(PERSON, BOOK, PAGE)


def test_a_record_becomes_one_row() -> None:
    result = job(model(PERSON), new("person"), TITLE, field_of("age", "person", "age")).run(
        {"title": "Ann", "age": "7"}
    )
    assert changed(result) == [("person", "insert", 100, {"dc_attribute_title": "Ann", "age": 7})]
    assert not result.aborted


def test_a_checked_control_file_compiles_like_its_document() -> None:
    document = {"model": "test:model", "files": {}, "instructions": [new("person"), TITLE]}
    program = compile_control(parse_control(document), model(PERSON), {})
    assert program.setup_messages == ()
    assert len(program.steps) == 2


def test_the_title_must_be_set_and_the_hint_comes_once_a_job() -> None:
    work = job(model(PERSON), new("person"))
    assert work.run({}).aborted
    assert work.messages == ["dc:attribute:title is not set in object person", TITLE_HINT]
    work.run({})
    assert work.messages == ["dc:attribute:title is not set in object person"]


def test_the_hint_is_remembered_by_the_job_and_not_by_the_program() -> None:
    first = job(model(PERSON), new("person"))
    first.run({})
    resumed = job(model(PERSON), new("person"), world=first.world)
    resumed.run({})
    assert resumed.messages == ["dc:attribute:title is not set in object person"]


def test_another_title_is_named() -> None:
    place = destination("place", name("label"), title="label")
    work = job(model(place), new("place"))
    work.run({})
    assert work.messages[0] == "label is not set in object place"


def test_an_object_without_its_other_required_names_is_fine() -> None:
    place = destination("place", name("label", required=True))
    assert not job(model(place), new("place")).run({}).aborted


def test_a_dictionary_lists_its_missing_names() -> None:
    work = job(model(STATUS), new("status"), field_of("u", "status", "userId"))
    assert work.run({"u": "x"}).aborted
    assert work.messages == ["Missing values in status: a, b"]


def test_a_required_destination_must_be_touched() -> None:
    work = job(model(PERSON, STATUS), new("person"), TITLE)
    assert work.run({"title": "A"}).aborted
    assert work.messages == ["No data set in required destination status"]


def test_every_check_is_made() -> None:
    work = job(model(PERSON, STATUS), new("person"))
    work.run({})
    assert work.messages == [
        "dc:attribute:title is not set in object person",
        TITLE_HINT,
        "No data set in required destination status",
    ]


def test_a_destination_must_be_made_ready_and_that_is_said_once_a_record() -> None:
    work = job(model(PERSON), TITLE, field_of("age", "person", "age"))
    assert work.run({"title": "A", "age": 3}).aborted
    assert work.messages == ['Destination "person" needs be made ready with a "new" or "load" instruction']


def test_the_path_of_dependents_is_told() -> None:
    work = job(LIBRARY, field_of("text", "page", "text"))
    assert work.run({"text": "x"}).aborted
    assert work.messages == [
        'Destination "person" needs be made ready with a "new" or "load" instruction, required by use of page book '
    ]


def test_after_an_abort_instructions_go_on_and_checks_do_not() -> None:
    work = job(
        model(PERSON),
        {"action": "abort-record", "message": "no"},
        new("person"),
        {"action": "log-error", "message": "two"},
    )
    assert work.run({}).aborted
    assert work.messages == ["no", "two"]


def test_a_value_error_does_not_abort() -> None:
    work = job(model(PERSON), new("person"), TITLE, field_of("age", "person", "age"))
    assert changed(work.run({"title": "A", "age": "x"})) == [("person", "insert", 100, {"dc_attribute_title": "A"})]
    assert work.messages == ["Invalid integer for input field age: x"]


def test_a_dependent_is_made_with_its_parent() -> None:
    work = job(LIBRARY, new("person"), TITLE, field_of("text", "page", "text"))
    assert changed(work.run({"title": "A", "text": "t"})) == [
        ("person", "insert", 100, {"dc_attribute_title": "A"}),
        ("book", "insert", 101, {"author": 100}),
        ("page", "insert", 102, {"text": "t", "book": 101}),
    ]


def load_person(*after: Any) -> tuple[Any, ...]:
    by_ref = field_of("id", "load:by-ref", "ref", filters=["haplo:string-to-ref"])
    return (by_ref, {"action": "load", "destination": "person", "using": "load:by-ref"}, *after)


def people(**books: Any) -> Any:
    world = World()
    world.add("people", 1, dc_attribute_title="A", age=3)
    for id, values in books.items():
        world.add("books", int(id[1:]), **values)
    return world


def test_a_dependent_of_a_stored_parent_is_its_oldest_row() -> None:
    world = people(b9={"author": 1, "name": "new"}, b4={"author": 1, "name": "old"}, b3={"author": 2, "name": "other"})
    work = job(LIBRARY, *load_person(field_of("name", "book", "name")), world=world)
    result = work.run({"id": "1", "name": "better"})
    assert changed(result) == [("book", "update", 4, {"name": "better"})]
    assert result.touched == 1


def test_a_dependent_of_a_stored_parent_without_one_is_new() -> None:
    work = job(LIBRARY, *load_person(field_of("name", "book", "name")), world=people())
    assert changed(work.run({"id": "1", "name": "n"})) == [("book", "insert", 100, {"name": "n", "author": 1})]


def test_a_dependent_of_another_type_is_not_taken() -> None:
    books = destination(
        "book", name("name"), depends="person", depends_column="author", table="books",
        types=Types("novel", ("novel", "poem")),
    )  # fmt: skip
    world = people(
        b1={"author": 1, "_type": "letter"}, b2={"author": 1, "_type": "poem"}, b3={"author": 1, "_type": "novel"}
    )
    work = job(model(PERSON, books), *load_person(field_of("name", "book", "name")), world=world)
    assert changed(work.run({"id": "1", "name": "n"})) == [("book", "update", 2, {"name": "n"})]


def chain(length: int) -> Any:
    parts = [destination("d0", name("n"))]
    parts += [destination(f"d{i}", name("n"), depends=f"d{i - 1}", optional=True) for i in range(1, length)]
    return model(*parts)


def test_dependencies_go_sixteen_deep() -> None:
    assert not job(chain(17), new("d0"), field_of("v", "d16", "n")).run({"v": "x"}).aborted
    work = job(chain(18), new("d0"), field_of("v", "d17", "n"))
    assert work.run({"v": "x"}).aborted
    assert work.messages[0] == 'Couldn\'t make destination "d1" available from dependency "d0"'


def test_the_commit_order_is_queued_then_current_as_made() -> None:
    work = job(model(PERSON, STATUS), new("status"), field_of("v", "status", "a"), field_of("v", "status", "b"),
               new("person"), TITLE, new("person"), TITLE)  # fmt: skip
    result = work.run({"title": "T", "v": "v"})
    assert [(c.destination.name, c.id) for c in result.changes] == [("person", 100), ("status", 101), ("person", 102)]


def test_a_replaced_target_is_checked_at_once() -> None:
    work = job(model(PERSON), new("person"), new("person"), {"action": "log-error", "message": "after"}, TITLE)
    assert work.run({"title": "T"}).aborted
    assert work.messages == ["dc:attribute:title is not set in object person", TITLE_HINT, "after"]


def test_children_stay_with_their_own_parent() -> None:
    each = {"action": "for-each", "source": "people", "instructions": [
        new("person"), field_of("title", "person", "dc:attribute:title"),
        {"action": "for-each", "source": "books", "wrapValues": True, "instructions": [
            new("book"), field_of("value", "book", "name"),
        ]},
    ]}  # fmt: skip
    record = {"people": [{"title": "A", "books": ["a1", "a2"]}, {"title": "B", "books": ["b1"]}]}
    assert changed(job(LIBRARY, each).run(record)) == [
        ("book", "insert", 101, {"name": "a1", "author": 100}),
        ("person", "insert", 100, {"dc_attribute_title": "A"}),
        ("book", "insert", 102, {"name": "a2", "author": 100}),
        ("person", "insert", 103, {"dc_attribute_title": "B"}),
        ("book", "insert", 104, {"name": "b1", "author": 103}),
    ]


def test_a_replaced_parent_takes_its_dependents_of_any_depth_with_it() -> None:
    each = {"action": "for-each", "source": "people", "instructions": [
        new("person"), field_of("title", "person", "dc:attribute:title"), field_of("text", "page", "text"),
    ]}  # fmt: skip
    result = job(LIBRARY, each).run({"people": [{"title": "A", "text": "a"}, {"title": "B", "text": "b"}]})
    rows = {c.id: c.values for c in result.changes}
    pages = [values for values in rows.values() if "text" in values]
    owners = [(page["text"], rows[rows[page["book"]]["author"]]["dc_attribute_title"]) for page in pages]
    assert owners == [("a", "A"), ("b", "B")]


def test_children_made_before_their_parent_get_it() -> None:
    work = job(LIBRARY, new("book"), field_of("n", "book", "name"), new("book"), field_of("m", "book", "name"),
               new("person"), TITLE)  # fmt: skip
    result = work.run({"n": "x", "m": "y", "title": "T"})
    books = [c.values for c in result.changes if c.destination.name == "book"]
    person = next(c.id for c in result.changes if c.destination.name == "person")
    assert books == [{"name": "x", "author": person}, {"name": "y", "author": person}]


def owners(changes: Any, child: str, parent: str) -> list[Any]:
    """For each child its own text and that of the row it is linked to."""
    rows = {c.id: c.values for c in changes}
    return [(v[child], rows[v[parent]]) for v in rows.values() if child in v]


def test_queued_children_belong_to_the_first_parent_that_comes() -> None:
    work = job(LIBRARY, new("book"), field_of("x", "book", "name"), new("book"), field_of("y", "book", "name"),
               new("person"), TITLE, new("person"), TITLE)  # fmt: skip
    changes = work.run({"x": "x", "y": "y", "title": "T"}).changes
    first = next(c.id for c in changes if c.destination.name == "person")
    assert [c.values["author"] for c in changes if c.destination.name == "book"] == [first, first]


def test_explicit_children_of_children_leave_with_their_parent() -> None:
    each = {"action": "for-each", "source": "l", "instructions": [
        new("person"), field_of("t", "person", "dc:attribute:title"), new("book"), field_of("t", "book", "name"),
        new("page"), field_of("t", "page", "text"),
    ]}  # fmt: skip
    changes = job(LIBRARY, each).run({"l": [{"t": "a"}, {"t": "b"}]}).changes
    assert [(text, book["name"]) for text, book in owners(changes, "text", "book")] == [("a", "a"), ("b", "b")]
    assert [(text, person["dc_attribute_title"]) for text, person in owners(changes, "name", "author")] == [
        ("a", "a"), ("b", "b"),
    ]  # fmt: skip


def test_a_required_link_need_not_be_set_by_hand() -> None:
    child = destination("c", name("owner", "integer", required=True), kind="dictionary", depends="person",
                        depends_column="owner", optional=True)  # fmt: skip
    work = job(model(PERSON, child), new("person"), TITLE, new("c"))
    assert changed(work.run({"title": "T"}))[1] == ("c", "insert", 101, {"owner": 100})


def test_a_child_that_never_gets_its_parent_aborts_the_record() -> None:
    parent = destination("person", name("n"), optional=True)
    child = destination("book", name("name"), depends="person", optional=True)
    work = job(model(parent, child), new("book"), field_of("n", "book", "name"))
    assert work.run({"n": "x"}).aborted
    assert work.messages == [
        'Destination "person" needs be made ready with a "new" or "load" instruction, required by use of book '
    ]


def test_a_link_that_was_set_is_kept() -> None:
    book = destination("book", name("author", "integer"), depends="person", depends_column="author", optional=True)
    work = job(model(PERSON, book), new("person"), TITLE, field_of("a", "book", "author"))
    assert changed(work.run({"title": "T", "a": "7"}))[1] == ("book", "insert", 101, {"author": 7})


def test_the_default_link_column_is_the_parents_name_made_safe() -> None:
    child = destination("b", name("n"), depends="a:x", optional=True)
    program = job(model(destination("a:x", name("n")), child)).program
    assert dict(program.columns)["b"] == (("n", "text"), ("a_x", "integer"))  # type: ignore[attr-defined]
    assert program.links == {"b": (("a_x", "a:x"),)}  # type: ignore[attr-defined]


def test_unknown_destinations_end_the_run() -> None:
    with pytest.raises(RunFault, match=r"^Unknown destination: nope$"):
        job(model(PERSON), new("nope")).run({})
    with pytest.raises(RunFault, match=r"^No destination when requesting target: nope$"):
        job(model(PERSON), {"action": "load", "destination": "person", "using": "nope"}).run({})
    with pytest.raises(RunFault, match=r"^Unknown destination: nope$"):
        job(model(PERSON), {"action": "load", "destination": "nope", "using": "load:by-ref"}).run({})


def test_pseudo_targets_are_never_written() -> None:
    person = destination("person", name("who", "person-name"))
    work = job(model(person), new("person"), field_of("f", "value:person-name", "first"), new("value:person-name"))
    assert changed(work.run({"f": "x"})) == [("person", "insert", 100, {})]


def test_a_loaded_row_that_is_equal_is_not_written() -> None:
    work = job(model(PERSON), *load_person(TITLE), world=people())
    result = work.run({"id": "1", "title": "A"})
    assert (result.changes, result.touched) == ([], 1)


def test_only_what_differs_is_written() -> None:
    work = job(model(PERSON), *load_person(TITLE, field_of("age", "person", "age")), world=people())
    assert changed(work.run({"id": "1", "title": "A", "age": "4"})) == [("person", "update", 1, {"age": 4})]


def test_a_row_loaded_twice_in_a_record_is_written_once() -> None:
    each = {
        "action": "for-each",
        "source": "x",
        "instructions": [*load_person(field_of("age", "person", "age"), TITLE)],
    }
    work = job(model(PERSON), each, world=people())
    result = work.run({"x": [{"id": "1", "age": "5"}, {"id": "1", "title": "B"}]})
    assert changed(result) == [("person", "update", 1, {"age": 5, "dc_attribute_title": "B"})]


def test_types_are_stored_with_new_rows() -> None:
    typed = destination("t", name("n"), types=Types("student", ("student", "staff")))
    work = job(model(typed), new("t"))
    assert changed(work.run({})) == [("t", "insert", 100, {"_type": "student"})]
    assert dict(work.program.columns)["t"] == (("n", "text"), ("_type", "text"))  # type: ignore[attr-defined]


def test_an_object_type_name_sets_the_type_too() -> None:
    typed = destination("t", name("kind", "object-type"), types=Types("student", ("student", "staff")))
    work = job(model(typed, types=("student", "staff")), new("t"), field_of("k", "t", "kind"))
    assert changed(work.run({"k": "staff"})) == [("t", "insert", 100, {"kind": "staff", "_type": "staff"})]


@pytest.mark.parametrize("multivalue", [False, True])
def test_a_default_type_is_the_value_of_the_object_type_name(multivalue: bool) -> None:
    kinds = name("kind", "object-type", multivalue=multivalue), name("other", "object-type")
    typed = destination("t", name("n"), *kinds, types=Types("student", ("student", "staff")))
    work = job(model(typed, types=("student", "staff")), new("t"), field_of("n", "t", "n"))
    stored = '["student"]' if multivalue else "student"
    assert changed(work.run({"n": "A"})) == [("t", "insert", 100, {"n": "A", "_type": "student", "kind": stored})]


def test_types_without_a_default_demand_one() -> None:
    typed = destination("t", name("n"), types=Types(None, ("student", "staff")))
    work = job(model(typed), new("t"))
    assert work.run({}).aborted
    assert work.messages == ["annotatedTypes used but target has no type defined"]


def test_two_destinations_of_one_table_share_its_columns() -> None:
    a, b = destination("a", name("n"), table="t"), destination("b", name("m"), name("n"), table="t")
    assert job(model(a, b)).program.columns == {"t": (("n", "text"), ("m", "text"))}  # type: ignore[attr-defined]


@pytest.mark.parametrize("record", [None, 3, "text", True, 4.5])
def test_a_record_that_is_no_object_fails(record: Any) -> None:
    constant = {"action": "set-value", "destination": "person", "name": "dc:attribute:title", "value": "T"}
    work = job(model(PERSON), new("person"), {"action": "if-exists", "source": "x", "then": [TITLE]}, constant)
    assert work.run(record).aborted
    assert work.messages == [f"The record is no object with names and values: {js_text(record)}"]


@pytest.mark.parametrize("record", [{}, [], {"other": "lost"}, {"n": ""}, {"n": None}])
def test_a_record_of_which_nothing_is_read_makes_no_row(record: dict[str, Any] | list[Any]) -> None:
    plain = destination("t", name("n"), name("m"), kind="dictionary")
    work = job(model(plain), new("t"), field_of("n", "t", "n"), field_of("m", "t", "m"))
    assert work.run(record).aborted
    assert work.messages == [NOTHING_READ]
    constant = {"action": "set-value", "destination": "t", "name": "m", "value": "always"}
    assert changed(job(model(plain), new("t"), field_of("n", "t", "n"), constant).run(record)) == [
        ("t", "insert", 100, {"m": "always"})
    ]


def test_the_elements_of_a_list_are_read_by_number() -> None:
    work = job(model(PERSON), new("person"), field_of("1", "person", "dc:attribute:title"))
    assert changed(work.run(["a", "b"])) == [("person", "insert", 100, {"dc_attribute_title": "b"})]


def test_names_of_prototypes_are_not_there() -> None:
    work = job(model(PERSON), new("person"), {"action": "if-exists", "source": "toString", "then": [TITLE]})
    assert work.run({"title": "T"}).aborted
