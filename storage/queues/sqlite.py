"""The queue on the catalog's database: SQL in `jobs`, `agenda`, `news` and `census`, waiting and waking here."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from storage.queues import agenda, census, jobs, news
from storage.queues.base import (
    LONGEST_PAUSE,
    Abandoned,
    Counts,
    FinalState,
    Job,
    NewJob,
    ignore_abandoned,
    nobody_is_dead,
)
from storage.queues.leases import Leases

P = ParamSpec("P")
T = TypeVar("T")

_POLL_SECONDS = 0.5  # how often to look for another process's jobs


class Transactions(Protocol):
    """What the queue needs of the database; `storage.database.Database` has it."""

    async def write(self, run: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def after_commit(self, connection: Connection, action: Callable[[], None]) -> None: ...

    def changes(self) -> int: ...


class SqliteQueue:
    """Implements `storage.queues.base.JobQueue`; the contract is there. One event loop waits on one queue."""

    get = staticmethod(jobs.get)
    find = staticmethod(jobs.find)
    next_due = staticmethod(jobs.next_due)
    ids_in = staticmethod(jobs.ids_in)
    running = staticmethod(agenda.running)
    waiting = staticmethod(agenda.waiting)
    coming = staticmethod(agenda.coming)
    late = staticmethod(agenda.late)
    ended_lately = staticmethod(agenda.ended_lately)
    failed_lately = staticmethod(agenda.failed_lately)
    ended_since = staticmethod(news.ended_since)
    changed = staticmethod(news.changed)
    number_by_sort = staticmethod(census.census)

    def __init__(self, database: Transactions, leases: Leases | None = None) -> None:
        self._database = database
        self._leases = leases or Leases()
        self._bell = asyncio.Event()
        self._rings = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that claims and waits
        # by owner (None: the last to claim), the rings and the changes of others that its last claim has seen
        self._heard: dict[str | None, tuple[int, int]] = {}

    def put(self, connection: Connection, job: NewJob, now: datetime) -> Job:
        row = jobs.put(connection, job, now)
        self._database.after_commit(connection, self._ring)
        return row

    async def claim(
        self,
        owner: str,
        now: datetime,
        lease: float,
        dead_owner: Callable[[str], bool] = nobody_is_dead,
        abandoned: Abandoned = ignore_abandoned,
        modes: Collection[str] = (),
        longest_pause: timedelta = LONGEST_PAUSE,
    ) -> Job | None:
        rings = self._rings

        def take(connection: Connection) -> tuple[Job | None, int]:
            changes = self._database.changes()  # what is committed after this is news
            silent = self._leases.silent
            job = jobs.claim(connection, owner, now, lease, dead_owner, abandoned, modes, silent, longest_pause)
            return job, changes

        self._loop = asyncio.get_running_loop()
        job, changes = await self._database.write(take)
        self._heard[owner] = self._heard[None] = rings, changes
        return job

    async def extend(self, job: str, owner: str, now: datetime, lease: float) -> bool:
        return await self._database.write(jobs.extend, job, owner, now, lease)

    def progress(
        self,
        connection: Connection,
        job: str,
        owner: str,
        counts: Counts,
        errors: int,
        fraction: float | None = None,
    ) -> bool:
        return jobs.progress(connection, job, owner, counts, errors, fraction)

    def finish(
        self,
        connection: Connection,
        job: str,
        owner: str,
        state: FinalState,
        now: datetime,
        *,
        counts: Counts | None = None,
        errors: int | None = None,
        error: str | None = None,
    ) -> bool:
        return jobs.finish(connection, job, owner, state, now, counts=counts, errors=errors, error=error)

    async def release(
        self, job: str, owner: str, due: datetime | None, *, counted: bool = True, error: str | None = None
    ) -> bool:
        def give_back(connection: Connection) -> bool:
            self._database.after_commit(connection, self._ring)
            return jobs.release(connection, job, owner, due, counted=counted, error=error)

        return await self._database.write(give_back)

    def cancel(self, connection: Connection, job: str, now: datetime) -> Job | None:
        return jobs.cancel(connection, job, now)

    async def wait(self, seconds: float, owner: str | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        rings, changes = self._heard.get(owner, (-1, -1))
        end = self._loop.time() + seconds
        while self._rings == rings and self._database.changes() == changes:
            left = end - self._loop.time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _POLL_SECONDS)):
                    await self._bell.wait()

    def _ring(self) -> None:
        """Wakes the waiting callers after a commit; runs in the thread that committed."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        """Wakes all waiting callers; a later caller compares the count."""
        self._rings += 1
        self._bell.set()
        self._bell = asyncio.Event()
