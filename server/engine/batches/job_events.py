"""Streams of job events. One watcher of the catalog serves all listeners.

The watcher reads the catalog, because another process may run the job. `JobEvent.place` is a moment and serves as a
cursor: a listener that reconnects with it gets every end of a job since then.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Concatenate, Literal, NamedTuple, ParamSpec

from sqlalchemy import Connection

from server.engine.batches.lifecycle import IMPORTS
from server.engine.clock import Clock
from server.engine.errors import Refused
from storage.catalog.base import Catalog
from storage.catalog.sql import batches
from storage.errors import StorageError
from storage.queues.base import FINAL, Job, JobQueue

LISTENERS = 100  # at the same time
LISTENERS_OF_ONE = 25  # with one key or session
WAITING = 1000  # events that may wait for one listener
_LOOK_EVERY = 0.5  # seconds
_RATE_OVER = 8  # readings of the catalog
_OVERLAP = timedelta(seconds=30)  # an end may become visible this long after the time written in it

_log = logging.getLogger(__name__)

P = ParamSpec("P")
Kind = Literal["queued", "started", "progress", "ended"]


class FeedFull(Refused):
    def __init__(self) -> None:
        super().__init__(f"{LISTENERS} listen already, no more can; close a stream or ask for the jobs now and then")


class FeedFullForOne(FeedFull):
    def __init__(self) -> None:
        Refused.__init__(self, f"{LISTENERS_OF_ONE} listen with this key already; close a stream, or use another key")


class FeedClosed(Refused):
    def __init__(self) -> None:
        super().__init__("the server is stopping; come back with the id of the last event")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """`batch` is the identifier of the job's batch; `rate` is in records a second; None before the second reading."""

    kind: Kind
    place: datetime
    job: Job
    batch: str | None
    rate: float | None = None


class Stream(NamedTuple):
    """`place` is the listener's cursor before the first event of `news`."""

    place: datetime
    news: AsyncIterator[JobEvent]


class _Seen(NamedTuple):
    jobs: Sequence[Job]
    names: Mapping[int, str]

    def batch(self, job: Job) -> str | None:
        return None if job.batch is None else self.names.get(job.batch)


@dataclass(slots=True)
class _Known:
    """A job as it was at the last reading, and how many records it had read at earlier readings."""

    job: Job
    reads: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_OVER))

    def note(self, job: Job, time: float) -> float | None:
        """Notes the job, and returns its rate since the earliest reading that is kept."""
        self.job = job
        self.reads.append((time, job.counts.read))
        (begin, before), (end, now) = self.reads[0], self.reads[-1]
        return (now - before) / (end - begin) if end > begin else None


class Listener:
    """The events that wait for one listener. It ends when the feed closes, or when too many events wait."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self._waiting: asyncio.Queue[JobEvent | None] = asyncio.Queue()

    def tell(self, news: JobEvent) -> None:
        if self._waiting.qsize() >= WAITING:
            self.end()
        else:
            self._waiting.put_nowait(news)

    def end(self) -> None:
        """Ends the stream at once. Events that wait are dropped; a listener that reconnects gets them."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def news(self) -> AsyncIterator[JobEvent]:
        while (news := await self._waiting.get()) is not None:
            yield news


