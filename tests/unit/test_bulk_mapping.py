"""Bulk load rows as changes, and how rows are known by pkid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_world import RecordScope, World, destination, model, name

from server.mapping.bulk import BulkInvalid, compile_bulk, row_id, row_pkid

USERS = model(
    destination("user", name("username", required=True), name("age", "integer"), key=("username",), table="users",
                kind="dictionary")
)  # fmt: skip
MODELS = {"data/Users": USERS}


def run(mapping, world, action, attributes, pkid="", search=None):
    scope = RecordScope(world, world.hints)
    record = {"action": action, "attributes": attributes, "pkid": pkid, "search": search or {}}
    result = mapping.program.run(record, scope)
    return result, scope.messages


@pytest.fixture
def world():
    world = World()
    world.add("users", 7, username="ada", age=36)
    return world


@pytest.fixture
def users():
    return compile_bulk("data/Users", ("username", "age"), MODELS)


def test_plain_rows_take_the_fast_path(users):
    assert users.flat is not None
    assert users.flat.columns == ("username", "age")


def test_an_undeclared_entity_gets_a_table_of_text(world):
    mapping = compile_bulk("data/Countries", ("country_name", "a.b"), {})
    assert mapping.program.destination.table == "data_Countries"
    result, messages = run(mapping, world, "add", {"country_name": "Chad", "a.b": 5})
    assert messages == []
    assert result.changes[0].values == {"country_name": "Chad", "a_b": "5"}


def test_modify_by_key_pkid_and_search(users, world):
    for how in ({"pkid": "7"}, {"pkid": row_pkid("users", 7)}, {"search": {"age": "36"}}, {}):
        result, messages = run(users, world, "modify", {"username": "ada", "age": "37"}, **how)
        assert messages == []
        assert [(c.op, c.id, c.values) for c in result.changes] == [("update", 7, {"age": 37})]


def test_a_row_that_is_equal_already_is_unchanged(users, world):
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
def test_a_row_with_a_fault_changes_nothing(users, world, action, attributes, how, message):
    result, messages = run(users, world, action, attributes, **how)
    assert result.aborted
    assert result.changes == []
    assert message in "; ".join(messages)


def test_two_rows_that_match_are_one_too_many(users, world):
    world.add("users", 8, username="bob", age=36)
    _, messages = run(users, world, "delete", {}, search={"age": "36"})
    assert messages == ["data/Users: more than one row matches age:36"]


def test_a_row_that_others_depend_on_is_not_deleted(world):
    child = destination("phone", name("number"), depends="user", depends_column="owner", optional=True, table="phones")
    both = model(*USERS.destinations.values(), child)
    world.add("phones", 1, owner=7)
    _, messages = run(compile_bulk("data/Users", (), {"data/Users": both}), world, "delete", {}, pkid="7")
    assert messages == ["data/Users: row 7 still has rows of phone; delete those first"]


def test_an_attribute_that_a_closed_model_does_not_have():
    with pytest.raises(BulkInvalid, match="data/Users has no attribute 'shoe'; known are username, age"):
        compile_bulk("data/Users", ("shoe",), MODELS)


@given(st.text(min_size=1, max_size=20), st.integers(1, 2**63 - 1))
def test_a_pkid_leads_back_to_its_row(table, id):
    pkid = row_pkid(table, id)
    assert len(pkid) == 24
    assert row_id(table, pkid) == id


@pytest.mark.parametrize("pkid", ["", "x", "-1", "f" * 24, row_pkid("others", 7), "9" * 30])
def test_other_texts_lead_nowhere(pkid):
    assert row_id("users", pkid) is None
