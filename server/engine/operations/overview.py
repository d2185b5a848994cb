"""The dashboard: running and queued jobs, recent failures, recently finished jobs, and what is scheduled next."""

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

MOST_COUNTED = 10_001  # of queued jobs; an exact larger number helps no reader
_FAILED: tuple[OutcomeStatus, ...] = ("failed",)
_MOST_RUNNING = 50
_RECENT = 10
_UPCOMING = 5
_RATE_SECONDS = 20.0  # how far back the speed of a job is measured


@dataclass(frozen=True, slots=True)
class Running:
    """`rate` is in records a second, `seconds_left` an estimate from it; None where it is not known."""

    job: Job
    batch: Batch | None
    rate: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason` says in a sentence what went wrong, if anything did."""

    job: Job
    batch: Batch | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting` counts up to MOST_COUNTED; `oldest_seconds` is how long the first has been due."""

    waiting: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Disk:
    free: int
    floor: int

    @property
    def is_low(self) -> bool:
        """Whether uploads are refused."""
        return self.free < self.floor

    @property
    def is_near(self) -> bool:
        return self.free < 2 * self.floor


@dataclass(frozen=True, slots=True)
class DashboardSnapshot:
    """`untouched`: no batch was ever created here."""

    running: Sequence[Running]
    queue: Queue
    failed: Sequence[Ended]
    finished: Sequence[Ended]
    upcoming: Sequence[Schedule]
    disk: Disk
    untouched: bool


class RecordRates:
    """The reading speed of this process's jobs, measured by their heartbeats."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heartbeats: dict[str, deque[tuple[float, int]]] = {}
        events.listen(self._hear)

    def __call__(self, job: str) -> float | None:
        """Returns the recent records a second; None after fewer than two heartbeats."""
        beats = self._heartbeats.get(job)
        if not beats:
            return None
        (began, before), (last, records) = beats[0], beats[-1]
        return (records - before) / (last - began) if last > began else None

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobLeft):
            self._heartbeats.pop(event.id, None)
        elif isinstance(event, JobRead):
            beats = self._heartbeats.setdefault(event.id, deque())
            beats.append((self._clock(), event.records))
            while beats[-1][0] - beats[0][0] > _RATE_SECONDS:
                beats.popleft()


class Overview:
    def __init__(self, storage: Storage, clock: Clock, events: Events, min_free_bytes: int) -> None:
        self._storage = storage
        self._clock = clock
        self._rates = RecordRates(events)
        self._floor = min_free_bytes

    async def snapshot(self) -> DashboardSnapshot:
        now = self._clock()
        free = await asyncio.to_thread(self._storage.free_bytes)
        disk = Disk(free, self._floor)
        return await self._storage.catalog.read(self._snapshot, now, disk)

    def _snapshot(self, connection: Connection, now: datetime, disk: Disk) -> DashboardSnapshot:
        queue = self._storage.queue
        number, oldest = queue.waiting(connection, IMPORTS, now, MOST_COUNTED)
        running = queue.running(connection, IMPORTS, _MOST_RUNNING)
        return DashboardSnapshot(
            running=[self._running(connection, job, now) for job in running],
            queue=Queue(number, 0.0 if oldest is None else (now - oldest).total_seconds()),
            failed=[_failed(connection, job) for job in queue.failed_lately(connection, IMPORTS, _RECENT)],
            finished=[Ended(job, _batch(connection, job)) for job in queue.ended_lately(connection, IMPORTS, _RECENT)],
            upcoming=schedules.coming(connection, queue, now, _UPCOMING),
            disk=disk,
            untouched=not batches.find(connection, limit=1),
        )

    def _running(self, connection: Connection, job: Job, now: datetime) -> Running:
        rate = self._rates(job.id)
        if rate is None and job.started is not None and job.counts.read:
            rate = job.counts.read / max(0.001, (now - job.started).total_seconds())
        return Running(job, _batch(connection, job), rate, _seconds_left(job, rate))


def _seconds_left(job: Job, rate: float | None) -> float | None:
    """Estimates the rest from what was read so far."""
    if not rate or not job.fraction or not job.counts.read:
        return None
    return job.counts.read * (1 - job.fraction) / job.fraction / rate


def _failed(connection: Connection, job: Job) -> Ended:
    return Ended(job, _batch(connection, job), job.error or _first_failure(connection, job))


def _first_failure(connection: Connection, job: Job) -> str | None:
    """Returns the message of the first record that failed."""
    if not job.counts.failed:
        return None
    first = journal.list_outcomes(connection, job.id, statuses=_FAILED, limit=1)
    return first[0].message if first else None


def _batch(connection: Connection, job: Job) -> Batch | None:
    return None if job.batch is None else batches.get(connection, job.batch)
