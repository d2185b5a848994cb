"""A dispatcher whose queue fails it, one that is stopped before its worker is up, and what a dead one left behind."""

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.engine.clock import utc_now
from server.engine.engine import Engine, EngineConfig, build_engine
from server.engine.execution.dispatcher import Dispatcher, JobLimits
from server.engine.execution.worker import Worker, WorkerConfig, serve_orders
from server.engine.worker_process import lifecycle_of, main
from storage.errors import StorageError
from storage.opening import Storage, open_storage
from storage.queues.base import Job, JobQueue
from storage.records.base import Checkpoint, RecordStore

MODEL = {
    "name": "example:notes",
    "destinations": [
        {"name": "note", "table": "notes", "kind": "dictionary", "names": {"text": {"required": True}}},
    ],
}
CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "example:notes",
    "files": {"DEFAULT": {"read": "json-lines"}},
    "instructions": [
        {"action": "new", "destination": "note"},
        {"source": "text", "destination": "note", "name": "text"},
    ],
}
NOTES = b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n'
QUICK = JobLimits(chunk_records=1, lease_seconds=0.3, retry_seconds=0.1)
LONG = 25.0


class FaultyQueue:
    """Something happens at the first call of a method: before it, or once it has found what it was called for."""

    def __init__(
        self,
        inner: JobQueue,
        before: Mapping[str, Callable[[], None]],
        after_claim: Callable[[], None] | None = None,
    ) -> None:
        self._inner = inner
        self._after_claim = after_claim
        self.coming = dict(before)
        self.handed_out = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, *args: Any) -> Job | None:
        self._happen("claim")
        job = await self._inner.claim(*args)
        self.handed_out += job is not None
        if job is not None and self._after_claim is not None:
            self._after_claim()
        return job

    async def extend(self, *args: Any) -> bool:
        self._happen("extend")
        return await self._inner.extend(*args)

    async def release(self, *args: Any, **options: Any) -> bool:
        self._happen("release")
        return await self._inner.release(*args, **options)

    async def wait(self, seconds: float, owner: str | None = None) -> None:
        """Looks again soon: nothing rings when a lease ends."""
        await self._inner.wait(0.1, owner)

    def _happen(self, name: str) -> None:
        self.coming.pop(name, lambda: None)()


def disk_full() -> None:
    raise StorageError("the disk is full")


def kill_the_worker() -> None:
    for child in multiprocessing.active_children():
        child.kill()


@dataclass(frozen=True)
class House:
    storage: Storage
    engine: Engine
    job: str  # a scheduled import of three notes

    def dispatcher(self, queue: JobQueue | FaultyQueue, limits: JobLimits = QUICK) -> Dispatcher:
        storage = replace(self.storage, queue=queue)  # type: ignore[arg-type]
        return Dispatcher(
            storage,
            self.engine.definitions,
            limits,
            utc_now,
            worker=main,
            lifecycle=lifecycle_of(storage.queue),
            ended=self.engine.jobs.ended,
        )

    async def end(self) -> Job:
        async with asyncio.timeout(LONG):
            return await self.engine.jobs.wait(self.job)

    async def notes(self) -> list[object]:
        return await asyncio.to_thread(lambda: [row.values["text"] for row in self.storage.records.rows("notes")])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    imports = tmp_path / "imports"
    (imports / "models").mkdir(parents=True)
    (imports / "models" / "notes.json").write_text(json.dumps(MODEL))
    storage = await asyncio.to_thread(open_storage, tmp_path / "data")
    engine = build_engine(storage, EngineConfig(imports=imports))
    await asyncio.to_thread(engine.definitions.load)
    control = await engine.batches.add_control("test", json.dumps(CONTROL).encode(), "a control file")
    batch = await engine.batches.create("test", control=control, comment="a batch")
    await engine.batches.add_file(
        "test", batch.identifier, "notes", await engine.uploads.receive_octets(reading(NOTES))
    )
    job = await engine.batches.schedule("test", batch.identifier, "import")
    yield House(storage, engine, job.id)
    await engine.close()
    await storage.close()


def reading(content: bytes) -> Any:
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read