class JobEventStream:
    """Watches the catalog as long as there are listeners."""

    def __init__(self, catalog: Catalog, queue: JobQueue, clock: Clock) -> None:
        self._catalog = catalog
        self._queue = queue
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._known: dict[str, _Known] = {}
        self._place = clock()
        self._closed = False

    @asynccontextmanager
    async def listen(self, after: datetime | None = None, key: str | None = None) -> AsyncIterator[Stream]:
        """Yields a stream: the ends since `after` (perhaps sent before), the running jobs, then events as they happen.

        Raises FeedFull, or FeedClosed once the server stops. `key` names the listener's key, if it has one.
        """
        if self._closed:
            raise FeedClosed
        if len(self._listeners) >= LISTENERS:
            raise FeedFull
        if key is not None and sum(each.key == key for each in self._listeners) >= LISTENERS_OF_ONE:
            raise FeedFullForOne
        listener = Listener(key)
        self._listeners.add(listener)
        if self._watcher is None:
            self._known = {}
            self._begun.clear()
            self._watcher = asyncio.create_task(self._watch())
        try:
            await self._begun.wait()
            yield Stream(after or self._place, self._told(listener, after))
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                await self._rest()

    async def close(self) -> None:
        """Ends every stream at once, and refuses new ones."""
        self._closed = True
        self._begun.set()
        for listener in self._listeners:
            listener.end()
        await self._rest()

    async def _rest(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher

    async def _told(self, listener: Listener, after: datetime | None) -> AsyncIterator[JobEvent]:
        """Yields a listener's events. The watcher runs already, so an end may come twice but is never lost."""
        try:
            async for news in self._caught_up(listener, after):
                yield news
        except StorageError as error:  # the stream ends; a listener that reconnects continues at its cursor
            _log.warning("the feed could not tell what happened meanwhile: %s", error)

    async def _caught_up(self, listener: Listener, after: datetime | None) -> AsyncIterator[JobEvent]:
        told: set[str] = set()
        if after is not None:
            async for news in self._since(after):
                told.add(news.job.id)
                yield news
        if not self._closed:
            now = await self._read(self._queue.running, IMPORTS)
            for job in now.jobs:
                yield JobEvent("started", self._place, job, now.batch(job))
        async for news in listener.news():
            if news.kind != "ended" or news.job.id not in told:
                yield news

    async def _since(self, after: datetime) -> AsyncIterator[JobEvent]:
        since, last = after - _OVERLAP, None
        while not self._closed and (page := await self._page(since, last)).jobs:
            for job in page.jobs:
                since, last = job.finished or since, job.id
                yield JobEvent("ended", max(after, since), job, page.batch(job))

    async def _page(self, since: datetime, last: str | None) -> _Seen:
        return await self._read(self._queue.ended_since, IMPORTS, since, last)

    async def _read(
        self, query: Callable[Concatenate[Connection, P], list[Job]], *args: P.args, **kwargs: P.kwargs
    ) -> _Seen:
        """Runs a query of the queue, and names the batches of the jobs that it finds."""
        return await self._catalog.read(lambda connection: _named(connection, query(connection, *args, **kwargs)))

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as error:  # the listeners wait for the next reading
                _log.warning("the feed could not look at the jobs: %s", error)
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        now = self._clock()
        since = now - _OVERLAP
        known = {id: known.job.state for id, known in self._known.items()}
        seen = await self._read(self._queue.changed, IMPORTS, since, known)
        time = monotonic()
        for job in seen.jobs:
            for news in self._changes(job, seen.batch(job), time):
                if self._begun.is_set():
                    self._tell(news)
        self._forget(since)
        if not self._begun.is_set():
            self._place = max(self._place, now)
            self._begun.set()

    def _changes(self, job: Job, batch: str | None, time: float) -> Sequence[JobEvent]:
        found = self._known.get(job.id)
        before = found.job if found else None
        known = self._known.setdefault(job.id, _Known(job))
        rate = known.note(job, time) if job.state == "running" else None
        known.job = job
        kind = _kind(before, job)
        if kind == "ended" and job.finished is not None:
            self._place = max(self._place, job.finished)
        return [] if kind is None else [JobEvent(kind, self._place, job, batch, rate)]

    def _tell(self, news: JobEvent) -> None:
        for listener in self._listeners:
            listener.tell(news)

    def _forget(self, since: datetime) -> None:
        """Drops jobs that no later reading would report as changed."""
        old = [id for id, known in self._known.items() if _is_old(known.job, since)]
        for id in old:
            del self._known[id]


def _named(connection: Connection, jobs: Sequence[Job]) -> _Seen:
    return _Seen(jobs, batches.identifiers(connection, {job.batch for job in jobs if job.batch is not None}))


def _kind(before: Job | None, job: Job) -> Kind | None:
    if before is None or before.state != job.state:
        return "ended" if job.state in FINAL else "started" if job.state == "running" else "queued"
    return "progress" if job.state == "running" and before.counts != job.counts else None


def _is_old(job: Job, since: datetime) -> bool:
    if job.state in FINAL:
        return job.finished is None or job.finished < since
    return job.state == "queued" and job.created < since - _OVERLAP
