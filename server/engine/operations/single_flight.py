"""A question that may take long: asked once at a time, however many want to know, and waited for only so long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Outstanding(Generic[T]):
    """* `answer` asks, or waits for the answer to whoever asked before; it raises TimeoutError after `seconds`.
    * A question is never called off: what hangs would hang all the same, and asking again would only add to it.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asked: asyncio.Task[T] | None = None

    async def answer(self, seconds: float) -> T:
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._answer())
        asked = self._asked
        done, _ = await asyncio.wait({asked}, timeout=seconds)
        if not done:
            raise TimeoutError(f"no answer within {seconds:g} seconds")
        return asked.result()

    async def _answer(self) -> T:
        return await self._ask()
