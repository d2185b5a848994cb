"""Bulk load rows as changes, and how rows are known by pkid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.mapping.program.bulk import BulkInvalid, RowHierarchy, compile_bulk, row_id, row_pkid
from tests.support.mapping_world import RecordScope, World, destination, model, name

USERS = model(
    destination("user", name("username", required=True), name("age", "integer"), key=("username",), table="users",
                kind="dictionary")
)  # fmt: skip
MODELS = {"data/Users": USERS}
SYS = RowHierarchy("sys")


def run(
    mapping: Any,
    world: Any,
    action: Any,
    attributes: Any,
    pkid: str = "",
    search: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Any, ...]:
    scope = RecordScope(world, world.hints)
    record = {"action": action, "attributes": attributes, "pkid": pkid, "search": search or {}, **more}
    result = mapping.program.run(record, scope)
    return result, scope.messages


@pytest.fixture
def world() -> Any:
    world = World()
    world.add("users", 7, username="ada", age=36, _hierarchy="sys")
    return world


@pytest.fixture
def users() -> Any:
    return compile_bulk("data/Users", ("username", "age"), MODELS, SYS)


def test_plain_rows_take_the_fast_path(users: Any) -> None:
    assert users.fast_path is not None
    assert users.fast_path.columns == ("username", "age", "_hierarchy")


def test_an_undeclared_entity_gets_a_table_of_text(world: Any) -> None:
    mapping = compile_bulk("data/Countries", ("country_name", "a.b"), {}, SYS)
    assert mapping.program.destination.table == "data_Countries"
    result, messages = run(mapping, world, "add", {"country_name": "Chad", "a.b": 5})
    assert messages == []
    assert result.changes[0].values == {"country_name": "Chad", "a_b": "5", "_hierarchy": "sys"}


def test_modify_by_key_pkid_and_search(users: Any, world: Any) -> None:
    for how in ({"pkid": "7"}, {"pkid": row_pkid("users", 7)}, {"search": {"age": "36"}}, {}):
        result, messages = run(users, world, "modify", {"username": "ada", "age": "37"}, **how)
        assert messages == []
        assert [(c.op, c.id, c.values) for c in result.changes] == [("update", 7, {"age": 37})]


def test_a_row_that_is_equal_already_is_unchanged(users: Any, world: Any) -> None:
    result, _ = run(users, world, "modify", {"username": "ada", "age": 36})
    assert (result.changes, result.touched) == ([], 1)


@pytest.mark.parametrize(
    ("action", "attributes", "how", "message"),
    [
        ("add", {"username": "bob", "age": "x"}, {}, "age"),
        ("add", {"age": 3}, {}, "username"),
        ("modify", {"age": 3}, {}, "which row to modify is not said"),
        ("delete", {}, {"pkid": "8"}, "there is no row with the pkid 8"),
        ("modify", {"username": None}, {"pkid": "7"}, "username cannot be empty"),
        ("modify", {"age": 3}, {"search": {"shoe": "x"}}, "data/Users has no attribute shoe"),
        ("modify", {"age": 3}, {"search": {"username": "nobody"}}, "no row matches username:nobody"),
    ],
)
def test_a_row_with_a_fault_changes_nothing(
    users: Any, world: Any, action: str, attributes: dict[str, Any], how: dict[str, Any], message: str
) -> None:
    result, messages = run(users, world, action, attributes, **how)
    assert result.aborted
    assert result.changes == []
    assert message in "; ".join(messages)


def test_two_rows_that_match_are_one_too_many(users: Any, world: Any) -> None:
    world.add("users", 8, username="bob", age=36, _hierarchy="sys")
    _, messages = run(users, world, "delete", {}, search={"age": "36"})
    assert messages == ["data/Users: more than one row matches age:36"]


def test_a_row_that_others_depend_on_is_not_deleted(world: Any) -> None:
    child = destination("phone", name("number"), depends="user", depends_column="owner", optional=True, table="phones")
    both = model(*USERS.destinations.values(), child)
    world.add("phones", 1, owner=7)
    _, messages = run(compile_bulk("data/Users", (), {"data/Users": both}, SYS), world, "delete", {}, pkid="7")
    assert messages == ["data/Users: row 7 still has rows of phone; delete those first"]


def test_an_attribute_that_a_closed_model_does_not_have() -> None:
    with pytest.raises(BulkInvalid, match="data/Users has no attribute 'shoe'; known are username, age"):
        compile_bulk("data/Users", ("shoe",), MODELS, SYS)


def test_a_new_row_belongs_to_the_node_it_names_or_to_that_of_its_block(world: Any) -> None:
    mapping = compile_bulk("data/Users", ("username",), MODELS, RowHierarchy("sys.a", {"pk": "sys.a.x"}))
    for more, path in [({}, "sys.a"), ({"hierarchy": "pk"}, "sys.a.x"), ({"hierarchy": "sys.b"}, "sys.b")]:
        result, messages = run(mapping, world, "add", {"username": "eve"}, **more)  # type: ignore[arg-type]
        assert messages == []
        assert result.changes[0].values["_hierarchy"] == path


def test_a_row_that_belongs_nowhere_belongs_where_it_is_first_modified(world: Any) -> None:
    world.add("users", 8, username="bob", age=36)
    mapping = compile_bulk("data/Users", ("username", "age"), MODELS, RowHierarchy("sys.a"))
    result, _ = run(mapping, world, "modify", {"username": "bob", "age": 36})
    assert result.changes[0].values == {"_hierarchy": "sys.a"}
    world.apply(result.changes)
    unlimited = compile_bulk("data/Users", ("username", "age"), MODELS, RowHierarchy("sys.b"))
    result, _ = run(unlimited, world, "modify", {"username": "bob", "age": 38})
    assert result.changes[0].values == {"age": 38}


HERE = RowHierarchy("sys.a", allowed=("sys.a",))
ELSEWHERE = [None, "sys", "sys.b", "sys.ab", "sys.a2.x", ""]


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("how", [{"pkid": "8"}, {"pkid": row_pkid("users", 8)}, {"search": {"age": "20"}}, {}])
@pytest.mark.parametrize("action", ["modify", "delete", "execute"])
def test_rows_elsewhere_are_not_there_for_a_key_that_is_limited(
    world: Any, path: Any, how: dict[str, Any], action: str
) -> None:
    world.add("users", 8, username="bob", age=20, **({} if path is None else {"_hierarchy": path}))
    mapping = compile_bulk("data/Users", ("username", "age"), MODELS, HERE)
    result, messages = run(mapping, world, action, {"username": "bob", "age": 20}, **how)
    assert (result.aborted, result.changes) == (True, [])
    assert "no row" in messages[0]


@pytest.mark.parametrize("path", ["sys.a", "sys.a.deep.er"])
def test_its_own_rows_are_found_among_very_many_of_others(world: Any, path: str) -> None:
    for id in range(1000, 1300):
        world.add("users", id, username=f"u{id}", age=20, _hierarchy="sys.b")
    world.add("users", 2000, username="mine", age=20, _hierarchy=path)
    mapping = compile_bulk("data/Users", ("username", "age"), MODELS, HERE)
    result, messages = run(mapping, world, "delete", {}, search={"age": "20"})
    assert [(change.op, change.id) for change in result.changes] == [("delete", 2000)], messages
    world.add("users", 2001, username="too", age=20, _hierarchy="sys.a")
    _, messages = run(mapping, world, "delete", {}, search={"age": "20"})
    assert messages == ["data/Users: more than one row matches age:20"]


@given(st.text(min_size=1, max_size=20), st.integers(1, 2**63 - 1))
def test_a_pkid_leads_back_to_its_row(table: Any, id: Any) -> None:
    pkid = row_pkid(table, id)
    assert len(pkid) == 24
    assert row_id(table, pkid) == id


@pytest.mark.parametrize("pkid", ["", "x", "-1", "f" * 24, row_pkid("others", 7), "9" * 30])
def test_other_texts_lead_nowhere(pkid: Any) -> None:
    assert row_id("users", pkid) is None
