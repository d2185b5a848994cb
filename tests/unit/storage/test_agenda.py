"""What goes on in the queue: the right jobs in the right order, and never by reading all of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from storage.database import Database
from storage.opening import open_catalog
from storage.queues import agenda, jobs
from storage.queues.base import Counts, DueCursor, FinalState, NewJob

NOW = datetime(2031, 5, 1, tzinfo=UTC)
MODES = ("import", "dry-run")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Database]:
    database = open_catalog(tmp_path)
    yield database
    database.close_now()


def put(connection: Connection, mode: str = "import", *, due: datetime | None = None, ago: float = 0) -> str:
    return jobs.put(connection, NewJob("test", mode, due=due), NOW - timedelta(seconds=ago)).id


def ended(connection: Connection, state: FinalState, ago: float, failed: int = 0, mode: str = "import") -> str:
    id = put(connection, mode, ago=ago)
    claimed = jobs.claim(connection, "me", NOW, 60)
    assert claimed is not None
    assert claimed.id == id
    counts = Counts(read=failed, failed=failed)
    assert jobs.finish(connection, id, "me", state, NOW - timedelta(seconds=ago), counts=counts)
    return id


def test_what_is_due_waits_and_what_is_due_later_comes(catalog: Database) -> None:
    def look(c: Connection) -> None:
        assert agenda.waiting(c, MODES, NOW, 10) == (0, None)
        task = put(c, "errand", ago=500)
        put(c, ago=7)
        overdue = put(c, "dry-run", ago=100, due=NOW - timedelta(seconds=50))
        second, first = put(c, due=LATER + timedelta(hours=1)), put(c, "errand", due=LATER)
        assert agenda.waiting(c, MODES, NOW, 10) == (2, NOW - timedelta(seconds=50))
        assert agenda.waiting(c, MODES, NOW, 1).number == 1
        assert [job.id for job in agenda.late(c, NOW, 10)] == [overdue]
        assert [job.id for job in agenda.coming(c, NOW, 10)] == [first, second]
        assert [job.id for job in agenda.coming(c, NOW, 10, DueCursor(LATER, first))] == [second]
        assert task not in [job.id for job in agenda.running(c, MODES, 10)]

    catalog.write_now(look)


def test_what_ended_and_what_failed_lately(catalog: Database) -> None:
    def look(c: Connection) -> None:
        partly = ended(c, "done", ago=50, failed=3)
        well = ended(c, "done", ago=40)
        failed = ended(c, "failed", ago=30, failed=1)
        cancelled = ended(c, "cancelled", ago=20)
        ended(c, "failed", ago=10, mode="errand")
        assert [job.id for job in agenda.ended_lately(c, MODES, 10)] == [cancelled, failed, well, partly]
        assert [job.id for job in agenda.failed_lately(c, MODES, 10)] == [failed, partly]
        assert [job.id for job in agenda.failed_lately(c, MODES, 1)] == [failed]

    catalog.write_now(look)


QUERIES: dict[str, Callable[[Connection], Any]] = {
    "running": lambda c: agenda.running(c, MODES, 10),
    "waiting": lambda c: agenda.waiting(c, MODES, NOW, 10),
    "coming": lambda c: agenda.coming(c, NOW, 10),
    "coming-further": lambda c: agenda.coming(c, NOW, 10, DueCursor(NOW, "x")),
    "late": lambda c: agenda.late(c, NOW, 10),
    "ended": lambda c: agenda.ended_lately(c, MODES, 10),
    "failed": lambda c: agenda.failed_lately(c, MODES, 10),
}


@pytest.mark.parametrize("name", QUERIES)
def test_an_index_answers(catalog: Database, name: str) -> None:
    """As long as one is searched and nothing but the running jobs is sorted, a long queue costs nothing."""

    def plans(c: Connection) -> list[str]:
        asked: list[tuple[str, Any]] = []
        event.listen(c.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
        QUERIES[name](c)
        return [row[3] for sql, values in list(asked) for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]

    found = catalog.write_now(plans)
    assert any("SEARCH jobs USING" in step for step in found)
    assert not any("SCAN jobs" in step for step in found)
    if name != "running":
        assert "USE TEMP B-TREE FOR ORDER BY" not in found
