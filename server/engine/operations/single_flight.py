"""Shares one running call among all callers of the same time, each with its own time limit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """* `answer` starts a call, or joins the one that runs; it raises TimeoutError after `seconds`.
    * A running call is never cancelled: what hangs would hang all the same, and another call would only add to it.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None

    async def answer(self, seconds: float) -> T:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        running = self._running
        done, _ = await asyncio.wait({running}, timeout=seconds)
        if not done:
            raise TimeoutError(f"no answer within {seconds:g} seconds")
        return running.result()

    async def _run(self) -> T:
        return await self._call()
