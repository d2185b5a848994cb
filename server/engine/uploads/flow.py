"""Moves bodies from clients to disk: in steps, within limits, never faster than the disk takes them.

Nothing here knows HTTP: a body is a callable that returns the next bytes, and b"" at its end.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from server.engine.errors import DiskFull, UploadIncomplete, UploadTooLarge, UploadTooSlow
from storage.errors import StorageFull

STEP = 1024 * 1024
MIB = 1024 * 1024
MOST_PIECES = 1024  # a client that sends byte by byte must not cost an object a byte

T = TypeVar("T")
ResultT = TypeVar("ResultT", covariant=True)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """The limits of one upload. Sizes are in bytes, times in seconds."""

    max_upload_bytes: int = 64 * 1024 * MIB
    max_request_seconds: float = 6 * 3600.0
    idle_seconds: float = 60.0
    min_free_bytes: int = 512 * MIB
    max_form_parts: int = 100
    max_field_bytes: int = 64 * 1024
    max_part_header_bytes: int = 8 * 1024
    max_small_body_bytes: int = 8 * MIB  # what is read into memory whole: control files, JSON, urlencoded forms
    threads: int = 16


class ByteSource(Protocol):
    """Returns the next bytes of a body, b"" at its end. Raises UploadIncomplete when the sender is gone."""

    async def __call__(self) -> bytes: ...


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """The part of an event loop that gives the time."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer: ...


class Sink(Protocol[ResultT]):
    """Where a body goes. Called from worker threads, one call at a time.

    * `feed` takes the next bytes.
    * `finish` takes the last bytes and returns the result.
    * `discard` leaves nothing behind. It may be called after any other call, failed or not.
    """

    def feed(self, pieces: list[bytes]) -> None: ...

    def finish(self, pieces: list[bytes]) -> ResultT: ...

    def discard(self) -> None: ...


class BodyTimeout:
    """Cancels the task that waits for a sender, when the sender is silent or takes too long in all.

    Only waiting for the sender counts: a slow disk of ours is not the sender's fault.
    """

    def __init__(self, limits: UploadLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._waiting_since: float | None = None
        self._ends = clock.time() + limits.max_request_seconds
        self._reason: str | None = None

    def __enter__(self) -> "BodyTimeout":
        self._task = asyncio.current_task()
        self._cancels_before = self._task.cancelling() if self._task else 0
        self._timer = self._clock.call_at(self._next_look(self._clock.time()), self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._reason is None or self._task is None:
            return
        if self._task.uncancel() <= self._cancels_before and kind is asyncio.CancelledError:
            raise UploadTooSlow(self._reason) from None

    async def next(self, source: ByteSource) -> bytes:
        self._waiting_since = self._clock.time()
        try:
            return await source()
        finally:
            self._waiting_since = None

    def _look(self) -> None:
        now, since = self._clock.time(), self._waiting_since
        if since is not None:
            self._reason = self._judge(now, since)
        if self._reason and self._task:
            self._task.cancel()
        else:
            self._timer = self._clock.call_at(self._next_look(now), self._look)

    def _judge(self, now: float, since: float) -> str | None:
        if now >= self._ends:
            return f"the body took longer than {self._limits.max_request_seconds:g} seconds"
        if now - since >= self._limits.idle_seconds:
            return f"no bytes came for {self._limits.idle_seconds:g} seconds"
        return None

    def _next_look(self, now: float) -> float:
        since = now if self._waiting_since is None else self._waiting_since
        when = min(since + self._limits.idle_seconds, self._ends)
        return when if when > now else now + self._limits.idle_seconds


class ByteBudget:
    """Counts the bytes of a body against a limit (a setting of [limits]) and the declared size."""

    def __init__(self, limit: int, expected: int | None, setting: str = "max_upload_bytes") -> None:
        self._limit = limit
        self._setting = setting
        self._expected = expected
        self.taken = 0
        self._check(expected or 0)

    def take(self, count: int) -> None:
        self.taken += count
        self._check(self.taken)

    def close(self) -> None:
        if self._expected is not None and self.taken != self._expected:
            raise UploadIncomplete(f"the body ended after {self.taken} of {self._expected} bytes")

    def _check(self, count: int) -> None:
        if count > self._limit:
            raise UploadTooLarge(self._limit, self._setting)


class BodyPump(Generic[T]):
    """Moves one body from its source into a sink: a thread writes one step while the next one arrives."""

    def __init__(self, pool: Executor, sink: Sink[T], budget: ByteBudget, patience: BodyTimeout) -> None:
        self._pool = pool
        self._sink = sink
        self._budget = budget
        self._patience = patience
        self._step: Future[Any] | None = None  # the last one begun

    async def run(self, source: ByteSource) -> T:
        """Returns the result of the sink. On any failure the sink is discarded first."""
        try:
            with self._patience:
                rest = await self._receive(source)
            self._step = last = self._pool.submit(self._sink.finish, rest)
            return await asyncio.wrap_future(last)
        except StorageFull as error:
            await self._abandon()
            raise DiskFull(error.free, error.floor) from error
        except BaseException:
            await self._abandon()
            raise

    async def _receive(self, source: ByteSource) -> list[bytes]:
        """Feeds whole steps to the sink, and returns the bytes left at the end."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self._patience.next(source):
            pieces.append(piece)
            size += len(piece)
            self._budget.take(len(piece))
            if size >= STEP or len(pieces) >= MOST_PIECES:
                await self._finish_step()
                self._step = self._pool.submit(self._sink.feed, pieces)
                pieces, size = [], 0
        self._budget.close()
        await self._finish_step()
        return pieces

    async def _finish_step(self) -> None:
        if self._step is not None:
            await asyncio.wrap_future(self._step)

    async def _abandon(self) -> None:
        """Waits for the running step, then discards the sink, even if this task is cancelled again."""
        await asyncio.shield(_after(self._step, self._pool, self._sink.discard))


def _after(step: Future[Any] | None, pool: Executor, action: Callable[[], None]) -> asyncio.Future[None]:
    done: Future[None] = Future()

    def act(_: object) -> None:
        try:
            action()
        finally:
            done.set_result(None)

    if step is None:
        pool.submit(act, None)
    else:
        step.add_done_callback(lambda ended: pool.submit(act, ended) and None)
    return asyncio.wrap_future(done)


async def read_whole(
    source: ByteSource, limits: UploadLimits, clock: Clock, max_bytes: int, expected: int | None
) -> bytes:
    """Reads a small body into memory, within the same limits."""
    budget = ByteBudget(max_bytes, expected, "max_small_body_bytes")
    pieces: list[bytes] = []
    with BodyTimeout(limits, clock) as patience:
        while piece := await patience.next(source):
            budget.take(len(piece))
            pieces.append(piece)
    budget.close()
    return b"".join(pieces)
