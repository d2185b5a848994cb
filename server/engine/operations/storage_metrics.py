"""Numbers about the data directory for monitoring. They are read at each call; nothing is cached."""

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
class JobStats:
    """`number` by state, mode and kind; `waiting_seconds` is how long the oldest due job has waited.

    `counts` are those of the jobs that the caller named.
    """

    number: Mapping[tuple[str, str, str], int]
    waiting_seconds: float
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class DiskStats:
    """Sizes in bytes. `databases` are by file name and include write-ahead logs."""

    free: int
    databases: Mapping[str, int]


class StorageMetrics:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def jobs(self, about: Collection[str] = ()) -> JobStats:
        now = self._clock()
        return await self._storage.catalog.read(_job_stats, self._storage.queue, now, about)

    async def disk(self) -> DiskStats:
        return await asyncio.to_thread(self._disk)

    def _disk(self) -> DiskStats:
        folder = self._storage.data_dir
        names = sorted(path.name for form in ("*.db", "*.db-wal") for path in folder.glob(form))
        return DiskStats(self._storage.free_bytes(), {name: _size(folder / name) for name in names})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # SQLite removes a write-ahead log when the last connection closes
        return 0


def _job_stats(connection: Connection, queue: JobQueue, now: datetime, about: Collection[str]) -> JobStats:
    due = queue.next_due(connection)
    found = [queue.get(connection, id) for id in about]
    return JobStats(
        number=queue.number_by_sort(connection),
        waiting_seconds=0.0 if due is None else max(0.0, (now - due).total_seconds()),
        counts={job.id: job.counts for job in found if job is not None},
    )
