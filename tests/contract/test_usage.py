"""What batches were made with: the answers, and that each comes from an index."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, event

from storage.catalog.base import NewBatch
from storage.catalog.sql import batches, controls, usage
from tests.support.backends import CATALOGS

T = TypeVar("T")
NOW = datetime(2025, 3, 1, tzinfo=UTC)
DIGEST, OTHER = "a" * 64, "b" * 64


@pytest.fixture(params=CATALOGS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`run(function, argument, …)` on a catalog of five batches, two of them of one process."""
    catalog = CATALOGS[request.param](tmp_path)

    def write(operation: Callable[..., T], *arguments: object, **named: object) -> T:
        return catalog.write_now(operation, *arguments, **named)

    for number, (digest, process) in enumerate(
        [(DIGEST, None), (DIGEST, "people"), (OTHER, "people"), (DIGEST, None), (None, "books")]
    ):
        new = NewBatch(f"batch {number}", "haplo", "", NOW, control=digest, process=process)
        write(batches.add, new)
    for comment in ("first", "second"):
        write(controls.add, api="haplo", digest=DIGEST, comment=comment, created=NOW)
    yield write
    catalog.close_now()


def test_batches_made_with_a_control_file_newest_first(run: Callable[..., Any]) -> None:
    assert [batch.id for batch in run(usage.with_control, DIGEST)] == [4, 2, 1]
    assert [batch.id for batch in run(usage.with_control, DIGEST, before=4, limit=1)] == [2]


def test_they_are_counted_up_to_a_most(run: Callable[..., Any]) -> None:
    assert run(usage.count_with_control, [DIGEST, OTHER, "c" * 64], 2) == {DIGEST: 2, OTHER: 1, "c" * 64: 0}


def test_the_entries_of_a_control_file_newest_first(run: Callable[..., Any]) -> None:
    assert [entry.comment for entry in run(usage.entries_of_control, DIGEST)] == ["second", "first"]
    assert run(usage.entries_of_control, OTHER) == []


def test_the_newest_batch_of_each_process(run: Callable[..., Any]) -> None:
    found = run(usage.latest_of_processes, ["people", "books", "nobody"])
    assert {process: batch.id for process, batch in found.items()} == {"people": 3, "books": 5}


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: usage.with_control(connection, DIGEST, before=4),
        lambda connection: usage.count_with_control(connection, [DIGEST], 100),
        lambda connection: usage.latest_of_processes(connection, ["people"]),
        lambda connection: usage.entries_of_control(connection, DIGEST),
    ],
    ids=["batches", "count", "latest", "entries"],
)
def test_each_question_is_answered_from_an_index(run: Callable[..., Any], ask: Callable[[Connection], object]) -> None:
    def plan(connection: Connection) -> str:
        asked: list[tuple[str, Any]] = []

        def listen(conn: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", listen)
        ask(connection)
        event.remove(connection, "before_cursor_execute", listen)
        steps = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall() for sql, values in asked]
        return " ".join(step[3] for found in steps for step in found)

    told = run(plan)
    assert "USING" in told
    assert "SCAN batches" not in told
    assert "SCAN control_files" not in told
    assert "TEMP B-TREE" not in told
