"""What may go wrong while a body comes in. Nothing is left in flight after any of it."""

import asyncio
import errno
import gc
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.errors import DiskFull, UploadIncomplete, UploadTooLarge, UploadTooSlow
from server.engine.uploads.flow import STEP, UploadLimits
from server.engine.uploads.uploads import Uploads
from storage.blobs.local import LocalBlobs
from storage.digest import digest_of
from storage.errors import StorageFull

MIB = bytes(1024 * 1024)
TYPE = "multipart/form-data; boundary=b"
FORM_START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = []  # type: ignore[var-annotated]

    def time(self) -> Any:
        return self.now

    def call_at(self, when: Any, callback: Any) -> Any:
        timer = HandTimer(when, callback, self.timers)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: int) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            timer.cancel()
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = end


class HandTimer:
    def __init__(self, when: Any, callback: Any, timers: Any) -> None:
        self.when, self.callback, self.timers = when, callback, timers

    def cancel(self) -> None:
        if self in self.timers:
            self.timers.remove(self)


class Client:
    """Sends what the test says, when it says it."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = asyncio.Queue()  # type: ignore[var-annotated]
        self.waited_for = asyncio.Event()
        for piece in pieces:
            self.send(piece)

    def send(self, piece: Any) -> None:
        self.pieces.put_nowait(piece)

    async def __call__(self) -> Any:
        if self.pieces.empty():
            self.waited_for.set()
        piece = await self.pieces.get()
        self.waited_for.clear()
        if isinstance(piece, Exception):
            raise piece
        return piece


class FaultyBlobs:
    """Passes everything on, and breaks a writer at one of its calls."""

    def __init__(self, inner: Any, fail_on: Any, error: Any = None) -> None:
        self.inner, self.fail_on, self.error = inner, fail_on, error or StorageFull(5, 10)

    def writer(self) -> "FaultyWriter":
        return FaultyWriter(self.inner.writer(), self)


class FaultyWriter:
    def __init__(self, inner: Any, store: Any) -> None:
        self.inner, self.store, self.writes = inner, store, 0

    def write(self, *pieces: Any) -> None:
        self.writes += 1
        if self.store.fail_on == self.writes:
            raise self.store.error
        self.inner.write(*pieces)

    def publish(self) -> Any:
        stored = self.inner.publish()
        if self.store.fail_on == "publish":
            raise self.store.error
        return stored

    def __getattr__(self, name: Any) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def clock() -> "HandClock":
    return HandClock()


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[Any]:
    """At the end nothing may be left in flight."""
    yield LocalBlobs(tmp_path)
    assert os.listdir(tmp_path / "incoming") in ([], [".lock"])


@pytest.fixture
async def uploads(blobs: Any, clock: "HandClock") -> AsyncIterator[Any]:
    """At the end there may be no blob."""
    limits = UploadLimits(idle_seconds=30, max_request_seconds=100, max_upload_bytes=4 * len(MIB), threads=2)
    uploads = Uploads(blobs, limits, clock)
    yield uploads
    await uploads.close()
    assert await asyncio.to_thread(lambda: list(blobs.digests())) == []
    assert clock.timers == []


@pytest.fixture(params=["octets", "form"])
def receive(request: pytest.FixtureRequest, uploads: Any) -> Any:
    """Both ways of a body in, for every disaster."""

    async def octets(source: Any, **options: Any) -> Any:
        return await uploads.receive_octets(source, **options)

    async def form(source: Any, **options: Any) -> Any:
        opened = False

        async def with_headers() -> Any:
            nonlocal opened
            if not opened:
                opened = True
                return FORM_START
            return await source()

        return await uploads.receive_form(with_headers, TYPE, **options)

    return {"octets": octets, "form": form}[request.param]


async def waiting_for(client: Any, task: Any) -> None:
    """The upload has taken all that was sent, or has ended."""
    waited = asyncio.ensure_future(client.waited_for.wait())
    await asyncio.wait([waited, task], return_when=asyncio.FIRST_COMPLETED)
    waited.cancel()


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_silent_client(receive: Any, clock: "HandClock", sent: int) -> None:
    client = Client(*[MIB] * sent)
    task = asyncio.create_task(receive(client))
    await waiting_for(client, task)
    clock.advance(29)
    assert not task.done()
    clock.advance(2)
    with pytest.raises(UploadTooSlow, match="no bytes came for 30 seconds"):
        await task
    assert task.cancelling() == 0


async def test_trickling_client(receive: Any, clock: "HandClock") -> None:
    client = Client()
    task = asyncio.create_task(receive(client))
    for _ in range(9):
        await waiting_for(client, task)
        clock.advance(11)
        client.send(b"x")
        client.waited_for.clear()
    await waiting_for(client, task)
    clock.advance(11)
    with pytest.raises(UploadTooSlow, match="the body took longer than 100 seconds"):
        await task


async def test_a_slow_disk_is_not_the_clients_fault(blobs: Any, clock: "HandClock") -> None:
    at_work, go_on = threading.Event(), threading.Event()

    class SlowWriter(FaultyWriter):
        def write(self, *pieces: Any) -> None:
            at_work.set()
            assert go_on.wait(10)
            self.inner.write(*pieces)

    class SlowBlobs(FaultyBlobs):
        def writer(self) -> Any:
            return SlowWriter(self.inner.writer(), self)

    uploads = Uploads(SlowBlobs(blobs, None), UploadLimits(idle_seconds=30, max_request_seconds=100), clock)  # type: ignore[arg-type]
    client = Client(MIB, MIB, b"")
    task = asyncio.create_task(uploads.receive_octets(client))
    await asyncio.to_thread(at_work.wait, 10)
    clock.advance(1000)
    go_on.set()
    async with await task as upload:
        assert upload.size == 2 * len(MIB)
    await uploads.close()


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_client_gone_mid_body(receive: Any, sent: int) -> None:
    client = Client(*[MIB] * sent, UploadIncomplete("the client went away"))
    with pytest.raises(UploadIncomplete, match="the client went away"):
        await receive(client)


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_task_cancelled(receive: Any, sent: int) -> None:
    client = Client(*[MIB] * sent)
    task = asyncio.create_task(receive(client))
    await waiting_for(client, task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_client_that_sends_byte_by_byte(blobs: Any) -> None:
    uploads = Uploads(blobs)
    async with await uploads.receive_octets(Client(*[b"x"] * 5000, b"")) as upload:
        assert upload.digest == digest_of(b"x" * 5000)
    await uploads.close()


async def test_task_cancelled_twice_while_a_step_runs(blobs: Any) -> None:
    at_work, go_on, done = threading.Event(), threading.Event(), threading.Event()

    class SlowWriter(FaultyWriter):
        def write(self, *pieces: Any) -> None:
            at_work.set()
            assert go_on.wait(10)
            self.inner.write(*pieces)

        def discard(self) -> None:
            self.inner.discard()
            done.set()

    class SlowBlobs(FaultyBlobs):
        def writer(self) -> Any:
            return SlowWriter(self.inner.writer(), self)

    uploads = Uploads(SlowBlobs(blobs, None))  # type: ignore[arg-type]
    task = asyncio.create_task(uploads.receive_octets(Client(MIB)))
    await asyncio.to_thread(at_work.wait, 10)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])
    assert task.cancelled()
    go_on.set()
    assert await asyncio.to_thread(done.wait, 10)
    await uploads.close()


@pytest.mark.parametrize("declared", [1, 3])
async def test_body_of_another_length_than_declared(uploads: Any, declared: int) -> None:
    with pytest.raises(UploadIncomplete, match=f"the body ended after 2 of {declared} bytes"):
        await uploads.receive_octets(Client(b"ab", b""), expected=declared)


async def test_body_declared_too_large_is_not_read(uploads: Any) -> None:
    client = Client(b"x")
    with pytest.raises(UploadTooLarge, match="raise \\[limits\\] max_upload_bytes"):
        await uploads.receive_octets(client, expected=4 * len(MIB) + 1)
    assert not client.pieces.empty()


async def test_body_that_grows_too_large_is_not_read_to_its_end(receive: Any) -> None:
    client = Client(*[MIB] * 9)
    with pytest.raises(UploadTooLarge):
        await receive(client)
    assert not client.pieces.empty()


@pytest.mark.parametrize("fail_on", [1, 2, "publish"])
async def test_disk_full(blobs: Any, fail_on: int | str) -> None:
    uploads = Uploads(FaultyBlobs(blobs, fail_on))  # type: ignore[arg-type]
    with pytest.raises(DiskFull, match="not enough disk space: 5 bytes free, 10 must stay free"):
        await uploads.receive_octets(Client(MIB, MIB, b""), publish=True)
    await uploads.close()


async def test_disk_full_from_the_start(tmp_path: Path) -> None:
    uploads = Uploads(await asyncio.to_thread(LocalBlobs, tmp_path, 1 << 62))
    with pytest.raises(DiskFull):
        await uploads.receive_octets(Client(b"x", b""))
    await uploads.close()


async def test_disk_broken(blobs: Any) -> None:
    uploads = Uploads(FaultyBlobs(blobs, 2, OSError(errno.EIO, "Input/output error")))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Input/output error"):
        await uploads.receive_octets(Client(MIB, MIB, MIB, b""))
    await uploads.close()


async def test_upload_that_nobody_settles_is_discarded(receive: Any, blobs: Any) -> None:
    async with await receive(Client(b"abc", b"\r\n--b--", b""), publish=True):
        assert await asyncio.to_thread(lambda: len(list(blobs.digests()))) == 1


async def test_settled_upload_stays(blobs: Any) -> None:
    uploads = Uploads(blobs)
    async with await uploads.receive_octets(Client(b"abc", b"")) as upload:
        assert await upload.publish() == digest_of(b"abc")
        await upload.settle()
    await uploads.close()
    assert await asyncio.to_thread(lambda: list(blobs.digests())) == [digest_of(b"abc")]


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + 7])
async def test_any_size_arrives_whole(blobs: Any, size: Any) -> None:
    uploads = Uploads(blobs)
    data = os.urandom(size)
    pieces = [data[at : at + 200_000] for at in range(0, size, 200_000)]
    async with await uploads.receive_octets(Client(*pieces, b""), expected=size, publish=True) as upload:
        assert (upload.digest, upload.size) == (digest_of(data), size)
        await asyncio.to_thread(blobs.verify, upload.digest)
    async with await uploads.receive_form(Client(FORM_START, *pieces, b"\r\n--b--", b""), TYPE, publish=True) as form:
        assert (form.file().digest, form.file().size) == (digest_of(data), size)
    await uploads.close()
    gc.collect()  # a future whose error was never read would warn now
