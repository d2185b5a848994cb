"""What the feed reads of the jobs table, and that no page of jobs reads more than it shows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from storage.database import Database
from storage.opening import open_catalog
from storage.queues import jobs, news
from storage.queues.base import Job, NewJob, first_job_id, new_job_id

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MODES = ("import", "dry-run")
SECOND = timedelta(seconds=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Database]:
    database = open_catalog(tmp_path)
    yield database
    database.close_now()


def put(catalog: Database, at: datetime, mode: str = "import") -> Job:
    return catalog.write_now(jobs.put, NewJob(kind="voss", mode=mode), at)


def end(catalog: Database, job: Job, at: datetime) -> None:
    assert catalog.write_now(jobs.cancel, job.id, at)


def look(catalog: Database, since: datetime, **known: str) -> list[tuple[str, str]]:
    names = {name.replace("_", "-"): state for name, state in known.items()}
    return [(job.id, job.state) for job in catalog.read_now(news.changed, MODES, since, names)]


def test_ids_sort_by_the_moment_they_were_made() -> None:
    moments = [NOW + timedelta(microseconds=17 * number) for number in range(300)]
    assert all(first_job_id(moment) <= new_job_id(moment) for moment in moments)
    assert all(new_job_id(early) < first_job_id(late) for early, late in pairwise(moments))


def test_a_look_shows_what_is_new_and_only_once(catalog: Database) -> None:
    put(catalog, NOW - 60 * SECOND)
    job = put(catalog, NOW)
    assert look(catalog, NOW - SECOND) == [(job.id, "queued")]
    assert look(catalog, NOW - SECOND, **{job.id: "queued"}) == []


def test_a_look_shows_what_ended_lately_however_old(catalog: Database) -> None:
    job = put(catalog, NOW - timedelta(days=3))
    end(catalog, job, NOW)
    assert look(catalog, NOW - SECOND) == [(job.id, "cancelled")]
    assert look(catalog, NOW - SECOND, **{job.id: "cancelled"}) == []
    assert look(catalog, NOW + SECOND) == []


def test_a_look_shows_what_runs_each_time_and_what_runs_no_more(catalog: Database) -> None:
    job = put(catalog, NOW - timedelta(days=3))
    assert catalog.write_now(jobs.claim, "me", NOW, 30)
    for _ in range(2):
        assert look(catalog, NOW, **{job.id: "running"}) == [(job.id, "running")]
    catalog.write_now(jobs.release, job.id, "me", NOW)
    assert look(catalog, NOW, **{job.id: "running"}) == [(job.id, "queued")]
    assert look(catalog, NOW, **{job.id: "queued"}) == []


def test_other_modes_are_no_news(catalog: Database) -> None:
    task = put(catalog, NOW, mode="errand")
    end(catalog, task, NOW)
    assert look(catalog, NOW - SECOND) == []
    assert catalog.read_now(news.ended_since, MODES, NOW - SECOND) == []


def test_ends_come_in_their_order_page_by_page(catalog: Database) -> None:
    made = [put(catalog, NOW + number * SECOND) for number in range(6)]
    ends = [3, 1, 1, 2, 1, 0]  # seconds; some at the same moment
    for job, seconds in zip(made, ends, strict=True):
        end(catalog, job, NOW + seconds * SECOND)
    late = [(seconds, job.id) for seconds, job in zip(ends, made, strict=True) if seconds]
    found: list[str] = []
    since, last = NOW + SECOND, None
    while page := catalog.read_now(lambda c, s=since, a=last: news.ended_since(c, MODES, s, a, limit=2)):  # type: ignore[misc]
        found += [job.id for job in page]
        assert page[-1].finished is not None
        since, last = page[-1].finished, page[-1].id
    assert found == [id for _, id in sorted(late)]


READS: dict[str, Callable[[Connection], Any]] = {
    "jobs": jobs.find,
    "jobs before": lambda c: jobs.find(c, before=new_job_id(NOW)),
    "jobs in a state": lambda c: jobs.find(c, states=["done"], before=new_job_id(NOW)),
    "jobs of a process": lambda c: jobs.find(c, process="people"),
    "look": lambda c: news.changed(c, MODES, NOW, {"x": "running"}),
    "ended": lambda c: news.ended_since(c, MODES, NOW),
    "ended after": lambda c: news.ended_since(c, MODES, NOW, new_job_id(NOW)),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_every_page_is_a_walk_of_an_index_in_order(catalog: Database, read: Callable[[Connection], Any]) -> None:
    plans = catalog.read_now(plan_of, read)
    assert plans
    for step in plans:
        assert not step.startswith("SCAN") or "USING" in step, plans
        assert "TEMP B-TREE FOR ORDER BY" not in step, plans


def plan_of(connection: Connection, read: Callable[[Connection], Any]) -> list[str]:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    read(connection)
    event.remove(connection, "before_cursor_execute", note)
    explained = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values) for words, values in asked]
    return [row[3] for rows in explained for row in rows]


def test_the_walk_is_seen_to_be_missed(catalog: Database) -> None:
    plans = catalog.read_now(plan_of, lambda d: d.execute(text("SELECT * FROM jobs ORDER BY error")))
    assert any("TEMP B-TREE FOR ORDER BY" in step for step in plans)
