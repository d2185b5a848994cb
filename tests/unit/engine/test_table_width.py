"""Room for columns: what a table can take is known before the first row."""

from typing import Any

import pytest

from server.engine.definitions.table_width import MOST_COLUMNS, check_room
from server.mapping.language.control import MOST_OPEN_NAMES
from server.mapping.model.model import Destination, Model
from server.mapping.model.scope import RunFault
from storage.records.base import Column, Table


def table(*columns: Any) -> Table:
    return Table("things", tuple(map(Column, columns)))


def models(*, open: bool) -> dict[str, Any]:
    return {"m": Model("m", {"d": Destination("d", "things", "dictionary", {}, open=open)})}


@pytest.mark.parametrize(
    ("known", "most"), [(models(open=True), MOST_OPEN_NAMES), (models(open=False), MOST_COLUMNS), ({}, MOST_OPEN_NAMES)]
)
def test_as_many_columns_as_there_is_room_for(known: Any, most: Any) -> None:
    there = [f"c{n}" for n in range(most - 1)]
    check_room(lambda name: there, [table("new"), table("c1", "c2")], known)
    with pytest.raises(
        RunFault, match=rf"the table things has {most - 1:,} columns, and the import needs 2 more; it can"
    ):
        check_room(lambda name: there, [table("new", "newer", "c1")], known)


def test_a_full_table_takes_what_it_has_room_for_already() -> None:
    there = [f"c{n}" for n in range(3 * MOST_COLUMNS)]
    check_room(lambda name: there, [table(*there)], models(open=True))


def test_a_column_that_differs_in_case_alone() -> None:
    with pytest.raises(RunFault, match="the table things has a column id_, so it cannot have a column ID_"):
        check_room(lambda name: ["id", "id_"], [table("ID_")], models(open=True))


def test_a_table_that_is_not_there_yet() -> None:
    check_room(lambda name: [], [table("a")], {})
