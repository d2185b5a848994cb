"""Stored columns become the Names of the model again."""

from typing import Any

import pytest

from server.mapping.model.model import Destination, Model, Name
from server.mapping.record.export import make_export


def model(*names: Any, depends: Any = None, kind: Any = "object", qualifiers: Any = (), table: Any = "things") -> Model:
    destination = Destination("thing", table, kind, {name.name: name for name in names}, depends=depends)
    return Model("test:model", {"thing": destination}, qualifiers=qualifiers)


def exported(name: Any, stored: Any, **more: Any) -> Any:
    columns = ["id", *stored]
    row = make_export("things", columns, [model(name, **more)]).row(7, stored)
    assert row.pop("_id") == 7
    return row


CASES = [
    (Name("a", column="a"), {"a": "x"}, {"a": "x"}),
    (Name("a b", column="a_b"), {"a_b": "x"}, {"a b": "x"}),
    (Name("a", column="a"), {"a": None}, {}),
    (Name("a", column="a"), {"a": ""}, {"a": ""}),
    (Name("a", "integer", column="a"), {"a": 0}, {"a": 0}),
    (Name("a", "boolean", column="a"), {"a": 0}, {"a": False}),
    (Name("a", "boolean", column="a"), {"a": 1}, {"a": True}),
    (Name("a", "datetime", column="a"), {"a": "2024-02-29T00:00:00Z"}, {"a": "2024-02-29T00:00:00Z"}),
    (Name("a", "ref", column="a"), {"a": 12}, {"a": 12}),
    (Name("a", "person-name", column="a"), {"a": '{"first":"A","last":"B"}'}, {"a": {"first": "A", "last": "B"}}),
    (Name("a", "json", column="a"), {"a": "[1]"}, {"a": [1]}),
    (Name("a", "text", column="a"), {"a": "[1]"}, {"a": "[1]"}),
    (Name("a", multivalue=True, column="a"), {"a": '["x","y"]'}, {"a": ["x", "y"]}),
    (Name("a", multivalue=True, column="a"), {"a": "stored before"}, {"a": ["stored before"]}),
    (Name("a", "boolean", multivalue=True, column="a"), {"a": "[1,0]"}, {"a": [True, False]}),
    (Name("a", "json", multivalue=True, column="a"), {"a": '["{\\"b\\":1}"]'}, {"a": [{"b": 1}]}),
    (Name("a", column="a"), {"a": "x", "a__more": '["y","z"]'}, {"a": ["x", "y", "z"]}),
    (Name("a", column="a"), {"a": "x", "a__more": None}, {"a": "x"}),
]


@pytest.mark.parametrize(("name", "stored", "row"), CASES)
def test_a_value_is_written_in_its_own_form(name: Any, stored: Any, row: Any) -> None:
    assert exported(name, stored) == row


def test_a_qualified_value_has_its_own_key() -> None:
    name = Name("a", column="a")
    stored = {"a": "x", "a__dc_qualifier_alternative": "y"}
    assert exported(name, stored, qualifiers=["dc:qualifier:alternative"]) == {
        "a": "x",
        "a#dc:qualifier:alternative": "y",
    }


@pytest.mark.parametrize(("stored", "row"), [({"author": 3}, {"_parent": 3}), ({"author": None}, {})])
def test_a_dependent_row_names_its_parent(stored: dict[str, Any], row: dict[str, Any]) -> None:
    assert exported(Name("a", column="a"), stored, depends="author") == row


def test_a_column_of_no_model_keeps_its_name_and_bookkeeping_stays_out() -> None:
    export = make_export("things", ["id", "free", "_job"], [])
    assert export.row(1, {"free": 5, "_job": "j"}) == {"_id": 1, "free": 5}
    assert export.keys == ["_id", "free"]


def test_names_of_every_model_that_fills_the_table_are_there() -> None:
    models = [model(Name("a", column="a")), model(Name("b", "boolean", column="b")), model(Name("c"), table="other")]
    assert make_export("things", ["id", "a", "b"], models).row(1, {"a": "x", "b": 1}) == {"_id": 1, "a": "x", "b": True}


@pytest.mark.parametrize(
    ("stored", "row"),
    [
        ({"kind": None, "_type": "staff"}, {"kind": "staff"}),
        ({"kind": "student", "_type": "staff"}, {"kind": "student"}),
        ({"kind": None, "_type": None}, {}),
        ({"kind": None}, {}),
    ],
)
def test_a_name_for_types_shows_the_type_that_only_the_model_says(stored: dict[str, Any], row: dict[str, Any]) -> None:
    kinds = Name("kind", "object-type", column="kind"), Name("other", "object-type", column="other")
    export = make_export("things", ["id", "other", *stored], [model(*kinds)])
    assert export.row(7, {**stored, "other": None}) == {"_id": 7, **row}


def test_a_name_for_many_types_shows_a_list() -> None:
    export = make_export("things", ["id", "kind", "_type"], [model(Name("kind", "object-type", True, column="kind"))])
    assert export.row(7, {"kind": None, "_type": "staff"}) == {"_id": 7, "kind": ["staff"]}
