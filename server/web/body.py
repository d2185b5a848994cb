"""Passes request bodies to the engine's uploads: declared sizes, Expect, encodings, and clients that disconnect."""

import asyncio
import zlib
from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from server.engine import json_shape
from server.engine.errors import UploadIncomplete, UploadMalformed
from server.engine.uploads.flow import ByteSource
from server.engine.uploads.uploads import Form, SmallForm, Upload, Uploads

INFLATE_STEP = 1024 * 1024
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_GONE = "the client went away before the body was whole"


async def receive_octets(
    uploads: Uploads, request: web.Request, *, filename: str | None = None, publish: bool = False
) -> Upload:
    """Returns the request's body as one file."""
    return await uploads.receive_octets(
        body_of(request), filename=filename, expected=declared_size(request), publish=publish
    )


async def receive_lines(uploads: Uploads, request: web.Request, *, filename: str | None = None) -> tuple[Upload, int]:
    """Returns the request's body as one file of JSON Lines, and its number of rows."""
    return await uploads.receive_lines(body_of(request), filename=filename, expected=declared_size(request))


async def receive_form(
    uploads: Uploads,
    request: web.Request,
    *,
    file_fields: Collection[str] = ("file",),
    publish: bool = False,
    repeated: bool = False,
) -> Form:
    """Returns the request's multipart form, its files streamed to the blob store."""
    return await uploads.receive_form(
        body_of(request),
        request.headers.get(hdrs.CONTENT_TYPE, ""),
        file_fields=file_fields,
        expected=declared_size(request),
        publish=publish,
        repeated=repeated,
    )


async def read_form(uploads: Uploads, request: web.Request, *, max_bytes: int | None = None) -> SmallForm:
    """Returns the request's small form in memory, multipart or urlencoded."""
    return await uploads.read_form(
        body_of(request),
        request.headers.get(hdrs.CONTENT_TYPE, ""),
        expected=declared_size(request),
        max_bytes=max_bytes,
    )


async def read_bytes(uploads: Uploads, request: web.Request, *, max_bytes: int | None = None) -> bytes:
    """Returns the request's small body in memory, for a parser of JSON."""
    body = await uploads.read_bytes(body_of(request), expected=declared_size(request), max_bytes=max_bytes)
    if len(body) > json_shape.LARGE:
        await asyncio.to_thread(json_shape.check_shape, body)
    else:
        json_shape.check_shape(body)
    return body


async def expect_later(request: web.Request) -> None:
    """An `expect_handler` for routes with a body: "100 Continue" is sent when the body is first read, not before.

    So a request that is refused for its key, its path or its size never has to send its body.
    """


def declared_size(request: web.Request) -> int | None:
    """Returns the declared size of the body; None where it is compressed."""
    return request.content_length if _encoding(request) == "" else None


def body_of(request: web.Request) -> ByteSource:
    """Returns the request's body as a byte source, decompressed where it comes compressed."""
    encoding = _encoding(request)
    raw = RequestBody(request)
    return Inflated(raw, encoding) if encoding else raw


def _encoding(request: web.Request) -> str:
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if encoding in ("", "identity"):
        return ""
    if encoding not in _WINDOW:
        raise UploadMalformed(f"Content-Encoding {encoding[:40]!r} is not supported; send gzip, deflate or no encoding")
    return encoding


class RequestBody:
    """Reads, at each call, the bytes of the body that have arrived."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._begun = False

    async def __call__(self) -> bytes:
        try:
            if not self._begun:
                self._begun = True
                await self._invite()
            return await self._request.content.readany()
        except web.RequestPayloadError as error:
            raise self._broken(error) from error
        except (ConnectionError, RuntimeError) as error:  # RuntimeError: the connection was lost before this read
            raise UploadIncomplete(_GONE) from error

    async def _invite(self) -> None:
        """Answers `Expect: 100-continue`."""
        request = self._request
        if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the response itself has not started

    def _broken(self, error: Exception) -> UploadIncomplete | UploadMalformed:
        if self._request.transport is None:
            return UploadIncomplete(_GONE)
        return UploadMalformed(f"the body's transfer encoding is broken: {error}")


class Inflated:
    """Decompresses in bounded steps, so that a small body that inflates to a huge one hits the byte limit first."""

    def __init__(self, source: ByteSource, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._window = _WINDOW[encoding]
        self._inflate = zlib.decompressobj(self._window)
        self._waiting = b""
        self._begun = False

    async def __call__(self) -> bytes:
        while True:
            if not self._waiting:
                self._waiting = await self._source()
            ended = not self._waiting
            piece = await self._next_piece() if self._begun or not ended else b""
            if piece:
                return piece
            if ended:
                return self._checked_end()

    async def _next_piece(self) -> bytes:
        if self._inflate.eof and self._waiting:  # one gzip member after another
            self._inflate = zlib.decompressobj(self._window)
        data, self._waiting = self._waiting, b""
        try:
            piece = await asyncio.to_thread(self._inflate.decompress, data, INFLATE_STEP)
        except zlib.error as error:
            raise UploadMalformed(f"the body is not {self._encoding}, as its Content-Encoding says: {error}") from error
        self._begun = True
        self._waiting = self._inflate.unconsumed_tail or self._inflate.unused_data
        return piece

    def _checked_end(self) -> bytes:
        if self._begun and not self._inflate.eof:
            raise UploadIncomplete(f"the {self._encoding} body ends in the middle")
        return b""
