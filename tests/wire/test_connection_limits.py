"""There are never more connections than the server can open files for, and one address cannot keep the others out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from server.app import new_event_loop
from server.web.transport.connections import Runner
from server.web.transport.proxies import Proxies

MOST = 16
HERE, THERE = "127.0.0.1", "127.0.0.2"
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Crowd:
    """A small server and clients at two addresses."""

    port: int
    stack: AsyncExitStack
    gate: asyncio.Event
    busy: list[None]
    working: list[Client] = field(default_factory=list)

    async def connect(self, address: str) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self.stack.callback(writer.close)
        return reader, writer

    async def answered(self, address: str) -> bytes:
        """The head of the answer to a newcomer."""
        reader, writer = await self.connect(address)
        writer.write(GET % b"quick")
        async with asyncio.timeout(10):
            return await reader.readuntil(b"\r\n\r\n")

    async def occupy(self, address: str, count: int) -> None:
        """Requests that wait for their answer."""
        wanted = len(self.busy) + count
        for _ in range(count):
            client = await self.connect(address)
            client[1].write(GET % b"slow")
            self.working.append(client)
        async with asyncio.timeout(10):
            while len(self.busy) < wanted:  # noqa: ASYNC110 - all run on this loop
                await asyncio.sleep(0)


@pytest.fixture
async def crowd(log: list[Any]) -> AsyncIterator[Crowd]:
    async with crowded() as crowd:
        yield crowd


@asynccontextmanager
async def crowded() -> AsyncIterator[Crowd]:
    gate, busy = asyncio.Event(), []  # type: ignore[var-annotated]

    async def slow(_request: web.Request) -> web.Response:
        busy.append(None)
        await gate.wait()
        return web.Response()

    async def quick(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/slow", slow), web.get("/quick", quick)])
    runner = Runner(app, most=MOST, proxies=Proxies())
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(gate.set)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Crowd(runner.addresses[0][1], stack, gate, busy)


async def test_silent_connections_make_room(crowd: Crowd, log: list[Any]) -> None:
    silent = [await crowd.connect(HERE) for _ in range(3 * MOST)]
    assert (await crowd.answered(HERE)).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(10):
        assert await silent[0][0].read() == b""  # the first that came had rested longest
    (line,) = [line for line in log if line["event"] == "connection limit reached"]
    assert (line["limit"], line["log_level"]) == (MOST, "warning")


async def test_a_request_that_is_worked_on_is_never_dropped(crowd: Crowd) -> None:
    await crowd.occupy(HERE, MOST // 2)
    await crowd.occupy(THERE, MOST // 4 - 1)
    for _ in range(2 * MOST):
        assert (await crowd.answered(THERE)).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    crowd.gate.set()
    async with asyncio.timeout(10):
        for reader, _ in crowd.working:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_without_room_the_newcomer_hears_when_to_come_back(crowd: Crowd) -> None:
    await crowd.occupy(HERE, MOST * 3 // 4)
    refused = await crowd.answered(HERE)
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"\r\nRetry-After: 5\r\n" in refused


def test_the_loop_that_the_server_runs_on_turns_newcomers_away_too(capfd: pytest.CaptureFixture[str]) -> None:
    """It is uvloop where that is installed; transports are not the same there."""

    async def talk() -> bytes:
        async with crowded() as crowd:
            await crowd.occupy(HERE, MOST * 3 // 4)
            return await crowd.answered(HERE)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(talk()).startswith(b"HTTP/1.1 503")
    assert "Traceback" not in capfd.readouterr().err


async def test_one_address_leaves_room_for_the_others(crowd: Crowd) -> None:
    await crowd.occupy(THERE, MOST * 3 // 4)
    assert (await crowd.answered(THERE)).startswith(b"HTTP/1.1 503")
    for _ in range(3):
        assert (await crowd.answered(HERE)).startswith(b"HTTP/1.1 200")


async def test_places_are_given_back(crowd: Crowd) -> None:
    await crowd.occupy(HERE, MOST * 3 // 4)
    crowd.gate.set()
    for _ in range(3 * MOST):
        assert (await crowd.answered(HERE)).startswith(b"HTTP/1.1 200")
