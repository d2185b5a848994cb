"""The feed of events as a stream that never ends by itself (HTML: server-sent events)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from server.dialects.native import openapi, wire
from server.dialects.native.routes import Desk
from server.engine.batches.job_events import News
from server.web.access_log import KEY_ID
from server.web.transport.connections import has_left

HEARTBEAT_SECONDS = 15
LONGEST_SECONDS = 15 * 60  # then the client comes back, and its key is looked at again
LOOK_SECONDS = 1
PATIENCE_SECONDS = 30  # with a client that takes nothing


class EventApi:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._desk.get(openapi.EVENTS, self.follow, head=False)  # a stream has no end to know of

    async def follow(self, request: web.Request, query: wire.Query) -> web.StreamResponse:
        job, last = query.text("job"), request.headers.get(hdrs.LAST_EVENT_ID, "").strip()
        after = wire.moment("Last-Event-ID", last) if last else None
        async with self._desk.engine.feed.listen(after, request.get(KEY_ID)) as stream:
            response = EventSourceResponse(ping_interval=HEARTBEAT_SECONDS, send_timeout=PATIENCE_SECONDS)
            await response.prepare(request)
            async with response:
                with suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(LONGEST_SECONDS):
                        await response.send("{}", id=wire.place(stream.place), event="listening")
                        await _first_of(_send(response, stream.news, job), _until_gone(request))
        return response


async def _first_of(*works: Coroutine[None, None, None]) -> None:
    """Until one of them ends; the others are given up."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


async def _until_gone(request: web.Request) -> None:
    """A browser that goes on to another page leaves its place to the next one, not only at the next sign of life."""
    while not has_left(request):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(LOOK_SECONDS)


async def _send(response: EventSourceResponse, news: AsyncIterator[News], job: str | None) -> None:
    async for each in news:
        if job is None or each.job.id == job:
            data = wire.to_json(wire.event(each)).decode()
            await response.send(data, id=wire.place(each.place), event=each.kind)
