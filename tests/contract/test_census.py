"""The number of jobs of each sort, and that no row of a job is read for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.database import Database
from storage.opening import open_catalog
from storage.queues import census, jobs
from storage.queues.base import NewJob

NOW = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = open_catalog(tmp_path)
    yield found
    found.close_now()


def test_jobs_are_counted_by_state_mode_and_kind(database: Database) -> None:
    for kind, mode in (("folio", "import"), ("folio", "import"), ("folio", "dry-run"), ("mail", "errand")):
        database.write_now(jobs.put, NewJob(kind=kind, mode=mode), NOW)
    database.write_now(jobs.claim, "somebody", NOW, 30, modes=["errand"])
    assert database.read_now(census.census) == {
        ("queued", "import", "folio"): 2,
        ("queued", "dry-run", "folio"): 1,
        ("running", "errand", "mail"): 1,
    }


def test_the_count_reads_an_index_only(database: Database) -> None:
    plan = database.read_now(lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {census._CENSUS}").fetchall())
    assert [row[-1] for row in plan] == ["SCAN jobs USING COVERING INDEX ix_jobs_state_mode_kind"]