@pytest.mark.parametrize(
    ("before", "claims"),
    [
        ({"claim": disk_full}, 1),
        ({"extend": disk_full}, 2),
        ({"extend": kill_the_worker, "release": disk_full}, 2),
    ],
    ids=["claim", "extend", "release"],
)
async def test_a_queue_that_fails_once_ends_neither_slot_nor_job(
    house: House, before: Mapping[str, Callable[[], None]], claims: int
) -> None:
    queue = FaultyQueue(house.storage.queue, before)
    dispatcher = house.dispatcher(queue)
    with structlog.testing.capture_logs():  # a printed traceback reads source files, on the loop
        dispatcher.start()
        try:
            job = await house.end()
        finally:
            await dispatcher.stop()
    assert queue.coming == {}, "what was to happen never did"
    assert (job.state, job.counts.read, job.counts.created, queue.handed_out) == ("done", 3, 3, claims)
    assert await house.notes() == ["one", "two", "three"]


@pytest.mark.parametrize("when", ["before a job is claimed", "before the claimed job is handed on"])
async def test_a_stop_while_the_worker_starts_is_heard_by_it(house: House, when: str) -> None:
    """The process has not even read its order then; it stops before the first record; the attempt is not counted."""
    stopping: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    def stop() -> None:
        stopping.put_nowait(asyncio.create_task(dispatcher.stop(LONG)))

    early = when == "before a job is claimed"
    queue = FaultyQueue(house.storage.queue, {"claim": stop} if early else {}, None if early else stop)
    dispatcher = house.dispatcher(queue, replace(QUICK, lease_seconds=LONG))
    dispatcher.start()
    async with asyncio.timeout(LONG):
        await (await stopping.get())
    left = await house.engine.jobs.get(house.job)
    assert (left.state, left.attempts, left.counts.read) == ("queued", 0, 0)

    successor = house.dispatcher(house.storage.queue)
    successor.start()
    try:
        job = await house.end()
    finally:
        await successor.stop()
    assert (job.state, job.attempts, job.counts.created) == ("done", 1, 3)
    assert await house.notes() == ["one", "two", "three"]


@pytest.mark.parametrize("moment", ["before it has begun", "once it has begun"])
async def test_only_a_worker_that_has_begun_speaks_against_the_job_by_its_end(house: House, moment: str) -> None:
    """Killed while it starts, it has not even read its order."""
    worker = Worker(WorkerConfig(house.storage.data_dir), _begins if moment == "once it has begun" else _dies_early)
    dispatcher = house.dispatcher(house.storage.queue)
    job = await house.storage.queue.claim("a slot", utc_now(), LONG)
    assert job is not None
    result = await dispatcher._result(worker, job, "a slot")
    assert result.kind == ("retry" if moment == "once it has begun" else "later")
    assert result.message == "the worker process was ended by signal SIGKILL"


def _dies_early(connection: Connection, config: WorkerConfig) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _begins(connection: Connection, config: WorkerConfig) -> None:
    serve_orders(connection, config, lambda order, signals: os.kill(os.getpid(), signal.SIGKILL))  # type: ignore[arg-type, return-value]


async def test_a_start_forgets_the_checkpoints_of_ended_jobs_and_of_no_others(house: House) -> None:
    records = house.storage.records
    await asyncio.to_thread(leave_a_checkpoint, records, house.job)
    await house.engine.operations.recovery.run()
    assert await asyncio.to_thread(records.begun) == [house.job], "the job has yet to go on from there"
    await house.engine.jobs.cancel(house.job)
    await house.engine.operations.recovery.run()
    assert await asyncio.to_thread(records.begun) == []


async def test_a_full_disk_at_the_start_leaves_checkpoints_where_they_are(house: House) -> None:
    await asyncio.to_thread(leave_a_checkpoint, house.storage.records, house.job)
    await house.engine.jobs.cancel(house.job)
    full = replace(house.storage, records=FullRecords(house.storage.records))
    starting = build_engine(full, EngineConfig(imports=house.storage.data_dir))
    with structlog.testing.capture_logs() as logged:
        await starting.operations.recovery.run()
    await starting.close()
    assert [line["reason"] for line in logged] == ["the disk is full"]
    assert await asyncio.to_thread(house.storage.records.begun) == [house.job]


def leave_a_checkpoint(records: RecordStore, job: str) -> None:
    session = records.session(job, ())
    with session.chunk(Checkpoint(position={"number": 1})):
        pass
    session.close()


class FullRecords:
    """Reads go through."""

    def __init__(self, inner: RecordStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def forget(self, job: str) -> None:
        disk_full()
