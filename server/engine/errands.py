"""Errands: small jobs that the server does itself, such as a mail or a callback, from the same durable queue."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from server.engine.clock import Clock
from server.engine.ledger import ERRAND
from storage.opening import Storage
from storage.queues.base import Job

log = structlog.get_logger("penstock.errands")

_LEASE = 300.0  # seconds; an errand that takes longer is not worth waiting for
_FIRST_PAUSE = 10.0  # seconds before the second try; it doubles, up to an hour
_LONGEST_PAUSE = 3600.0

Errand = Callable[[Job], Awaitable[None]]


class ErrandFailed(Exception):
    """Worth another try; the text is the reason."""


class Errands:
    """Does one errand at a time; `kinds` says who knows how. An errand never changes the job it follows."""

    def __init__(self, storage: Storage, clock: Clock, kinds: Mapping[str, Errand]) -> None:
        self._storage = storage
        self._clock = clock
        self._kinds = dict(kinds)
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def add(self, kind: str, errand: Errand) -> None:
        self._kinds[kind] = errand

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._stopping = False
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._task is not None:
            self._stopping = True  # before Python 3.12 `wait_for` may swallow the cancel, and libraries use it
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _work(self) -> None:
        owner = self._storage.presence.owner("errands")
        while not self._stopping:
            if not await self._turn(owner):
                await self._storage.queue.wait(2.0, owner)

    async def _turn(self, owner: str) -> bool:
        """Does one, where there is one. Whatever goes wrong, a full disk say, the next turn may find it mended."""
        try:
            job = await self._storage.queue.claim(
                owner, self._clock(), _LEASE, self._storage.presence.is_dead, modes=(ERRAND,)
            )
            if job is not None:
                await self._do(job, owner)
            return job is not None
        except Exception:
            log.exception("an errand was left for later")
            return False

    async def _do(self, job: Job, owner: str) -> None:
        try:
            async with asyncio.timeout(_LEASE / 2):
                await self._kinds[job.kind](job)
        except asyncio.CancelledError:
            await asyncio.shield(self._storage.queue.release(job.id, owner, self._clock(), counted=False))
            raise
        except (ErrandFailed, TimeoutError, OSError, KeyError) as error:
            await self._again(job, owner, str(error) or type(error).__name__)
        except Exception as error:
            log.exception("errand failed", job=job.id, kind=job.kind)
            await self._again(job, owner, f"{type(error).__name__}: {error}")
        else:
            now = self._clock()
            await self._storage.catalog.write(lambda c: self._storage.queue.finish(c, job.id, owner, "done", now))
            log.info("errand done", job=job.id, kind=job.kind)

    async def _again(self, job: Job, owner: str, reason: str) -> None:
        pause = min(_FIRST_PAUSE * 2 ** (job.attempts - 1), _LONGEST_PAUSE)
        due = self._clock() + timedelta(seconds=pause)
        await self._storage.queue.release(job.id, owner, due, error=reason)
        outlook = "will not" if job.attempts >= job.max_attempts else "will"
        log.warning(f"errand {outlook} be tried again", job=job.id, reason=reason)
