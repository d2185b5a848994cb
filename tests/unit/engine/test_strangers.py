"""A catalog that is gone, or older than the records beside it: fsck tells, and so does the start of a server."""

import asyncio
from pathlib import Path

import structlog

from server.engine.clock import utc_now
from server.engine.engine import EngineConfig, build_engine
from server.engine.operations.fsck import check
from storage.opening import Storage, open_storage
from storage.queues.base import NewJob
from storage.records.base import Checkpoint, Column, Table

TABLE = Table("notes", (Column("text", "text"),))


def write(storage: Storage, *texts: str) -> str:
    """Rows of one job that the catalog knows; its id."""
    job = storage.catalog.write_now(storage.queue.put, NewJob("import", "import"), utc_now()).id
    storage.records.ensure([TABLE])
    session = storage.records.session(job, [TABLE])
    with session.chunk(Checkpoint()) as chunk:
        for number, text in enumerate(texts):
            chunk.insert("notes", chunk.reserve("notes"), {"text": text}, number)
    session.close()
    storage.records.forget(job)
    return job


def lose_the_catalog(data_dir: Path) -> None:
    for path in data_dir.glob("catalog.db*"):
        path.unlink()


def test_fsck_names_rows_of_jobs_that_nobody_knows(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    job = write(storage, "one", "two")
    assert list(check(storage, [TABLE], deep=False)) == []
    storage.close_now()
    lose_the_catalog(tmp_path)
    storage = open_storage(tmp_path)
    known = write(storage, "three")
    findings = list(check(storage, [TABLE], deep=False))
    assert [finding.damage for finding in findings] == [True]
    assert findings[0].message.startswith(f"notes: 2 rows were written by job {job}, which catalog.db does not know")
    assert known not in findings[0].message
    storage.close_now()


async def test_a_start_says_so(tmp_path: Path) -> None:
    first = await asyncio.to_thread(open_storage, tmp_path)
    await asyncio.to_thread(write, first, "one")
    assert await said_at_start(first, tmp_path) == []
    await first.close()
    lose_the_catalog(tmp_path)
    second = await asyncio.to_thread(open_storage, tmp_path)
    assert await said_at_start(second, tmp_path) == ["rows of an unknown job"]
    await second.close()


async def said_at_start(storage: Storage, folder: Path) -> list[str]:
    engine = build_engine(storage, EngineConfig(imports=folder / "imports"))
    with structlog.testing.capture_logs() as lines:
        await engine.operations.recovery.run()
    await engine.close()
    return [line["event"] for line in lines if line["log_level"] == "error"]
