"""Background tasks: small jobs of the server itself, such as a mail or a callback, from the same durable queue."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.clock import Clock
from server.engine.supervision import keep_going
from storage.errors import StorageError
from storage.opening import Storage
from storage.queues.base import FinalState, Job

log = structlog.get_logger("penstock.background_tasks")

MOST = 16  # tasks at a time
MOST_OF_A_KIND = 12  # so that many tasks of one kind leave room for the other kinds
_SECONDS = 150.0  # for one whole task; a task that calls other servers may have a shorter limit
_LEASE = 2 * _SECONDS
_FIRST_PAUSE = 10.0  # seconds before the second attempt; it doubles, up to an hour
_LONGEST_PAUSE = 3600.0
_PLACE_PAUSE = 2.0  # seconds for each task that waits for the same place
_AGAIN_SECONDS = 2.0

Run = Callable[[Job], Awaitable[None]]
Place = Callable[[Job], str]


class TaskFailed(Exception):
    """A task failed and may succeed later; the text is the reason."""


class TaskRefused(Exception):
    """No further attempt will help; the text is the reason. The task ends as failed."""


class BackgroundTasks:
    """Runs several tasks at a time, but only one for each place, and never only one kind.

    A task never changes the job that it follows.

    `kinds` are the functions that run tasks, by kind. `places` name where a task goes, such as a host, so that a slow
    host does not hold up other tasks.
    """

    def __init__(
        self, storage: Storage, clock: Clock, kinds: Mapping[str, Run], places: Mapping[str, Place] | None = None
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._kinds = dict(kinds)
        self._places = dict(places or {})
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._underway: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, int] = {}  # by place with a running task: how many were postponed since it started
        self._running: Counter[str] = Counter()  # by kind
        self._postponed: Counter[str] = Counter()  # by kind: how many were postponed since the kind last had room
        self._room = asyncio.Semaphore(MOST)

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(keep_going("background tasks", self._work, self._stopping, _AGAIN_SECONDS))

    async def stop(self) -> None:
        """Stops the tasks; running ones go back to the queue."""
        if self._task is None:
            return
        self._stopping.set()  # before Python 3.12 `wait_for`, which libraries use, may swallow the cancellation
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
        """Claims a due task, if any, and starts it. A failed claim (a full disk) is repeated in the next turn."""
        try:
            job = await self._storage.queue.claim(
                owner, self._clock(), _LEASE, self._storage.presence.is_dead, modes=(BACKGROUND_TASK,)
            )
        except Exception as error:
            self._log_failure(error)
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
            await self._run_in_place(job, owner)
        except Exception as error:
            self._log_failure(error, job=job.id)

    def _log_failure(self, error: Exception, **more: object) -> None:
        known = self._storage.translated(error)
        if isinstance(known, StorageError):
            log.warning("background task failed, will retry", reason=str(known), **more)
        else:
            log.error("background task failed, will retry", exc_info=error, **more)

    async def _run_in_place(self, job: Job, owner: str) -> None:
        place = self._places[job.kind](job) if job.kind in self._places else job.id
        if place in self._waiting:
            self._waiting[place] += 1
            await self._postpone(job, owner, self._waiting[place])
        elif self._running[job.kind] >= MOST_OF_A_KIND:
            self._postponed[job.kind] += 1
            await self._postpone(job, owner, self._postponed[job.kind] / MOST_OF_A_KIND)
        else:
            await self._run_alone(job, owner, place)

    async def _postpone(self, job: Job, owner: str, turns: float) -> None:
        due = self._in(_PLACE_PAUSE * max(1.0, turns))
        await self._storage.queue.release(job.id, owner, due, counted=False, error=job.error)

    async def _run_alone(self, job: Job, owner: str, place: str) -> None:
        self._waiting[place] = 0
        self._running[job.kind] += 1
        try:
            await self._run(job, owner)
        finally:
            self._running[job.kind] -= 1
            self._postponed[job.kind] = 0
            del self._waiting[place]

    async def _run(self, job: Job, owner: str) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await self._kinds[job.kind](job)
        except asyncio.CancelledError:
            await asyncio.shield(self._storage.queue.release(job.id, owner, None, counted=False, error=job.error))
            raise
        except TaskRefused as error:
            log.warning("background task refused", job=job.id, kind=job.kind, reason=str(error))
            await self._finish(job, owner, "failed", str(error))
        except Exception as error:
            await self._failed(job, owner, error)
        else:
            await self._finish(job, owner, "done")
            log.info("background task done", job=job.id, kind=job.kind)

    async def _finish(self, job: Job, owner: str, state: FinalState, error: str | None = None) -> None:
        now = self._clock()
        await self._storage.catalog.write(self._storage.queue.finish, job.id, owner, state, now, error=error)

    async def _failed(self, job: Job, owner: str, error: Exception) -> None:
        known = self._storage.translated(error)
        if isinstance(known, StorageError):  # our own storage failed, so the attempt does not count
            self._log_failure(known, job=job.id)
            due = self._in(_LONGEST_PAUSE / 60)
            await self._storage.queue.release(job.id, owner, due, counted=False, error=str(known))
        elif isinstance(error, TaskFailed | TimeoutError | OSError | KeyError):
            await self._again(job, owner, str(error) or type(error).__name__)
        else:
            log.error("background task failed", job=job.id, kind=job.kind, exc_info=error)
            await self._again(job, owner, f"{type(error).__name__}: {error}")

    async def _again(self, job: Job, owner: str, reason: str) -> None:
        due = self._in(min(_FIRST_PAUSE * 2 ** min(job.attempts - 1, 20), _LONGEST_PAUSE))
        await self._storage.queue.release(job.id, owner, due, error=reason)
        if job.attempts >= job.max_attempts:
            log.warning("background task failed, gave up", job=job.id, reason=reason)
        else:
            log.warning("background task failed, will retry", job=job.id, reason=reason)

    def _in(self, seconds: float) -> datetime:
        with suppress(OverflowError):
            return self._clock() + timedelta(seconds=seconds)
        return self._clock()
