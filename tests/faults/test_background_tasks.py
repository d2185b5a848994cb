"""Background tasks whose queue fails them: they are done all the same, once it works again."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.clock import utc_now
from server.engine.follow_ups.background_tasks import MOST, MOST_OF_A_KIND, BackgroundTasks, TaskFailed, TaskRefused
from storage.errors import StorageFull
from storage.opening import open_storage
from storage.queues import jobs
from storage.queues.base import Job, NewJob


class FailsOnce:
    """A queue whose `method` meets a full disk at its first call."""

    def __init__(self, inner: Any, method: str) -> None:
        self._inner = inner
        self._method = method
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        if name == self._method and not self.failed:
            self.failed = True
            raise StorageFull(0, 1)
        return getattr(self._inner, name)

    async def wait(self, seconds: float, owner: str | None = None) -> None:
        await self._inner.wait(0.05, owner)


@pytest.mark.parametrize("method", ["claim", "release"])
async def test_a_full_disk_puts_errands_off_and_no_more(tmp_path: Path, method: str) -> None:
    storage = await asyncio.to_thread(open_storage, tmp_path)
    done: asyncio.Queue[str] = asyncio.Queue()

    async def task(job: Job) -> None:
        done.put_nowait(job.id)
        if method == "release" and not queue.failed:
            raise TaskFailed("to be put back into a queue that cannot take it")

    queue = FailsOnce(storage.queue, method)
    tasks = BackgroundTasks(replace(storage, queue=queue), utc_now, {"wave": task})
    new = NewJob(kind="wave", mode=BACKGROUND_TASK)
    try:
        with structlog.testing.capture_logs() as lines:
            tasks.start()
            for _ in range(2):
                job = await storage.catalog.write(storage.queue.put, new, utc_now())
                assert await asyncio.wait_for(done.get(), 60) == job.id
            assert tasks.alive
            await tasks.stop()
    finally:
        await storage.close()
    assert (
        next(line["event"] for line in lines if line["log_level"] == "warning") == "background task failed, will retry"
    )


async def test_errands_that_hang_keep_nobody_else(tmp_path: Path) -> None:
    """One place hangs, with three tasks for it; another's is done meanwhile, and so are those three in the end."""
    storage = await asyncio.to_thread(open_storage, tmp_path)
    hangs, go_on = asyncio.Event(), asyncio.Event()
    done: asyncio.Queue[str] = asyncio.Queue()
    at_once = []

    async def task(job: Job) -> None:
        if job.payload["place"] == "slow":
            at_once.append(job.id)
            hangs.set()
            await go_on.wait()
            at_once.remove(job.id)
        assert len(at_once) <= 1, "one at a time for each place"
        done.put_nowait(str(job.payload["place"]))

    tasks = BackgroundTasks(storage, moving_clock(), {"call": task}, {"call": lambda job: str(job.payload["place"])})
    try:
        for place in ("slow", "slow", "slow", "quick"):
            new = NewJob(kind="call", mode=BACKGROUND_TASK, payload={"place": place}, max_attempts=1)
            await storage.catalog.write(storage.queue.put, new, NOW)
        tasks.start()
        await asyncio.wait_for(hangs.wait(), 20)
        assert await asyncio.wait_for(done.get(), 20) == "quick"
        go_on.set()
        assert [await asyncio.wait_for(done.get(), 20) for _ in range(3)] == ["slow"] * 3
        await tasks.stop()
    finally:
        await storage.close()


async def test_a_crowd_of_one_kind_leaves_room_for_the_others(tmp_path: Path) -> None:
    """Each goes to a place of its own, all of them hang, and in the end all are done."""
    storage = await asyncio.to_thread(open_storage, tmp_path)
    crowded, go_on = asyncio.Event(), asyncio.Event()
    done: asyncio.Queue[str] = asyncio.Queue()
    hanging, most = [], []

    async def call(job: Job) -> None:
        hanging.append(job.id)
        most.append(len(hanging))
        if len(hanging) == MOST_OF_A_KIND:
            crowded.set()
        await go_on.wait()
        hanging.remove(job.id)
        done.put_nowait(job.kind)

    async def write(job: Job) -> None:
        done.put_nowait(job.kind)

    async def put(kind: str) -> None:
        new = NewJob(kind=kind, mode=BACKGROUND_TASK, max_attempts=1)
        await storage.catalog.write(storage.queue.put, new, NOW)

    tasks = BackgroundTasks(storage, moving_clock(), {"call": call, "letter": write})
    try:
        for _ in range(2 * MOST):
            await put("call")
        tasks.start()
        await asyncio.wait_for(crowded.wait(), 60)
        await put("letter")
        assert await asyncio.wait_for(done.get(), 60) == "letter"
        go_on.set()
        assert [await asyncio.wait_for(done.get(), 60) for _ in range(2 * MOST)] == ["call"] * 2 * MOST
        assert max(most) == MOST_OF_A_KIND
        await tasks.stop()
    finally:
        await storage.close()


async def test_a_stop_gives_back_what_hangs_and_counts_no_attempt(tmp_path: Path) -> None:
    storage = await asyncio.to_thread(open_storage, tmp_path)
    begun = asyncio.Event()

    async def task(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    tasks = BackgroundTasks(storage, utc_now, {"call": task})
    try:
        new = NewJob(kind="call", mode=BACKGROUND_TASK, max_attempts=1)
        job = await storage.catalog.write(storage.queue.put, new, utc_now())
        tasks.start()
        await asyncio.wait_for(begun.wait(), 20)
        await tasks.stop()
        left = await storage.catalog.read(jobs.get, job.id)
        assert left is not None
        assert (left.state, left.attempts) == ("queued", 0)
    finally:
        await storage.close()


async def test_an_errand_that_no_try_can_help_ends_as_failed_and_says_why(tmp_path: Path) -> None:
    storage = await asyncio.to_thread(open_storage, tmp_path)

    async def task(job: Job) -> None:
        raise TaskRefused("not sent: no sender is set up")

    tasks = BackgroundTasks(storage, utc_now, {"call": task})
    try:
        job = await storage.catalog.write(
            storage.queue.put, NewJob(kind="call", mode=BACKGROUND_TASK, max_attempts=9), utc_now()
        )
        with structlog.testing.capture_logs():
            tasks.start()
            while (found := await storage.catalog.read(jobs.get, job.id)) and found.finished is None:
                await storage.queue.wait(0.05)
        await tasks.stop()
        assert found is not None
        assert (found.state, found.attempts, found.error) == ("failed", 1, "not sent: no sender is set up")
    finally:
        await storage.close()


NOW = datetime(2025, 3, 1, tzinfo=UTC)


def moving_clock() -> Callable[[], datetime]:
    """Ten seconds later whenever it is asked, so that no pause has to be waited for."""
    seconds = itertools.count(0, 10)
    return lambda: NOW + timedelta(seconds=next(seconds))
