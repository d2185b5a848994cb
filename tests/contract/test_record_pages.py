"""The contract of `select`, `matching`, `page` and `indexes` of the record store (storage/records/base.py)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.records.base import Checkpoint, Column, Table, Upserts
from storage.records.sqlite import SqliteRecords
from storage.records.statements import select_window

NOTES = Table("notes", (Column("book"), Column("order", "integer"), Column("fault")), keys=(("book", "order"),))
ROWS = [("a", 2, None, 0), ("b", 1, None, 1), ("a", 1, "torn", 2), ("a", 0, None, 3), ("a", None, "lost", 4)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRecords]:
    records = SqliteRecords(tmp_path / "records.db")
    records.ensure([NOTES])
    session = records.session("job", [NOTES])
    with session.chunk(Checkpoint()) as chunk:
        chunk.upsert_many(Upserts("notes", ("book", "order", "fault"), None, ROWS))
    session.close()
    yield records
    records.close()


def ids(store: SqliteRecords, **asked: object) -> list[int]:
    return [row.id for row in store.select("notes", {"book": "a"}, **asked)]  # type: ignore[arg-type]


def test_select_is_one_page_of_the_rows_that_have_these_values_sorted(store: SqliteRecords) -> None:
    assert ids(store, order=("order",)) == [5, 4, 3, 1]
    assert ids(store, order=("order",), offset=1, limit=2) == [4, 3]
    assert ids(store) == [1, 3, 4, 5]
    assert ids(store, order=("order",), descending=True, limit=3) == [1, 3, 4]
    assert store.select("notes", {"book": "a", "order": 1})[0].values["fault"] == "torn"


def test_only_rows_with_filled_columns(store: SqliteRecords) -> None:
    assert ids(store, filled=("fault",)) == [3, 5]
    assert ids(store, filled=("fault", "order")) == [3]


def test_matching_says_how_many_there_are(store: SqliteRecords) -> None:
    assert store.matching("notes", {"book": "a"}) == 4
    assert store.matching("notes", {"book": "a"}, filled=("fault",)) == 2
    assert store.matching("notes", {}) == 5


def test_both_are_empty_for_a_table_that_is_not_there_yet(store: SqliteRecords) -> None:
    assert store.select("others", {"book": "a"}) == []
    assert store.matching("others", {"book": "a"}) == 0
    assert store.page("others", {}) == []
    assert store.indexes("others") == []


def page(store: SqliteRecords, where: dict[str, object], **asked: object) -> list[int]:
    return [row.id for row in store.page("notes", where, **asked)]  # type: ignore[arg-type]


def test_page_is_the_first_rows_behind_an_id_or_the_last_ahead_of_it(store: SqliteRecords) -> None:
    assert page(store, {}, limit=2) == [1, 2]
    assert page(store, {}, after=2, limit=2) == [3, 4]
    assert page(store, {}, before=4, limit=2) == [2, 3]
    assert page(store, {}, before=9, limit=2) == [4, 5]
    assert page(store, {}, after=5) == []


def test_page_of_the_rows_that_have_these_values(store: SqliteRecords) -> None:
    assert page(store, {"book": "a"}, after=1, limit=2) == [3, 4]
    assert page(store, {"book": "a", "order": 1}) == [3]
    assert page(store, {"order": "1"}) == [2, 3]  # as the column's kind has it
    assert page(store, {"book": "z"}) == []


def test_page_is_quick_by_id_and_by_the_columns_of_an_index(store: SqliteRecords, tmp_path: Path) -> None:
    store.ensure([Table("notes", NOTES.columns, keys=NOTES.keys, lookups=("fault",))])
    database = sqlite3.connect(tmp_path / "records.db")
    for columns in ((), ("fault",), ("book", "order")):
        for backwards in (False, True):
            statement = select_window("notes", columns, backwards)
            steps = database.execute(f"EXPLAIN QUERY PLAN {statement}", (*columns, 1, 2)).fetchall()
            plan = " ".join(step[3] for step in steps)
            assert "SCAN" not in plan
            assert "TEMP B-TREE" not in plan
    database.close()


def test_indexes_are_the_columns_together_that_rows_are_found_by(store: SqliteRecords) -> None:
    store.ensure([Table("notes", NOTES.columns, keys=NOTES.keys, lookups=("fault",))])
    assert store.indexes("notes") == [("book", "order"), ("fault",)]
