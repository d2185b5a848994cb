"""What will run later: loads at a time that a client chose, and jobs that are tried again after a pause."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection

from server.engine.batches.jobs import Jobs
from server.engine.clock import Clock
from server.engine.errors import NotFound
from storage.catalog.base import Batch, Catalog
from storage.catalog.sql import batches, keys
from storage.catalog.voss import transactions
from storage.catalog.voss.rows import Transaction
from storage.queues.base import DueCursor as DueCursor
from storage.queues.base import Job, JobQueue

LATE_AFTER = timedelta(seconds=60)
_MOST_LATE = 50
_DAY_MINUTES = 24 * 60


class ScheduleGone(NotFound):
    def __init__(self) -> None:
        super().__init__("This schedule is gone: it has begun, has ended, or was canceled")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job that waits for its time.

    `transaction` is set for a bulk load. `made_by` is a key's name, or the user that a client named.
    """

    job: Job
    batch: Batch | None
    transaction: Transaction | None
    made_by: str | None
    now: datetime

    @property
    def local(self) -> datetime | None:
        """The due time in the client's UTC offset; None where the client gave none."""
        minutes = self.transaction.timezone if self.transaction else None
        if minutes is None or abs(minutes) >= _DAY_MINUTES:
            return None
        return self.job.due.astimezone(timezone(timedelta(minutes=minutes)))

    @property
    def again(self) -> bool:
        """Whether the job was tried before."""
        return self.job.started is not None

    @property
    def late(self) -> bool:
        return self.now - self.job.due > LATE_AFTER

    @property
    def place(self) -> DueCursor:
        """The cursor behind which the next page begins."""
        return DueCursor(self.job.due, self.job.id)


class Schedules:
    def __init__(self, catalog: Catalog, queue: JobQueue, jobs: Jobs, clock: Clock) -> None:
        self._catalog = catalog
        self._queue = queue
        self._jobs = jobs
        self._clock = clock

    async def coming(self, *, after: DueCursor | None = None, limit: int = 50) -> Sequence[Schedule]:
        """Returns a page of schedules by time; `after` is the `place` of the last one on the page before."""
        now = self._clock()
        return await self._catalog.read(coming, self._queue, now, limit, after)

    async def overdue(self) -> Sequence[Schedule]:
        """Returns schedules whose time has come and that still wait, fifty at most."""
        now = self._clock()
        return await self._catalog.read(
            lambda c: [_described(c, job, now) for job in self._queue.late(c, now, _MOST_LATE)],
        )

    async def cancel(self, job: str) -> Job:
        """Cancels the job; raises ScheduleGone unless it still waits."""
        if (await self._jobs.get(job)).state != "queued":
            raise ScheduleGone
        return await self._jobs.cancel(job)


def coming(
    connection: Connection, queue: JobQueue, now: datetime, limit: int, after: DueCursor | None = None
) -> list[Schedule]:
    return [_described(connection, job, now) for job in queue.coming(connection, now, limit, after)]


def _described(connection: Connection, job: Job, now: datetime) -> Schedule:
    batch = None if job.batch is None else batches.get(connection, job.batch)
    transaction = transactions.of_job(connection, job.id)
    if transaction is not None:
        return Schedule(job, batch, transaction, transaction.username, now)
    key = keys.get(connection, batch.created_by) if batch and batch.created_by else None
    return Schedule(job, batch, None, key.name if key else None, now)
