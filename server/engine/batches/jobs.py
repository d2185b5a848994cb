"""Jobs as clients and operators see them: lists, logs, outcomes, and how to cancel one."""

import asyncio
from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from server.engine.batches.lifecycle import IMPORTS, Lifecycle
from server.engine.clock import Clock
from server.engine.errors import JobNotFound
from storage.catalog.base import Catalog, LogLine, Outcome, OutcomeStatus
from storage.catalog.sql import journal
from storage.queues.base import FINAL, Job, JobState

_WATCH_EVERY = 0.25  # seconds; another process may be the one that runs the job


class Jobs:
    def __init__(self, catalog: Catalog, lifecycle: Lifecycle, clock: Clock) -> None:
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._queue = lifecycle.queue
        self._clock = clock
        self._ended: dict[str, asyncio.Event] = {}

    async def get(self, id: str) -> Job:
        job = await self._catalog.read(self._queue.get, id)
        if job is None:
            raise JobNotFound(id)
        return job

    async def list(
        self,
        *,
        batch: int | None = None,
        process: str | None = None,
        states: Collection[JobState] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[Job]:
        """Returns a page of jobs, newest first."""
        return await self._catalog.read(
            self._queue.find, batch=batch, process=process, states=states, before=before, limit=limit
        )

    async def log(self, id: str, *, after: int = -1, limit: int | None = None) -> Sequence[LogLine]:
        return await self._catalog.read(journal.log, id, after=after, limit=limit)

    async def outcomes(
        self,
        id: str,
        *,
        statuses: Collection[OutcomeStatus] = (),
        warned: bool = False,
        after: int = -1,
        limit: int | None = None,
    ) -> Sequence[Outcome]:
        """Returns outcomes by record number: only records that failed, had a message or have warnings have one."""
        return await self._catalog.read(
            journal.list_outcomes, id, statuses=statuses, warned=warned, after=after, limit=limit
        )

    async def cancel(self, id: str) -> Job:
        """Ends a queued job at once; a running one stops at the next edge of a chunk."""
        job = await self._catalog.write(self._cancel, id)
        if job is None:
            raise JobNotFound(id)
        return job

    async def wait(self, id: str) -> Job:
        """Returns the job once it has ended, whichever process runs it."""
        event = self._ended.setdefault(id, asyncio.Event())
        try:
            while (job := await self.get(id)).state not in FINAL:
                try:
                    await asyncio.wait_for(event.wait(), _WATCH_EVERY)
                except TimeoutError:
                    continue
            return job
        finally:
            self._ended.pop(id, None)

    def ended(self, id: str) -> None:
        """Wakes callers of `wait` at once. The dispatcher of this process calls it; other processes do not."""
        if id in self._ended:
            self._ended[id].set()

    def _cancel(self, connection: Connection, id: str) -> Job | None:
        before, now = self._queue.get(connection, id), self._clock()
        job = self._queue.cancel(connection, id, now)
        if before is not None and before.state == "queued" and job is not None and job.mode in IMPORTS:
            self._lifecycle.cancel(connection, job, now)
        return job
