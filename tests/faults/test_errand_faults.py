"""Errands whose queue fails them: they are done all the same, once it works again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.engine.clock import utc_now
from server.engine.errands import ErrandFailed, Errands
from server.engine.ledger import ERRAND
from storage.errors import StorageFull
from storage.opening import open_storage
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

    async def errand(job: Job) -> None:
        done.put_nowait(job.id)
        if method == "release" and not queue.failed:
            raise ErrandFailed("to be put back into a queue that cannot take it")

    queue = FailsOnce(storage.queue, method)
    errands = Errands(replace(storage, queue=queue), utc_now, {"wave": errand})
    new = NewJob(kind="wave", mode=ERRAND)
    try:
        with structlog.testing.capture_logs() as lines:
            errands.start()
            for _ in range(2):
                job = await storage.catalog.write(lambda c: storage.queue.put(c, new, utc_now()))
                assert await asyncio.wait_for(done.get(), 60) == job.id
            assert errands.alive
            await errands.stop()
    finally:
        await storage.close()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["an errand was left for later"]
