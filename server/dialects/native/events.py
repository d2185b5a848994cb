"""Job events as an endless stream of server-sent events (HTML standard)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from server.dialects.native import openapi, wire
from server.dialects.native.routes import RequestAuth
from server.engine.batches.job_events import JobEvent
from server.web.access_log import KEY_ID
from server.web.transport.connections import has_left

HEARTBEAT_SECONDS = 15
LONGEST_SECONDS = 15 * 60  # then the client reconnects, and its key is checked again
LOOK_SECONDS = 1
PATIENCE_SECONDS = 30  # for a client that reads nothing


class EventApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._auth.get(openapi.EVENTS, self.follow, head=False)  # a stream has no length

    async def follow(self, request: web.Request, query: wire.Query) -> web.StreamResponse:
        job, last = query.text("job"), request.headers.get(hdrs.LAST_EVENT_ID, "").strip()
        after = wire.moment("Last-Event-ID", last) if last else None
        async with self._auth.engine.monitoring.job_events.listen(after, request.get(KEY_ID)) as stream:
            response = EventSourceResponse(ping_interval=HEARTBEAT_SECONDS, send_timeout=PATIENCE_SECONDS)
            await response.prepare(request)
            async with response:
                with suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(LONGEST_SECONDS):
                        await response.send("{}", id=wire.place(stream.place), event="listening")
                        await _first_of(_send(response, stream.news, job), _until_gone(request))
        return response


async def _first_of(*works: Coroutine[None, None, None]) -> None:
    """Runs all coroutines until one ends, and cancels the others."""
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
    """Returns when the client has left, so that its place is free before the next event or heartbeat."""
    while not has_left(request):  # noqa: ASYNC110 - aiohttp has no event for it
        await asyncio.sleep(LOOK_SECONDS)


async def _send(response: EventSourceResponse, news: AsyncIterator[JobEvent], job: str | None) -> None:
    async for each in news:
        if job is None or each.job.id == job:
            data = wire.to_json(wire.event(each)).decode()
            await response.send(data, id=wire.place(each.place), event=each.kind)
