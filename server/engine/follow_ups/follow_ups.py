"""Errands: small jobs that the server does itself, such as a mail or a callback, from the same durable queue."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from server.engine.batches.lifecycle import ERRAND
from server.engine.clock import Clock
from server.engine.supervision import keep_going
from storage.errors import StorageError
from storage.opening import Storage
from storage.queues.base import FinalState, Job

log = structlog.get_logger("penstock.errands")

MOST = 16  # errands at a time
MOST_OF_A_KIND = 12  # so that a crowd of one kind, each to a place of its own, leaves room for the others
_SECONDS = 150.0  # for one errand in all; those that call others may have a shorter time of their own
_LEASE = 2 * _SECONDS
_FIRST_PAUSE = 10.0  # seconds before the second try; it doubles, up to an hour
_LONGEST_PAUSE = 3600.0
_PLACE_PAUSE = 2.0  # seconds for each errand that waits for the same place
_AGAIN_SECONDS = 2.0

Errand = Callable[[Job], Awaitable[None]]
Place = Callable[[Job], str]


class ErrandFailed(Exception):
    """Worth another try; the text is the reason."""


class ErrandRefused(Exception):
    """No try will help, as things are; the text is the reason. The errand ends as failed."""


class Errands:
    """Does several errands at a time, but only one for each place, and never only one kind.

    An errand never changes the job it follows.

    `kinds` says who knows how. `places` says where one goes, such as a host: a slow host does not hold up the others.
    """

    def __init__(
        self, storage: Storage, clock: Clock, kinds: Mapping[str, Errand], places: Mapping[str, Place] | None = None
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._kinds = dict(kinds)
        self._places = dict(places or {})
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._underway: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, int] = {}  # by place where one is: how many were put off since it began
        self._going: Counter[str] = Counter()  # by kind
        self._crowd: Counter[str] = Counter()  # by kind: how many were put off since there was room for one
        self._room = asyncio.Semaphore(MOST)

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(keep_going("errands", self._work, self._stopping, _AGAIN_SECONDS))

    async def stop(self) -> None:
        """Errands under way are given back to the queue."""
        if self._task is None:
            return
        self._stopping.set()  # before Python 3.12 `wait_for` may swallow the cancel, and libraries use it
        tasks = (self._task, *self._underway)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    async def _work(self) -> None:
        owner = self._storage.presence.owner("errands")
        while not self._stopping.is_set():
            await self._room.acquire()
            if not await self._begin(owner):
                self._room.release()
                await self._storage.queue.wait(2.0, owner)

    async def _begin(self, owner: str) -> bool:
        """Claims one, where there is one, and lets it run. What fails, for a full disk say, the next turn may do."""
        try:
            job = await self._storage.queue.claim(
                owner, self._clock(), _LEASE, self._storage.presence.is_dead, modes=(ERRAND,)
            )
        except Exception as error:
            self._left(error)
            return False
        if job is None:
            return False
        task = asyncio.create_task(self._turn(job, owner))
        self._underway.add(task)
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._underway.discard(task)
        self._room.release()

    async def _turn(self, job: Job, owner: str) -> None:
        try:
            await self._in_its_place(job, owner)
        except Exception as error:
            self._left(error, job=job.id)

    def _left(self, error: Exception, **more: object) -> None:
        known = self._storage.translated(error)
        if isinstance(known, StorageError):
            log.warning("an errand was left for later", reason=str(known), **more)
        else:
            log.error("an errand was left for later", exc_info=error, **more)

    async def _in_its_place(self, job: Job, owner: str) -> None:
        place = self._places[job.kind](job) if job.kind in self._places else job.id
        if place in self._waiting:
            self._waiting[place] += 1
            await self._put_off(job, owner, self._waiting[place])
        elif self._going[job.kind] >= MOST_OF_A_KIND:
            self._crowd[job.kind] += 1
            await self._put_off(job, owner, self._crowd[job.kind] / MOST_OF_A_KIND)
        else:
            await self._do_alone(job, owner, place)

    async def _put_off(self, job: Job, owner: str, turns: float) -> None:
        due = self._in(_PLACE_PAUSE * max(1.0, turns))
        await self._storage.queue.release(job.id, owner, due, counted=False, error=job.error)

    async def _do_alone(self, job: Job, owner: str, place: str) -> None:
        self._waiting[place] = 0
        self._going[job.kind] += 1
        try:
            await self._do(job, owner)
        finally:
            self._going[job.kind] -= 1
            self._crowd[job.kind] = 0
            del self._waiting[place]

    async def _do(self, job: Job, owner: str) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await self._kinds[job.kind](job)
        except asyncio.CancelledError:
            await asyncio.shield(self._storage.queue.release(job.id, owner, None, counted=False, error=job.error))
            raise
        except ErrandRefused as error:
            log.warning("errand refused", job=job.id, kind=job.kind, reason=str(error))
            await self._finish(job, owner, "failed", str(error))
        except Exception as error:
            await self._failed(job, owner, error)
        else:
            await self._finish(job, owner, "done")
            log.info("errand done", job=job.id, kind=job.kind)

    async def _finish(self, job: Job, owner: str, state: FinalState, error: str | None = None) -> None:
        now = self._clock()
        await self._storage.catalog.write(self._storage.queue.finish, job.id, owner, state, now, error=error)

    async def _failed(self, job: Job, owner: str, error: Exception) -> None:
        known = self._storage.translated(error)
        if isinstance(known, StorageError):  # ours, not theirs: it counts for nothing
            self._left(known, job=job.id)
            due = self._in(_LONGEST_PAUSE / 60)
            await self._storage.queue.release(job.id, owner, due, counted=False, error=str(known))
        elif isinstance(error, ErrandFailed | TimeoutError | OSError | KeyError):
            await self._again(job, owner, str(error) or type(error).__name__)
        else:
            log.error("errand failed", job=job.id, kind=job.kind, exc_info=error)
            await self._again(job, owner, f"{type(error).__name__}: {error}")

    async def _again(self, job: Job, owner: str, reason: str) -> None:
        due = self._in(min(_FIRST_PAUSE * 2 ** min(job.attempts - 1, 20), _LONGEST_PAUSE))
        await self._storage.queue.release(job.id, owner, due, error=reason)
        outlook = "will not" if job.attempts >= job.max_attempts else "will"
        log.warning(f"errand {outlook} be tried again", job=job.id, reason=reason)

    def _in(self, seconds: float) -> datetime:
        with suppress(OverflowError):
            return self._clock() + timedelta(seconds=seconds)
        return self._clock()
