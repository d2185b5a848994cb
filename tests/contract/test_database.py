"""The contract of a Catalog (storage/catalog/base.py): one test for each sentence, and one for each disaster."""

import asyncio
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from storage.catalog.base import Catalog
from storage.errors import DatabaseFailed, StorageError, StorageFull
from tests.support.backends import CATALOGS

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=CATALOGS)
def open_catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Catalog]:
    return lambda: CATALOGS[request.param](tmp_path)


@pytest.fixture
async def catalog(open_catalog: Callable[[], Catalog]) -> AsyncIterator[Catalog]:
    opened = await asyncio.to_thread(open_catalog)
    await opened.write(lambda c: c.exec_driver_sql("CREATE TABLE notes (text TEXT PRIMARY KEY)"))
    yield opened
    await opened.close()


@pytest.fixture
async def other(catalog: Catalog, open_catalog: Callable[[], Catalog]) -> AsyncIterator[Catalog]:
    """The same database as another process has it."""
    opened = await asyncio.to_thread(open_catalog)
    yield opened
    await opened.close()


def add(text: str) -> Callable[[Connection], str]:
    def operation(connection: Connection) -> str:
        connection.exec_driver_sql("INSERT INTO notes VALUES (?)", (text,))
        return text

    return operation


def add_then_raise(text: str, error: BaseException) -> Callable[[Connection], None]:
    def operation(connection: Connection) -> None:
        add(text)(connection)
        raise error

    return operation


def notes(connection: Connection) -> list[str]:
    return list(connection.exec_driver_sql("SELECT text FROM notes ORDER BY text").scalars())


