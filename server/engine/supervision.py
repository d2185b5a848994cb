"""Keeps work running as long as the server: after an exception it logs the error and starts the work again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("penstock.engine")


async def keep_going(name: str, work: Callable[[], Awaitable[None]], stopping: asyncio.Event, pause: float) -> None:
    """Runs `work` until it returns, or `stopping` is set; after an exception again, `pause` seconds later."""
    while not stopping.is_set():
        try:
            await work()
        except Exception:
            log.exception("a part of the server failed and begins again", part=name)
            await _unless(stopping, pause)
        else:
            return


async def _unless(stopping: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
