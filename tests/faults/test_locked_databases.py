"""Databases that another program holds for longer than we wait: everything says "later", nothing is lost or doubled."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.engine.batches.log_text import log_text
from server.engine.clock import utc_now
from server.engine.engine import Engine, EngineConfig, build_engine
from server.engine.execution.dispatcher import Dispatcher, JobLimits
from server.engine.execution.job_runner import LazyJobRunner
from server.engine.execution.worker import JobOrder, JobSignals, WorkerResult, WorkerSilent
from server.engine.worker_process import job_runner, lifecycle_of, main
from server.mapping.model.model import parse_model
from storage.database import Database
from storage.errors import DatabaseBusy, DatabaseFailed, StatementRefused, StorageBusy
from storage.opening import Patience, Storage, open_storage
from storage.queues import jobs
from storage.queues.base import Job
from storage.records.base import Checkpoint, Column, Table
from storage.records.sqlite import SqliteRecords

NOW = datetime(2025, 3, 1, tzinfo=UTC)
IMPATIENT = Patience(catalog=0.05, records=0.05)
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
MODEL = {
    "name": "example:notes",
    "destinations": [{"name": "note", "table": "notes", "kind": "dictionary", "names": {"text": {}}}],
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
NOTES = b"".join(b'{"text": "%d"}\n' % number for number in range(10))
TABLE = Table("notes", (Column("text", "text"),))


@contextmanager
def held(database: Path) -> Iterator[None]:
    """By a program that knows nothing of our locks, such as a shell or a tool that copies."""
    command = [sys.executable, "-c", HOLDER, str(database)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()


class House:
    def __init__(self, storage: Storage, engine: Engine, job: str) -> None:
        self.storage = storage
        self.engine = engine
        self.job = job

    def claim(self) -> None:
        claimed = self.storage.catalog.write_now(jobs.claim, "a worker", NOW, 30)
        assert claimed is not None
        assert claimed.id == self.job

    def perform(self, performer: Any, heartbeat: Any = lambda read: None) -> WorkerResult:
        order = JobOrder(self.job, "a worker", {"example:notes": parse_model(MODEL, "notes.json")}, 2)
        result: WorkerResult = performer(order, JobSignals(threading.Event(), heartbeat))
        return result

    def found(self) -> Job:
        job = self.storage.catalog.read_now(jobs.get, self.job)
        assert job is not None
        return job

    def notes(self) -> list[object]:
        return [row.values["text"] for row in self.storage.records.rows("notes")]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    imports = tmp_path / "imports"
    (imports / "models").mkdir(parents=True)
    (imports / "models" / "notes.json").write_text(json.dumps(MODEL))
    storage = await asyncio.to_thread(open_storage, tmp_path / "data", patience=IMPATIENT)
    engine = build_engine(storage, EngineConfig(imports=imports))
    await asyncio.to_thread(engine.definitions.load)
    control = await engine.batches.add_control("test", json.dumps(CONTROL).encode(), "a control file")
    batch = await engine.batches.create("test", control=control, comment="a batch")
    upload = await engine.uploads.receive_octets(reading(NOTES))
    await engine.batches.add_file("test", batch.identifier, "notes", upload)
    job = await engine.batches.schedule("test", batch.identifier, "import")
    yield House(storage, engine, job.id)
    await engine.close()
    await storage.close()


def reading(content: bytes) -> Any:
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read


async def test_a_write_that_meets_a_lock_is_undone_and_may_come_again(house: House) -> None:
    first = (await house.engine.batches.list())[0]

    def begin() -> Any:
        return house.engine.batches.create("test", comment="another", control=first.control)

    with held(house.storage.data_dir / "catalog.db"):
        with pytest.raises(StorageBusy, match="try again later") as refused:
            await begin()
        assert refused.value.retry_after > 0
        assert len(await house.engine.jobs.list()) == 1, "reading waits for no writer"
    assert (await begin()).comment == "another"


RECORDS = {
    "a chunk": lambda records: commit(records),
    "a session": lambda records: records.session("job", [TABLE]),
    "tables": lambda records: records.ensure([Table("others", (Column("text", "text"),))]),
    "the end of a job": lambda records: records.forget("job"),
}


def commit(records: SqliteRecords) -> None:
    session = records.session("job", [TABLE])
    with session.chunk(Checkpoint()) as chunk:
        chunk.insert("notes", chunk.reserve("notes"), {"text": "one"}, 0)
    session.close()


@pytest.mark.parametrize("what", RECORDS)
def test_every_way_of_writing_records_tells_a_lock_from_a_fault(tmp_path: Path, what: str) -> None:
    path = tmp_path / "records.db"
    records = SqliteRecords(path, busy_seconds=0.05)
    records.ensure([TABLE])
    with held(path), pytest.raises(DatabaseBusy, match=r"records\.db is in use"):
        RECORDS[what](records)  # type: ignore[no-untyped-call]
    session = RECORDS[what](records)  # type: ignore[no-untyped-call]
    if session is not None:
        session.close()
    records.close()


def test_opening_what_is_there_waits_for_no_writer(tmp_path: Path) -> None:
    open_storage(tmp_path).close_now()
    with held(tmp_path / "records.db"), held(tmp_path / "catalog.db"):
        open_storage(tmp_path, patience=IMPATIENT).close_now()


def test_a_statement_that_can_never_work_is_no_lock(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db")
    many = Table("wide", tuple(Column(f"c{number}", "text") for number in range(2001)))
    with pytest.raises(StatementRefused, match="too many columns"):
        records.ensure([many])
    records.close()


@pytest.mark.parametrize("database", ["records.db", "catalog.db"])
@pytest.mark.parametrize("after", [0, 2, 3])
async def test_an_import_that_meets_a_lock_goes_on_where_it_was(house: House, database: str, after: int) -> None:
    """`after` so many chunks; each row is there once in the end."""
    await asyncio.to_thread(goes_on, house, database, after)


def goes_on(house: House, database: str, after: int) -> None:
    house.claim()
    lock = held(house.storage.data_dir / database)
    performer = job_runner(locking(house.storage, lock, after), lambda: NOW)
    result = house.perform(performer)
    assert result.kind == "later"
    assert database in result.message
    assert house.found().state == "running"
    lock.__exit__(None, None, None)
    assert house.perform(job_runner(house.storage, lambda: NOW)).kind == "done"
    job = house.found()
    assert (job.state, job.attempts, job.counts.read, job.counts.created) == ("done", 1, 10, 10)
    assert house.notes() == [str(number) for number in range(10)]


def locking(storage: Storage, lock: Any, after: int) -> Storage:
    """The storage, whose records are locked once `after` chunks are committed."""
    return replace(storage, records=_Records(storage.records, lock, after))


class _Records:
    def __init__(self, inner: Any, lock: Any, after: int) -> None:
        self._inner = inner
        self._lock = lock
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def session(self, job: str, tables: Sequence[Table], *, dry_run: bool = False) -> Any:
        session = self._inner.session(job, tables, dry_run=dry_run)
        begin = session.chunk

        def chunk(checkpoint: Checkpoint) -> Any:
            if self._after == 0:
                self._lock.__enter__()
            self._after -= 1
            return begin(checkpoint)

        session.chunk = chunk
        return session


async def test_a_worker_that_cannot_open_the_storage_blames_no_job(house: House) -> None:
    def locked() -> Storage:
        raise DatabaseBusy("records.db", "database is locked")

    runner = LazyJobRunner(locked)  # type: ignore[arg-type]
    runner.try_early()
    assert house.perform(runner).kind == "later"


async def test_what_is_put_off_uses_up_no_attempts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times in vain, with one attempt; then it is done."""
    results = [WorkerResult("later", "records.db is in use")] * 5
    real = Dispatcher._result

    async def result(self: Dispatcher, *arguments: Any) -> WorkerResult:
        return results.pop() if results else await real(self, *arguments)

    monkeypatch.setattr(Dispatcher, "_result", result)
    monkeypatch.setattr("server.engine.execution.dispatcher._MOST_DOUBLINGS", 0)
    monkeypatch.setattr(house.storage.queue, "wait", partial(hardly_wait, house.storage.queue.wait))
    job = await ended(house, JobLimits(retry_seconds=0.01, attempts=1))
    assert results == []
    assert (job.state, job.attempts, job.counts.created) == ("done", 1, 10)


