"""What goes on, at one glance: what runs and how fast, what waits, what failed and what ended lately, what comes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from server.engine.batches import schedules
from server.engine.batches.lifecycle import IMPORTS
from server.engine.batches.schedules import Schedule
from server.engine.clock import Clock
from server.engine.events import Event, Events, JobLeft, JobRead
from storage.catalog.base import Batch, OutcomeStatus
from storage.catalog.sql import batches, journal
from storage.opening import Storage
from storage.queues.base import Job

MOST_COUNTED = 10_001  # of the jobs that wait; a person asks for no more
_FAILED: tuple[OutcomeStatus, ...] = ("failed",)
_MOST_RUNNING = 50
_LATELY = 10
_NEXT = 5
_PACE_SECONDS = 20.0  # how far back the pace of a job is measured


@dataclass(frozen=True, slots=True)
class Running:
    """`pace` is in records a second, `seconds_left` a guess from it; None where nobody can tell."""

    job: Job
    batch: Batch | None
    pace: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason` says in a sentence what was wrong, if anything was."""

    job: Job
    batch: Batch | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting` counts up to MOST_COUNTED; `oldest_seconds` is how long the first of them has been due."""

    waiting: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Disk:
    free: int
    floor: int

    @property
    def is_low(self) -> bool:
        """Uploads are refused."""
        return self.free < self.floor

    @property
    def is_near(self) -> bool:
        return self.free < 2 * self.floor


@dataclass(frozen=True, slots=True)
class Glance:
    """`untouched`: nothing was ever sent here."""

    running: Sequence[Running]
    queue: Queue
    failed: Sequence[Ended]
    ended: Sequence[Ended]
    coming: Sequence[Schedule]
    disk: Disk
    untouched: bool


class Paces:
    """How fast the jobs of this process read, by their signs of life."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._signs: dict[str, deque[tuple[float, int]]] = {}
        events.listen(self._hear)

    def __call__(self, job: str) -> float | None:
        """Records a second of late; None where too little was heard."""
        signs = self._signs.get(job)
        if not signs:
            return None
        (began, before), (last, records) = signs[0], signs[-1]
        return (records - before) / (last - began) if last > began else None

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobLeft):
            self._signs.pop(event.id, None)
        elif isinstance(event, JobRead):
            signs = self._signs.setdefault(event.id, deque())
            signs.append((self._clock(), event.records))
            while signs[-1][0] - signs[0][0] > _PACE_SECONDS:
                signs.popleft()


class Overview:
    def __init__(self, storage: Storage, clock: Clock, events: Events, min_free_bytes: int) -> None:
        self._storage = storage
        self._clock = clock
        self._paces = Paces(events)
        self._floor = min_free_bytes

    async def look(self) -> Glance:
        now = self._clock()
        free = await asyncio.to_thread(self._storage.free_bytes)
        disk = Disk(free, self._floor)
        return await self._storage.catalog.read(self._glance, now, disk)

    def _glance(self, connection: Connection, now: datetime, disk: Disk) -> Glance:
        queue = self._storage.queue
        number, oldest = queue.waiting(connection, IMPORTS, now, MOST_COUNTED)
        running = queue.running(connection, IMPORTS, _MOST_RUNNING)
        return Glance(
            running=[self._running(connection, job, now) for job in running],
            queue=Queue(number, 0.0 if oldest is None else (now - oldest).total_seconds()),
            failed=[_failed(connection, job) for job in queue.failed_lately(connection, IMPORTS, _LATELY)],
            ended=[Ended(job, _batch(connection, job)) for job in queue.ended_lately(connection, IMPORTS, _LATELY)],
            coming=schedules.coming(connection, queue, now, _NEXT),
            disk=disk,
            untouched=not batches.find(connection, limit=1),
        )

    def _running(self, connection: Connection, job: Job, now: datetime) -> Running:
        pace = self._paces(job.id)
        if pace is None and job.started is not None and job.counts.read:
            pace = job.counts.read / max(0.001, (now - job.started).total_seconds())
        return Running(job, _batch(connection, job), pace, _seconds_left(job, pace))


def _seconds_left(job: Job, pace: float | None) -> float | None:
    """As if the rest had records like those read so far."""
    if not pace or not job.fraction or not job.counts.read:
        return None
    return job.counts.read * (1 - job.fraction) / job.fraction / pace


def _failed(connection: Connection, job: Job) -> Ended:
    return Ended(job, _batch(connection, job), job.error or _first_complaint(connection, job))


def _first_complaint(connection: Connection, job: Job) -> str | None:
    """Of the first record that failed."""
    if not job.counts.failed:
        return None
    first = journal.list_outcomes(connection, job.id, statuses=_FAILED, limit=1)
    return first[0].message if first else None


def _batch(connection: Connection, job: Job) -> Batch | None:
    return None if job.batch is None else batches.get(connection, job.batch)
