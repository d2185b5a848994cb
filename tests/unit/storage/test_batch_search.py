"""Searching batches: every page together is what the filters ask for, however small the window."""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert, text

from storage.catalog.base import Batch
from storage.catalog.sql.batch_search import Wanted, apis, search
from storage.catalog.tables import batch_files, batches
from storage.database import Database
from storage.opening import open_catalog

START = datetime(2025, 1, 1, tzinfo=UTC)
MANY = 100_000
APIS = ("haplo-batch", "folio", "voss")


def row(id: int, number: int) -> dict[str, Any]:
    """Of `number` batches over three weeks, clocks that went back included."""
    return {
        "id": id,
        "identifier": f"id{id:08d}",
        "api": "rare" if id % 100 == 99 else APIS[id % 3],
        "process": "people" if id % 2 else "rare-process" if id % 50 == 0 else None,
        "comment": f"Batch {id} 100%",
        "control": None,
        "state": "error" if id % 40 == 0 else "complete",
        "errors": 0,
        "created": START + timedelta(minutes=id * 30_000 // number - (20 if id % 7 == 0 else 0)),
        "created_by": None,
        "tenant": None,
        "properties": {"creation_path": "IMPORT_QUEUE_API:LH"} if id % 5 == 0 else {},
        "job": None,
    }


def fill(catalog: Database, number: int) -> list[dict[str, Any]]:
    rows = [row(id, number) for id in range(1, number + 1)]
    files = [
        {"batch": id, "name": "data0", "filename": f"file{id}.csv", "digest": "0" * 64, "size": 1, "created": START}
        for id in range(1, number + 1)
    ]

    def write(connection: Connection) -> None:
        connection.execute(insert(batches), rows)
        connection.execute(insert(batch_files), files)

    catalog.write_now(write)
    return rows


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[dict[str, Any]]]]:
    catalog = open_catalog(tmp_path_factory.mktemp("few"))
    yield catalog, fill(catalog, 200)
    catalog.close_now()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    catalog = open_catalog(tmp_path_factory.mktemp("many"))
    fill(catalog, MANY)
    yield catalog
    catalog.close_now()


def all_pages(catalog: Database, wanted: Wanted, limit: int, window: int) -> list[Batch]:
    found: list[Batch] = []
    before = None
    for _ in range(500):
        page = catalog.read_now(search, wanted, before, limit, window)
        assert len(page.batches) <= limit
        found += page.batches
        before = page.further
        if before is None:
            return found
    raise AssertionError("the pages have no end")


def fits(row: dict[str, Any], wanted: Wanted) -> bool:
    words = (row["comment"], row["identifier"], f"file{row['id']}.csv", row["properties"].get("creation_path", ""))
    return (
        all(getattr(wanted, name) in (None, row[name]) for name in ("api", "state", "process"))
        and (wanted.text is None or any(wanted.text.lower() in word.lower() for word in words))
        and (wanted.created_from is None or row["created"] >= wanted.created_from)
        and (wanted.created_before is None or row["created"] < wanted.created_before)
    )


MOMENTS = st.none() | st.integers(-1, 22).map(lambda day: START + timedelta(days=day))
WANTED = st.builds(
    Wanted,
    api=st.sampled_from([None, "folio", "rare", "none"]),
    state=st.sampled_from([None, "complete", "error", "running"]),
    process=st.sampled_from([None, "people", "rare-process"]),
    text=st.sampled_from([None, "batch 1", "file9", "_API:lh", "100%", "0_%", "zzz"]),
    created_from=MOMENTS,
    created_before=MOMENTS,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=WANTED, limit=st.integers(1, 60), window=st.integers(1, 250))
def test_all_pages_together_are_what_was_asked_for(
    few: tuple[Database, list[dict[str, Any]]], wanted: Wanted, limit: int, window: int
) -> None:
    catalog, rows = few
    found = [batch.id for batch in all_pages(catalog, wanted, limit, window)]
    by_time = wanted.created_from is not None or wanted.created_before is not None
    fitting = [row for row in rows if fits(row, wanted)]
    order = sorted(fitting, key=lambda row: (row["created"], row["id"]) if by_time else row["id"], reverse=True)
    assert found == [row["id"] for row in order]


def test_the_beginning_of_an_identifier_finds_its_batch(many: Database) -> None:
    page = many.read_now(search, Wanted(text="id00000007"), None, 50)
    assert [batch.id for batch in page.batches] == [7]


def test_the_apis_are_those_that_have_batches(many: Database) -> None:
    assert many.read_now(apis) == ["folio", "haplo-batch", "rare", "voss"]


CASES = {
    "nothing": Wanted(),
    "api": Wanted(api="folio"),
    "api, state": Wanted(api="folio", state="error"),
    "rare api": Wanted(api="rare"),
    "state": Wanted(state="error"),
    "state that nothing is in": Wanted(state="running"),
    "process": Wanted(process="people"),
    "process of another api": Wanted(api="folio", process="none"),
    "process, state": Wanted(process="rare-process", state="error"),
    "old": Wanted(created_before=START + timedelta(days=1)),
    "old, state": Wanted(created_before=START + timedelta(days=1), state="error"),
    "old, rare": Wanted(created_before=START + timedelta(days=2), api="rare", process="people"),
    "a day": Wanted(created_from=START + timedelta(days=5), created_before=START + timedelta(days=6)),
    "text": Wanted(text="Batch"),
    "text that is nowhere": Wanted(text="zzz"),
    "text, api, state": Wanted(text="file7.", api="voss", state="complete"),
    "everything": Wanted("voss", "complete", "people", "zzz", START, START + timedelta(days=20)),
}


@pytest.mark.parametrize("name", CASES)
def test_no_search_walks_the_table(many: Database, name: str) -> None:
    """Each step of it follows an index, or stops after a page or a window."""
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    def read(connection: Connection) -> list[tuple[str, str]]:
        event.listen(connection, "before_cursor_execute", note)
        search(connection, CASES[name], None, 50)
        event.remove(connection, "before_cursor_execute", note)
        return [
            (statement, str(step[3]))
            for statement, parameters in said
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    steps = many.read_now(read)
    assert steps
    for statement, step in steps:
        walks = step.startswith("SCAN batches") and "USING" not in step
        assert not walks or " LIMIT " in statement, (statement, step)
        sorts_all = step.startswith("USE TEMP B-TREE") and "IN (SELECT" not in statement
        assert not sorts_all, (statement, step)


def test_a_hundred_thousand_batches_take_no_longer_than_two_hundred(
    few: tuple[Database, list[dict[str, Any]]], many: Database
) -> None:
    """Looking through a whole window takes some 30 ms, for any number of batches behind it."""
    for name, wanted in CASES.items():
        took = {number: _median(catalog, wanted) for number, catalog in ((200, few[0]), (MANY, many))}
        assert took[MANY] < 10 * took[200] + 0.15, (name, took)


def _median(catalog: Database, wanted: Wanted) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        catalog.read_now(search, wanted, None, 50)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def test_an_index_stands_behind_every_filter(many: Database) -> None:
    plans = {
        "api": "ix_batches_api",
        "state": "ix_batches_state",
        "process": "ix_batches_process",
        "created": "ix_batches_created",
    }
    for column, index in plans.items():
        query = text(f"EXPLAIN QUERY PLAN SELECT id FROM batches WHERE {column} = 'x' ORDER BY id DESC LIMIT 50")
        (step,) = many.read_now(lambda c, query=query: [row[3] for row in c.execute(query)])  # type: ignore[misc]
        assert index in step
