"""Numbers about the data directory, for whoever watches it: read when asked, kept by nobody."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from server.engine.clock import Clock
from storage.opening import Storage
from storage.queues.base import Counts, JobQueue


@dataclass(frozen=True, slots=True)
class JobFigures:
    """`number` by state, mode and kind; `waiting_seconds` is how long the job has been due that has waited longest.

    `counts` are those of the jobs that were asked about.
    """

    number: Mapping[tuple[str, str, str], int]
    waiting_seconds: float
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class DiskFigures:
    """In bytes; `databases` by the name of the file, write-ahead logs too."""

    free: int
    databases: Mapping[str, int]


class Figures:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def jobs(self, about: Collection[str] = ()) -> JobFigures:
        now = self._clock()
        return await self._storage.catalog.read(_job_figures, self._storage.queue, now, about)

    async def disk(self) -> DiskFigures:
        return await asyncio.to_thread(self._disk)

    def _disk(self) -> DiskFigures:
        folder = self._storage.data_dir
        names = sorted(path.name for form in ("*.db", "*.db-wal") for path in folder.glob(form))
        return DiskFigures(self._storage.free_bytes(), {name: _size(folder / name) for name in names})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a write-ahead log comes and goes
        return 0


def _job_figures(connection: Connection, queue: JobQueue, now: datetime, about: Collection[str]) -> JobFigures:
    due = queue.next_due(connection)
    found = [queue.get(connection, id) for id in about]
    return JobFigures(
        number=queue.number_by_sort(connection),
        waiting_seconds=0.0 if due is None else max(0.0, (now - due).total_seconds()),
        counts={job.id: job.counts for job in found if job is not None},
    )
