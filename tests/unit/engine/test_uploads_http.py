"""From an HTTP request to an upload: sizes, Expect, encodings, and clients that go away."""

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.engine.errors import EngineError, UploadIncomplete, UploadTooLarge
from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.uploads import Uploads
from server.web import body
from storage.blobs.local import LocalBlobs
from storage.digest import digest_of

LIMIT = 3_000_000


class Outcomes(asyncio.Queue):  # type: ignore[type-arg]
    """What the handler came to, as the client may be gone."""


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[Any]:
    """At the end nothing may be left in flight."""
    yield LocalBlobs(tmp_path)
    assert os.listdir(tmp_path / "incoming") in ([], [".lock"])


@pytest.fixture
async def outcomes() -> Any:
    return Outcomes()


@pytest.fixture
async def port(blobs: Any, outcomes: Any) -> AsyncIterator[Any]:
    """A server with the four ways to take a body."""
    uploads = Uploads(blobs, UploadLimits(max_upload_bytes=LIMIT, max_small_body_bytes=1000))

    async def octets(request: pytest.FixtureRequest) -> Any:
        async with await body.receive_octets(uploads, request, filename="x.bin", publish=True) as upload:  # type: ignore[arg-type]
            return upload.digest

    async def form(request: pytest.FixtureRequest) -> Any:
        async with await body.receive_form(uploads, request) as received:  # type: ignore[arg-type]
            return received.file().digest

    async def small(request: pytest.FixtureRequest) -> Any:
        return repr(dict((await body.read_form(uploads, request)).fields))  # type: ignore[arg-type]

    async def raw(request: pytest.FixtureRequest) -> Any:
        return (await body.read_bytes(uploads, request)).decode()  # type: ignore[arg-type]

    def answering(handler: Any) -> Any:
        async def answer(request: pytest.FixtureRequest) -> Any:
            try:
                text = await handler(request)
            except EngineError as error:
                outcomes.put_nowait(error)
                return web.Response(status=400, text=f"{type(error).__name__}: {error}")
            outcomes.put_nowait(text)
            return web.Response(text=text)

        return answer

    app = web.Application()
    for handler in (octets, form, small, raw):
        app.router.add_post(f"/{handler.__name__}", answering(handler), expect_handler=body.expect_later)
    runner = web.AppRunner(app, auto_decompress=False, lingering_time=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()
    await uploads.close()


async def send(port: Any, path: Any, data: Any, *headers: Any) -> Any:
    """One request, byte for byte; gives status and text. The answer's end is the connection's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + "".join(f"{h}\r\n" for h in headers) + "\r\n"
    writer.write(head.encode() + data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, text = answer.partition(b"\r\n\r\n")  # type: ignore[assignment]
    return int(head.split()[1]), text.decode()


def length(data: Any) -> str:
    return f"Content-Length: {len(data)}"


async def test_octets_with_a_length_and_in_chunks(port: Any) -> None:
    data = os.urandom(2_500_000)
    assert await send(port, "octets", data, length(data)) == (200, digest_of(data))
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (data[:7], data[7:99_000], data[99_000:])) + b"0\r\n\r\n"
    assert await send(port, "octets", chunked, "Transfer-Encoding: chunked") == (200, digest_of(data))


async def test_a_form_whose_file_is_streamed(port: Any) -> None:
    data = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nrows\r\n--b--\r\n'
    headers = (length(data), "Content-Type: multipart/form-data; boundary=b")
    assert await send(port, "form", data, *headers) == (200, digest_of(b"rows"))


async def test_a_form_without_its_file(port: Any) -> None:
    data = b"--b--\r\n"
    headers = (length(data), "Content-Type: multipart/form-data; boundary=b")
    assert await send(port, "form", data, *headers) == (400, "PartMissing: the form has no file part 'file'")


async def test_a_small_form(port: Any) -> None:
    headers = ("Content-Length: 7", "Content-Type: application/x-www-form-urlencoded")
    assert await send(port, "small", b"a=1&b=2", *headers) == (200, "{'a': '1', 'b': '2'}")


@pytest.mark.parametrize(
    ("path", "limit", "setting"),
    [
        ("octets", LIMIT, "max_upload_bytes"),
        ("small", 1000, "max_small_body_bytes"),
        ("raw", 1000, "max_small_body_bytes"),
    ],
)
async def test_a_body_declared_too_large_is_answered_unread(port: Any, path: str, limit: int, setting: str) -> None:
    headers = (
        f"Content-Length: {limit + 1}",
        "Expect: 100-continue",
        "Content-Type: application/x-www-form-urlencoded",
    )
    status, text = await send(port, path, b"", *headers)
    assert (status, text) == (400, f"UploadTooLarge: {UploadTooLarge(limit, setting)}")
    assert f"raise [limits] {setting} or" in text


async def test_expect_is_answered_when_the_body_is_read(port: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ok")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("sent", [0, 10, 1_500_000])
@pytest.mark.parametrize("abruptly", [True, False])
async def test_client_gone_mid_body(port: Any, outcomes: Any, sent: int, abruptly: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /octets HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(bytes(sent))
    await writer.drain()
    if abruptly:
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()
    error = await outcomes.get()
    assert isinstance(error, UploadIncomplete), error


async def test_broken_chunks_and_then_nothing(port: Any, outcomes: Any) -> None:
    head = b"POST /octets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"5\r\nhello\r\nnot a size\r\n")
    writer.close()
    await writer.wait_closed()
    error = await asyncio.wait_for(outcomes.get(), 60)
    assert isinstance(error, UploadIncomplete), error


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"plain" * 1000, mtime=0)),
        ("GZIP", gzip.compress(b"plain" * 500, mtime=0) + gzip.compress(b"plain" * 500, mtime=0)),
        ("deflate", zlib.compress(b"plain" * 1000)),
        ("identity", b"plain" * 1000),
    ],
)
async def test_a_compressed_body_is_stored_plain(port: Any, encoding: str, packed: Any) -> None:
    answer = await send(port, "octets", packed, length(packed), f"Content-Encoding: {encoding}")
    assert answer == (200, digest_of(b"plain" * 1000))


@pytest.mark.parametrize(
    ("encoding", "data", "message"),
    [
        ("br", b"x", "UploadMalformed: Content-Encoding 'br' is not supported; send gzip, deflate or no encoding"),
        ("gzip", b"not gzip", "UploadMalformed: the body is not gzip, as its Content-Encoding says"),
        ("gzip", gzip.compress(b"plain" * 1000, mtime=0)[:-9], "UploadIncomplete: the gzip body ends in the middle"),
        ("gzip", gzip.compress(bytes(LIMIT + 1), mtime=0), f"UploadTooLarge: the body is larger than {LIMIT} bytes"),
    ],
)
async def test_a_bad_encoding_is_refused(port: Any, encoding: str, data: Any, message: str) -> None:
    status, text = await send(port, "octets", data, length(data), f"Content-Encoding: {encoding}")
    assert status == 400
    assert text.startswith(message)


async def test_what_inflates_to_more_than_one_step_is_whole() -> None:
    pieces = [gzip.compress(bytes(5_000_000))]

    async def source() -> Any:
        return pieces.pop() if pieces else b""

    inflated, total = body.Inflated(source, "gzip"), 0
    while piece := await inflated():
        assert len(piece) <= body.INFLATE_STEP
        total += len(piece)
    assert total == 5_000_000


async def test_an_empty_compressed_body_is_empty() -> None:
    async def source() -> Any:
        return b""

    assert await body.Inflated(source, "gzip")() == b""