async def hardly_wait(wait: Callable[[float, str], Awaitable[None]], seconds: float, owner: str) -> None:
    """Looks at the queue again at once: a job that was put off rings no bell when it is due."""
    await wait(seconds / 200, owner)


async def test_an_import_that_was_ended_for_silence_is_not_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []

    async def watch(self: Dispatcher, *arguments: Any) -> WorkerResult:
        orders.append(arguments)
        raise WorkerSilent(300.0)

    monkeypatch.setattr(Dispatcher, "_watch", watch)
    job = await ended(house, JobLimits())
    log = [log_text(line) for line in await house.engine.jobs.log(house.job)]
    assert (job.state, len(orders)) == ("failed", 1)
    assert "no sign of life for 300 seconds ([jobs] stall_seconds)" in str(job.error)
    assert log[-2] == f"EXCEPTION: Error during import: {job.error}"
    assert (await house.engine.batches.list())[0].state == "error"


async def ended(house: House, limits: JobLimits) -> Job:
    dispatcher = Dispatcher(
        house.storage,
        house.engine.definitions,
        limits,
        utc_now,
        worker=main,
        lifecycle=lifecycle_of(house.storage.queue),
        ended=house.engine.jobs.ended,
    )
    dispatcher.start()
    try:
        async with asyncio.timeout(50):
            return await house.engine.jobs.wait(house.job)
    finally:
        await dispatcher.stop()


async def test_readers_that_are_all_at_work_are_a_wait_and_no_fault(tmp_path: Path) -> None:
    database = await asyncio.to_thread(lambda: Database(tmp_path / "one.db", readers=1, busy_seconds=0.05))
    async with database._reading_async.connect():
        with pytest.raises(StorageBusy, match="all its readers are at work"):
            await database.read(lambda connection: None)
    await database.read(lambda connection: None)
    await database.close()


def test_damage_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database at all, but longer than a header" * 100)
    with pytest.raises(DatabaseFailed, match="cannot be used"):
        open_storage(tmp_path)
