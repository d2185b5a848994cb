"""An insert compiled once writes what SQLAlchemy's own insert writes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError

from storage.catalog.tables import batches
from storage.opening import open_storage as open_storage  # every table that batches points at is known then
from storage.schema import InsertRow, metadata

FIRST = datetime(2025, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
VALUES: dict[str, Any] = {
    "identifier": "first",
    "api": "native",
    "process": None,
    "comment": 'it\'s a "quoted" ä',
    "control": "a" * 64,
    "state": "uploading",
    "errors": 0,
    "created": FIRST,
    "created_by": None,
    "tenant": None,
    "properties": {},
    "job": None,
}


@pytest.fixture(name="connection", scope="module")
def _connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda driver, _: driver.execute("PRAGMA foreign_keys=ON"))
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection


def _stored(connection: Connection, number: int) -> dict[str, Any]:
    row = connection.exec_driver_sql("SELECT * FROM batches WHERE id = ?", (number,)).mappings().one()
    return {name: value for name, value in row.items() if name != "id"}


@given(
    comment=st.text(st.characters(exclude_categories=["Cs"])),
    properties=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.booleans()),
    created=st.datetimes(timezones=st.just(UTC)),
)
def test_both_ways_store_the_same(
    connection: Connection, comment: str, properties: dict[str, Any], created: datetime
) -> None:
    values = VALUES | {"comment": comment, "properties": properties, "created": created}
    with connection.begin_nested() as undone:
        mine = InsertRow(batches)(connection, values)
        first = _stored(connection, mine)
        connection.execute(batches.delete().where(batches.c.id == mine))
        key = connection.execute(insert(batches), values).inserted_primary_key
        assert key is not None
        assert _stored(connection, key[0]) == first
        undone.rollback()


def test_the_number_is_that_of_the_row(connection: Connection) -> None:
    add = InsertRow(batches)
    numbers = [add(connection, VALUES | {"identifier": name}) for name in ("one", "two")]
    found = connection.execute(select(batches.c.id, batches.c.identifier).where(batches.c.id.in_(numbers)))
    assert [tuple(row) for row in found] == list(zip(numbers, ("one", "two"), strict=True))


def test_a_column_left_out_is_a_mistake_and_a_constraint_still_holds(connection: Connection) -> None:
    add = InsertRow(batches)
    with pytest.raises(KeyError, match="comment"):
        add(connection, {name: value for name, value in VALUES.items() if name != "comment"})
    with pytest.raises(IntegrityError, match="NOT NULL"):
        add(connection, VALUES | {"api": None})
