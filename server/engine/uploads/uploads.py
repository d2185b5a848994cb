"""Uploads: bodies that stream into the blob store while they arrive."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from server.engine.errors import DiskFull, PartMissing, PartTooLarge, TooManyParts, UploadTooLarge
from server.engine.events import Events, UploadEnded, UploadResult, upload_result
from server.engine.uploads.flow import (
    BodyPump,
    BodyTimeout,
    ByteBudget,
    ByteSource,
    Clock,
    Sink,
    UploadLimits,
    read_whole,
)
from server.engine.uploads.form_charsets import text_of
from server.engine.uploads.json_lines import LineCheckedSink
from server.engine.uploads.multipart import plain_name, split_header
from server.engine.uploads.sinks import (
    CHARSET_FIELD,
    FilesAsBlobs,
    FilesInMemory,
    FormFields,
    FormSink,
    Kept,
    OctetSink,
    SmallFile,
    form_parser,
)
from storage.blobs.base import BlobStore, BlobWriter, Referenced
from storage.digest import Digest
from storage.errors import StorageFull

SETTLE_AFTER = 0.02  # seconds; a burst of uploads is settled in one hand-off
_LARGE = 64 * 1024  # bytes of a form; to decode more takes a thread
_SHOWN = 60  # bytes of a name that is too long

T = TypeVar("T")


class Upload:
    """A body that arrived whole. At the end of its `async with` block it is discarded unless it was settled.

    `publish` makes the blob durable and must come before the commit that refers to it. `settle` confirms that the
    commit was made. `discard` drops the body; after `settle` it does nothing.
    """

    def __init__(self, owner: "Uploads", kept: Kept, fields: Mapping[str, str]) -> None:
        self._owner = owner
        self._writer = kept.writer
        self._published = kept.published
        self._ended = False
        self.digest: Digest = kept.stored.digest
        self.size = kept.stored.size
        self.name = kept.name
        self.filename = kept.filename
        self.fields = fields

    async def publish(self) -> Digest:
        if not self._published:
            await self._owner.in_thread(self._writer.publish)
            self._published = True
        return self.digest

    async def settle(self) -> None:
        """Confirms the reference and returns at once: the blob is durable, so a crash loses nothing."""
        if not self._ended:
            self._ended = True
            self._owner.settle_soon(self._writer)

    async def discard(self) -> None:
        if not self._ended:
            self._ended = True
            await self._owner.in_thread(self._writer.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if not self._ended:
            await asyncio.shield(self.discard())


class Form:
    """A form that arrived whole. Of two parts with one name, the last counts."""

    def __init__(self, fields: Mapping[str, str], uploads: tuple[Upload, ...]) -> None:
        self.fields = fields
        self.uploads = uploads
        self.files: Mapping[str, Upload] = {upload.name: upload for upload in uploads}

    def file(self, name: str = "file") -> Upload:
        if name not in self.files:
            raise PartMissing(name)
        return self.files[name]

    async def discard(self) -> None:
        await asyncio.gather(*(upload.discard() for upload in self.uploads))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for upload in self.uploads:
            await upload.__aexit__(*error)


@dataclass(frozen=True, slots=True)
class SmallForm:
    """A form in memory. Of two parts with one name, the last counts."""

    fields: Mapping[str, str]
    files: Mapping[str, SmallFile] = field(default_factory=dict)

    def file(self, name: str = "file") -> SmallFile:
        if name not in self.files:
            raise PartMissing(name)
        return self.files[name]


class Uploads:
    """Receives bodies. Each call returns an object for `async with`, or fails and leaves nothing behind."""

    def __init__(
        self,
        blobs: BlobStore,
        limits: UploadLimits | None = None,
        clock: Clock | None = None,
        events: Events | None = None,
    ) -> None:
        self.limits = limits or UploadLimits()
        self._blobs = blobs
        self._clock = clock
        self._events = events or Events()
        self._arriving: set[ByteBudget] = set()
        self._pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="upload")
        self._unsettled: deque[BlobWriter] = deque()
        self._settling: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """Finishes the clean-up of settled uploads and waits for running work."""
        if self._settling is not None:
            self._settling.cancel()
        await self.in_thread(self._settle_all)
        await asyncio.to_thread(self._pool.shutdown)

    async def receive_octets(
        self, source: ByteSource, *, filename: str | None = None, expected: int | None = None, publish: bool = False
    ) -> Upload:
        """Receives a body that is one file. `expected` is its declared size; `publish` makes it durable at once."""
        sink = OctetSink(self._blobs, plain_name(filename or ""), publish)
        return Upload(self, await self._receive(source, sink, expected), MappingProxyType({}))

    async def receive_lines(
        self, source: ByteSource, *, filename: str | None = None, expected: int | None = None
    ) -> tuple[Upload, int]:
        """Receives JSON Lines, one object a line. Returns the upload and its number of rows."""
        sink = LineCheckedSink(OctetSink(self._blobs, plain_name(filename or ""), publish=False))
        kept, rows = await self._receive(source, sink, expected)
        return Upload(self, kept, MappingProxyType({})), rows

    async def receive_form(
        self,
        source: ByteSource,
        content_type: str,
        *,
        file_fields: Collection[str] = ("file",),
        expected: int | None = None,
        publish: bool = False,
        repeated: bool = False,
    ) -> Form:
        """Receives a multipart form whose files go to the blob store.

        Only files under `file_fields` are kept. With `repeated`, all files of one field are, else the last.
        """
        files = FilesAsBlobs(self._blobs, file_fields, repeated)
        sink = FormSink(content_type, files, self.limits, publish)
        fields, kept = await self._receive(source, sink, expected)
        return Form(fields, tuple(Upload(self, one, fields) for one in kept))

    async def read_form(
        self, source: ByteSource, content_type: str, *, expected: int | None = None, max_bytes: int | None = None
    ) -> SmallForm:
        """Reads a small form into memory, multipart or urlencoded."""
        kind, parameters = split_header(content_type)
        charset = parameters.get("charset", "")
        if kind == "application/x-www-form-urlencoded":
            body = await self.read_bytes(source, expected=expected, max_bytes=max_bytes)
            if len(body) <= _LARGE:
                return self._urlencoded(body, charset)
            return await self.in_thread(lambda: self._urlencoded(body, charset))
        files = FilesInMemory()
        form = FormFields(files, self.limits, charset)
        parser = form_parser(content_type, form, self.limits)
        parser.feed(await self.read_bytes(source, expected=expected, max_bytes=max_bytes))
        parser.finish()
        return SmallForm(form.fields, files.files)

    async def read_bytes(
        self, source: ByteSource, *, expected: int | None = None, max_bytes: int | None = None
    ) -> bytes:
        """Reads a small body into memory."""
        limit = self.limits.max_small_body_bytes if max_bytes is None else max_bytes
        return await read_whole(source, self.limits, self._time(), limit, expected)

    async def sweep(self, referenced: Referenced) -> int:
        """Removes bodies that dead processes left, and returns their number."""
        return await self.in_thread(lambda: self._blobs.sweep(referenced))

    def arriving(self) -> tuple[int, int]:
        """Returns the number of bodies arriving now, and of their bytes so far."""
        return len(self._arriving), sum(budget.taken for budget in self._arriving)

    async def in_flight(self) -> int:
        return await self.in_thread(self._blobs.in_flight)

    async def in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except StorageFull as error:
            raise DiskFull(error.free, error.floor) from error

    def settle_soon(self, writer: BlobWriter) -> None:
        self._unsettled.append(writer)
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_AFTER, self._settle_now)

    def _settle_now(self) -> None:
        self._settling = None
        if self._unsettled:
            self._pool.submit(self._settle_all)

    def _settle_all(self) -> None:
        while self._unsettled:
            try:
                writer = self._unsettled.popleft()
            except IndexError:  # another thread was quicker
                return
            writer.settle()

    async def _receive(self, source: ByteSource, sink: Sink[T], expected: int | None) -> T:
        budget = self._budget(expected)
        self._arriving.add(budget)
        result: UploadResult = "received"
        try:
            return await BodyPump(self._pool, sink, budget, BodyTimeout(self.limits, self._time())).run(source)
        except BaseException as error:
            result = upload_result(error)
            raise
        finally:
            self._arriving.discard(budget)
            self._events.tell(UploadEnded(result, budget.taken))

    def _budget(self, expected: int | None) -> ByteBudget:
        try:
            return ByteBudget(self.limits.max_upload_bytes, expected)
        except UploadTooLarge:
            self._events.tell(UploadEnded("refused", 0))
            raise

    def _urlencoded(self, body: bytes, charset: str) -> SmallForm:
        pairs = self._pairs(body)
        charset = dict(pairs).get(CHARSET_FIELD.encode(), b"").decode("ascii", "replace") or charset
        fields = {}
        for key, value in pairs:
            name = text_of(key, charset, "the name of a form field")
            if len(value) > self.limits.max_field_bytes:
                raise PartTooLarge(name, self.limits.max_field_bytes)
            fields[name] = text_of(value, charset, f"the form field {name!r}")
        fields.pop(CHARSET_FIELD, None)
        return SmallForm(fields)

    def _pairs(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """Returns the pairs as bytes (Latin-1 keeps them): the charset may be the value of one of them."""
        self._check_pairs(body)
        pairs = parse_qsl(body.decode("latin-1"), True, encoding="latin-1")
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]

    def _check_pairs(self, body: bytes) -> None:
        """Checks sizes before decoding: a byte takes at most three characters in this form."""
        most, longest = self.limits.max_form_parts, self.limits.max_field_bytes
        if body.count(b"&") >= most:
            raise TooManyParts(most)
        for pair in body.split(b"&"):
            name, _, value = pair.partition(b"=")
            if max(len(name), len(value)) > 3 * longest:
                raise PartTooLarge(unquote_to_bytes(name[:_SHOWN]).decode("utf-8", "replace"), longest)

    def _time(self) -> Clock:
        return self._clock or asyncio.get_running_loop()