@contextmanager
def writer_held(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    """Keeps the writer busy, so that what is asked for meanwhile waits together."""
    started, go = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        started.set()
        go.wait(10)

    task = asyncio.ensure_future(catalog.write(hold))
    yield task, started
    go.set()


async def test_write_returns_the_result_once_the_commit_is_durable(catalog: Catalog, other: Catalog) -> None:
    assert await catalog.write(add("a")) == "a"
    assert await other.read(notes) == ["a"]


async def test_a_function_that_raises_keeps_nothing_and_only_its_caller_notices(catalog: Catalog) -> None:
    writes = [
        catalog.write(add(str(n)) if n % 3 else add_then_raise(str(n), ValueError(f"no {n}"))) for n in range(1, 10)
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [str(r) for r in results] == ["1", "2", "no 3", "4", "5", "no 6", "7", "8", "no 9"]
    assert await catalog.read(notes) == ["1", "2", "4", "5", "7", "8"]


async def test_a_broken_constraint_is_an_error_of_its_caller_alone(catalog: Catalog) -> None:
    results = await asyncio.gather(*(catalog.write(add(text)) for text in "aab"), return_exceptions=True)
    assert [type(r) for r in results] == [str, IntegrityError, str]


async def test_concurrent_writes_are_committed_in_groups(catalog: Catalog, other: Catalog) -> None:
    def add_and_look(text: str) -> Callable[[Connection], int]:
        def operation(connection: Connection) -> int:
            add(text)(connection)
            return len(other.read_now(notes))  # what is committed so far

        return operation

    with writer_held(catalog):
        writes = [asyncio.ensure_future(catalog.write(add_and_look(str(n)))) for n in range(100)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == [0] * 100
    assert len(await other.read(notes)) == 100


async def test_write_waits_for_another_process_that_writes(catalog: Catalog, other: Catalog) -> None:
    with writer_held(other) as (held, started):
        await asyncio.to_thread(started.wait, 10)
        waiting = asyncio.ensure_future(catalog.write(add("a")))
        await catalog.read(notes)
        assert not waiting.done()
    assert await waiting == "a"
    await held


def write_many(folder: Path, name: str, count: int) -> None:
    catalog = CATALOGS["sqlite"](folder)
    for n in range(count):
        catalog.write_now(add(f"{name} {n}"))
    catalog.close_now()


async def test_several_processes_write_and_read_and_none_finds_the_database_busy(
    catalog: Catalog, tmp_path: Path
) -> None:
    processes = [SPAWN.Process(target=write_many, args=(tmp_path, name, 100)) for name in "ab"]
    for process in processes:
        process.start()
    for n in range(100):
        await catalog.write(add(f"here {n}"))
        await catalog.read(notes)
    await asyncio.gather(*(asyncio.to_thread(process.join) for process in processes))
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(await catalog.read(notes)) == 300


def die_writing(folder: Path) -> None:
    def operation(connection: Connection) -> None:
        add("half")(connection)
        os._exit(9)

    CATALOGS["sqlite"](folder).write_now(operation)


async def test_a_process_that_dies_writing_leaves_nothing_and_holds_nobody_up(catalog: Catalog, tmp_path: Path) -> None:
    process = SPAWN.Process(target=die_writing, args=(tmp_path,))
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode == 9
    await catalog.write(add("whole"))
    assert await catalog.read(notes) == ["whole"]


async def test_read_runs_on_one_snapshot(catalog: Catalog, other: Catalog) -> None:
    def twice(connection: Connection) -> tuple[list[str], list[str]]:
        first = notes(connection)
        other.write_now(add("meanwhile"))
        return first, notes(connection)

    assert await asyncio.to_thread(catalog.read_now, twice) == ([], [])
    assert await catalog.read(notes) == ["meanwhile"]


@pytest.mark.parametrize("way", ["read", "read_now"])
async def test_read_cannot_write(catalog: Catalog, way: str) -> None:
    with pytest.raises(DatabaseFailed, match="readonly"):
        await (catalog.read(add("a")) if way == "read" else asyncio.to_thread(catalog.read_now, add("a")))
    assert await catalog.read(notes) == []


async def test_write_now_and_read_now_do_the_same(catalog: Catalog) -> None:
    assert await asyncio.to_thread(catalog.write_now, add("a")) == "a"
    with pytest.raises(ValueError, match="no"):
        await asyncio.to_thread(catalog.write_now, add_then_raise("b", ValueError("no")))
    assert await asyncio.to_thread(catalog.read_now, notes) == ["a"]


async def test_after_commit_acts_once_durable_and_is_dropped_when_the_function_fails(
    catalog: Catalog, other: Catalog
) -> None:
    seen: list[object] = []

    def good(connection: Connection) -> None:
        add("good")(connection)
        catalog.after_commit(connection, lambda: seen.append(other.read_now(notes)))

    def bad(connection: Connection) -> None:
        catalog.after_commit(connection, lambda: seen.append("bad"))
        raise ValueError

    await asyncio.gather(catalog.write(good), catalog.write(bad), return_exceptions=True)
    assert seen == [["good"]]


async def test_an_action_is_done_once_when_others_of_its_group_fail(catalog: Catalog) -> None:
    done: list[str] = []

    def add_and_tell(text: str) -> Callable[[Connection], str]:
        def operation(connection: Connection) -> str:
            catalog.after_commit(connection, lambda: done.append(text))
            return add(text)(connection)

        return operation

    with writer_held(catalog):
        writes = [
            catalog.write(add_and_tell("a")),
            catalog.write(add_then_raise("b", ValueError("no"))),
            catalog.write(add_and_tell("c")),
        ]
        waiting = [asyncio.ensure_future(write) for write in writes]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(result) for result in results] == ["a", "no", "c"]
    assert await catalog.read(notes) == ["a", "c"]
    assert done == ["a", "c"]


async def test_an_action_that_fails_after_the_commit_does_not_undo_it(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    def operation(connection: Connection) -> str:
        catalog.after_commit(connection, lambda: 1 // 0)  # type: ignore[arg-type]
        return add("a")(connection)

    assert await catalog.write(operation) == "a"
    assert "after a commit failed" in caplog.text


async def test_changes_is_exact_inside_a_function_and_does_not_count_ones_own(catalog: Catalog, other: Catalog) -> None:
    async def inside() -> int:
        return await catalog.write(lambda c: catalog.changes())

    before = await inside()
    await catalog.write(add("own"))
    assert await inside() == before
    await other.write(add("theirs"))
    assert await inside() == before + 1


async def test_changes_follows_other_processes(catalog: Catalog, other: Catalog) -> None:
    before = catalog.changes()
    await other.write(add("a"))
    async with asyncio.timeout(60):
        while catalog.changes() == before:
            await catalog.read(notes)


async def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_space(catalog: Catalog) -> None:
    def limit(pages: int) -> Callable[[Connection], object]:
        return lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()

    await catalog.write(add("before"))
    await catalog.write(limit(1))
    with pytest.raises(StorageFull):
        await catalog.write(add("x" * 1_000_000))
    await catalog.write(limit(1_000_000))
    await catalog.write(add("after"))
    assert await catalog.read(notes) == ["after", "before"]


async def test_a_lost_transaction_fails_its_whole_group_and_nobody_after_it(catalog: Catalog) -> None:
    def lose(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise sqlite3.OperationalError("lost")

    with writer_held(catalog):
        group = [asyncio.ensure_future(catalog.write(op)) for op in (add("a"), lose, add("b"))]
        await asyncio.sleep(0)
    results = await asyncio.gather(*group, return_exceptions=True)
    assert [type(r) for r in results] == [DatabaseFailed, sqlite3.OperationalError, DatabaseFailed]
    assert await catalog.write(add("c")) == "c"
    assert await catalog.read(notes) == ["c"]


async def test_a_caller_that_goes_away_harms_nobody(catalog: Catalog) -> None:
    with writer_held(catalog):
        gone, stays = (asyncio.ensure_future(catalog.write(add(text))) for text in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
    assert await stays == "stays"
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_read_cancelled_anywhere_leaves_the_next_one_well(catalog: Catalog) -> None:
    for steps in range(40):
        task = asyncio.ensure_future(catalog.read(notes))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await catalog.read(notes) == []
    await catalog.write(add("a"))
    assert await asyncio.gather(*(catalog.read(notes) for _ in range(8))) == [["a"]] * 8


async def test_close_finishes_what_waits_and_refuses_what_comes_after(catalog: Catalog, other: Catalog) -> None:
    with writer_held(other):
        writes = [asyncio.ensure_future(other.write(add(str(n)))) for n in range(5)]
        await asyncio.sleep(0)
    await other.close()
    assert await asyncio.gather(*writes) == ["0", "1", "2", "3", "4"]
    with pytest.raises(StorageError, match="closed"):
        await other.write(add("late"))
    assert len(await catalog.read(notes)) == 5
