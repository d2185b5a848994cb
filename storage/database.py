"""One SQLite file, opened by as many processes as like: durable group-committed writes, consistent reads.

Our own writers take turns through a file lock; readers never wait (WAL). Another program may hold the file for
longer than `busy_seconds`: then a write or a read raises StorageBusy, and nothing of it is kept.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite
import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.errors import DatabaseFailed, StorageError
from storage.locking import FileLock
from storage.translating import told, translate
from storage.writer import GroupWriter, Operation

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30.0  # how long a program that does not take our lock is waited for
_ACTIONS = "after commit"  # in Connection.info: what the running operation wants done once it is durable


class Database:
    """Implements `storage.catalog.base.Catalog`; the contract is there."""

    def __init__(self, path: Path, *, readers: int = 4, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        with told(path):
            self.lock = FileLock(path.with_name(path.name + ".lock"))
        self._writing = _engine(path, busy_seconds, "PRAGMA synchronous=FULL")
        self._reading = _engine(path, busy_seconds, "PRAGMA query_only=ON")
        self._reading_async = _async_engine(path, busy_seconds, readers)
        try:
            with told(path):
                self._writer = self._begin()
        except BaseException:
            self._dispose()
            raise

    def _begin(self) -> GroupWriter:
        with self.lock, self._writing.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        return GroupWriter(self.path.name, self._session())

    async def write(self, run: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._writer.write(lambda connection: run(connection, *args, **kwargs))

    async def read(self, run: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        with told(self.path):
            return await self._read(lambda connection: run(connection, *args, **kwargs))

    def write_now(self, run: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        single = Operation(lambda connection: run(connection, *args, **kwargs))
        with told(self.path):
            session = self._session()
        try:
            session.transaction([single])
        finally:
            session.close()
        if single.error is not None:
            raise single.error
        result: T = single.result
        return result

    def read_now(self, run: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        with told(self.path), self._reading.connect() as connection:
            return _snapshot(connection, lambda connection: run(connection, *args, **kwargs))

    def after_commit(self, connection: Connection, action: Callable[[], None]) -> None:
        connection.info[_ACTIONS].append(action)

    def changes(self) -> int:
        return self._writer.watch()

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.close)
        await self._reading_async.dispose()
        await asyncio.to_thread(self._dispose)

    def close_now(self) -> None:
        """Closes the database in a synchronous program; after asynchronous reads use `close`."""
        self._writer.close()
        self._dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        async with self._reading_async.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, aiosqlite.Connection)
            try:
                await driver.execute("BEGIN")  # straight to the driver: one hop to its thread instead of three
                return await connection.run_sync(query)
            finally:
                await driver.rollback()  # after a cancel too: the thread takes its calls in order

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()
        self.lock.close()

    def _session(self) -> "_Session":
        return _Session(self.path, self._writing, self.lock)


class _Session:
    """A connection that writes groups. Statements that frame them go straight to the driver: they are the hot path."""

    def __init__(self, path: Path, engine: Engine, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        self._connection = engine.connect()
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver
        self._version = 0
        self.changes = 0

    def transaction(self, operations: Sequence[Operation]) -> None:
        actions: list[Callable[[], None]] = []
        try:
            with self._lock:
                self._begin()
                if not self._all_succeed(operations, actions):
                    self._begin()
                    for operation in operations:
                        actions += self._attempt(operation)
                self._driver.execute("COMMIT")
        except BaseException as error:
            self._abandon(operations, error)
        else:
            _perform(actions)

    def _begin(self) -> None:
        self._driver.rollback()  # what a failure, or a full disk, has left
        self._driver.execute("BEGIN IMMEDIATE")
        self.look()

    def _all_succeed(self, operations: Sequence[Operation], actions: list[Callable[[], None]]) -> bool:
        """Runs all operations without savepoints, the usual case. If one fails, the caller runs each again alone."""
        self._connection.info[_ACTIONS] = actions
        try:
            for operation in operations:
                operation.result = operation.run(self._connection)
        except BaseException:
            actions.clear()
            return False
        return True

    def look(self) -> None:
        with suppress(sqlite3.Error):  # the next write will report the error
            version = self._driver.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._version = version
                self.changes += 1

    def close(self) -> None:
        self._connection.close()

    def _attempt(self, operation: Operation) -> list[Callable[[], None]]:
        """Runs one operation. Its failure is its own; the loss of the whole transaction fails every operation."""
        actions: list[Callable[[], None]] = []
        self._connection.info[_ACTIONS] = actions
        self._driver.execute("SAVEPOINT operation")
        try:
            operation.result = operation.run(self._connection)
        except BaseException as error:
            operation.error = translate(self._path, error)
            if not self._driver.in_transaction:  # SQLite undoes it all when the disk is full
                raise
            self._driver.execute("ROLLBACK TO operation")
            actions = []
        self._driver.execute("RELEASE operation")
        return actions

    def _abandon(self, operations: Sequence[Operation], error: BaseException) -> None:
        with suppress(sqlite3.Error):
            self._driver.rollback()
        reason = translate(self._path, error)
        if not isinstance(reason, StorageError):
            reason = DatabaseFailed(str(self._path), f"a group of writes was undone: {error}")
        for operation in operations:
            if operation.error is None:
                operation.error = reason


def _perform(actions: Sequence[Callable[[], None]]) -> None:
    for action in actions:
        try:
            action()
        except Exception:  # what was written stays written, and its callers must hear so
            logging.getLogger(__name__).exception("an action after a commit failed")


def _snapshot(connection: Connection, query: Callable[[Connection], T]) -> T:
    connection.exec_driver_sql("BEGIN")
    try:
        return query(connection)
    finally:
        connection.exec_driver_sql("ROLLBACK")


def _engine(path: Path, busy_seconds: float, *pragmas: str) -> Engine:
    # autocommit: SQLAlchemy leaves transactions alone, we frame them
    engine = create_engine(f"sqlite:///{path}", **_options(busy_seconds), pool_size=4, max_overflow=-1)
    _on_connect(engine, pragmas)
    return engine


def _async_engine(path: Path, busy_seconds: float, readers: int) -> AsyncEngine:
    options = _options(busy_seconds) | {"pool_size": readers, "max_overflow": 0, "pool_timeout": busy_seconds}
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", **options)
    _on_connect(engine.sync_engine, ("PRAGMA query_only=ON",))
    return engine


def _options(busy_seconds: float) -> dict[str, Any]:
    return {
        "isolation_level": "AUTOCOMMIT",
        "pool_reset_on_return": None,
        "connect_args": {"timeout": busy_seconds, "check_same_thread": False, "cached_statements": 512},
        "json_serializer": _to_json,
        "json_deserializer": orjson.loads,
    }


def _on_connect(engine: Engine, pragmas: Sequence[str]) -> None:
    def prepare(connection: Any, record: Any) -> None:
        for pragma in ("PRAGMA foreign_keys=ON", *pragmas):
            connection.execute(pragma)

    event.listen(engine, "connect", prepare)


def _to_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
