"""Where callbacks may go, and exchanges with listeners that drip, lie or fall silent: one deadline closes them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from server.engine.errors import RequestInvalid
from server.engine.follow_ups.background_tasks import MOST, TaskFailed, TaskRefused
from server.engine.follow_ups.callbacks import CallbackRules, Callbacks, check_callback_address

PUBLIC, ANYWHERE = CallbackRules(), CallbackRules(anywhere=True)
SOON = 0.3
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://example.org", "example.org", "/"),
        ("HTTP://Example.ORG:80/a?b=c%20d", "example.org", "/a?b=c%20d"),
        ("https://example.org:8443/x", "example.org:8443", "/x"),
        ("http://bücher.example/ä?ö=ü", "xn--bcher-kva.example", "/%C3%A4?%C3%B6=%C3%BC"),
        ("http://[2606:4700::1]:81/", "[2606:4700::1]:81", "/"),
        ("http://a_b.example/#part", "a_b.example", "/"),
    ],
)
def test_addresses_become_what_a_request_can_hold(url: str, authority: str, path: str) -> None:
    target = check_callback_address(url, PUBLIC)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    "url",
    [
        *("http://\u202eevil/", "HTTP://x y/", "http://x/a b", "http://x/\r\nHost: y", "http://x\t/", "http://x\x00/"),
        *("", "/path", "ftp://example.org/", "http://", "http:///x", "http://u:p@example.org/", "http://x:99999/"),
        *("http://x:0/", "http://a..b/", f"http://{'a' * 64}.example/", f"http://{'a.' * 200}b/", "http://[::1", None),
        *(17, ["http://example.org"], "http://-/%", "http://a%20b/", "http://exa<mple>/", "http://\udc80/"),
        *("http://2130706433/", "http://127.1/", "http://127.0.0.1./", "http://1.2.3.4.5/"),
    ],
)
def test_what_can_be_no_address_is_refused_where_it_is_given(url: object) -> None:
    with pytest.raises(RequestInvalid, match=r"request_meta\.callback_url must be"):
        check_callback_address(url, ANYWHERE)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0", "224.0.0.1"),
        *("[64:ff9b::7f00:1]", "[64:ff9b:1::10.0.0.1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[fec0::1]", "[ff02::1]"),
    ],
)
def test_private_addresses_need_a_setting(host: str) -> None:
    with pytest.raises(RequestInvalid, match="not a public address"):
        check_callback_address(f"http://{host}/", PUBLIC)
    check_callback_address(f"http://{host}/", ANYWHERE)


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860:4860::8888]", "[64:ff9b::8.8.8.8]", "[2002:808:808::]"])
def test_public_addresses_need_none(host: str) -> None:
    check_callback_address(f"http://{host}/", PUBLIC)


async def test_names_without_an_answer_keep_no_other_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there can be at a time, and as many again that were given up before their look-ups ended."""
    answered, real = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == "silent.example":
            answered.wait(60)
            raise socket.gaierror("no such name")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    callbacks = Callbacks(_compose, ANYWHERE, 20.0)
    silent: Any = SimpleNamespace(payload={"job": "1", "callback_url": "http://silent.example/"})
    waiting = [asyncio.create_task(callbacks(silent)) for _ in range(2 * MOST - 1)]
    try:
        async with listener(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as (address, closed):
            await callbacks(SimpleNamespace(payload={"job": "2", "callback_url": address}))  # type: ignore[arg-type]
            await asyncio.wait_for(closed.wait(), 10)
        assert not any(one.done() for one in waiting)
    finally:
        answered.set()
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        callbacks.close()
    assert {str(one) for one in failed} == {"http://silent.example/: no such name"}


async def _compose(job: str) -> dict[str, object]:
    return {"transaction_id": job}


@asynccontextmanager
async def listener(talk: Talk, heads: list[bytes] | None = None) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Its address, and an event that says that the caller has closed the connection. Adds what comes to `heads`."""
    closed, heads = asyncio.Event(), [] if heads is None else heads

    async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await talk(reader, writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            closed.set()
            writer.transport.abort()

    server = await asyncio.start_server(talking, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told?secret=1", closed
    server.close()


async def call(address: str, seconds: float = 20.0, rules: CallbackRules = ANYWHERE) -> None:
    callbacks = Callbacks(_compose, rules, seconds)
    job: Any = SimpleNamespace(payload={"job": "1", "callback_url": address})
    try:
        await callbacks(job)
    finally:
        callbacks.close()


def saying(*pieces: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return talk


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never ends the line, and is never silent."""
    writer.write(b"HTTP/1.1 200 O")
    while True:
        writer.write(b"K")
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "answer",
    [
        (b"HTTP/1.1 200 OK\r\n\r\n",),
        (b"HTTP/1.0 2", b"00 \r\n\r\n"),
        (b"HTTP/1.1 200\r\n\r\n",),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\nno gzip",),
    ],
)
async def test_200_is_200_however_it_comes(answer: tuple[bytes, ...]) -> None:
    async with listener(saying(*answer)) as (address, closed):
        await call(address)
        await asyncio.wait_for(closed.wait(), 10)


async def test_a_callback_sends_no_header_that_it_does_not_need() -> None:
    heads: list[bytes] = []
    async with listener(saying(b"HTTP/1.1 200 OK\r\n\r\n"), heads) as (address, _):
        await call(address)
    (head,) = heads
    names = {line.partition(":")[0].lower() for line in head.decode().split("\r\n")[1:] if line}
    assert names == {"host", "content-type", "content-length", "connection", "user-agent"}


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "answered 204, not 200"),
        (saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"), "answered 302, not 200"),
        (saying(b"SSH-2.0-x\r\n"), "its answer is not HTTP"),
        (saying(b"HTTP/1.1 20\r\n\r\n"), "its answer is not HTTP"),
        (saying(b"x" * 200_000), "its answer is not HTTP"),
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "not answered within 0.3 seconds"),
        (saying(b"HTTP/1.1 100 Continue\r\n" + b"x: y\r\n" * 500), "its answer is not HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\n"), "not answered within 0.3 seconds"),
        (saying(), "not answered within 0.3 seconds"),
        (drip, "not answered within 0.3 seconds|its answer is not HTTP"),
    ],
    ids=["204", "redirect", "no HTTP", "half a status", "no line", "interim", "headers", "half", "silent", "drips"],
)
async def test_anything_else_is_tried_again_and_closed_in_time(talk: Talk, reason: str) -> None:
    async with listener(talk) as (address, closed):
        with pytest.raises(TaskFailed, match=reason) as failed:
            await asyncio.wait_for(call(address, SOON), 20)
        assert "secret" not in str(failed.value)
        await asyncio.wait_for(closed.wait(), 10)


async def test_nobody_listens() -> None:
    async with listener(saying()) as (address, _):
        pass
    with pytest.raises(TaskFailed, match=r"/told: "):
        await call(address)


async def test_a_name_is_judged_by_what_it_leads_to() -> None:
    async with listener(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as (address, _):
        with pytest.raises(TaskRefused, match="not a public address"):
            await call(address.replace("127.0.0.1", "localhost"), rules=PUBLIC)
