"""Records in one SQLite file (WAL, every commit synced), written by several processes in turn."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from storage.errors import RowRefused, StatementRefused, StorageError, Superseded
from storage.locking import FileLock
from storage.records import statements as sql
from storage.records.base import SYSTEM_COLUMNS, Checkpoint, Origin, Row, Scalar, Table
from storage.records.chunks import DryChunk, SqliteChunk
from storage.translating import told, translate

_DRY_IDS = 1 << 40  # a dry run's new rows: far from any id that a real import may give out meanwhile
_PAGE = 1000
_WRITER = "_job"
BUSY_SECONDS = 60.0  # how long a program that does not take our lock is waited for

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqliteRecords:
    """The record store on `path`; `clock` stamps the rows.

    A database that another program holds for longer than `busy_seconds` raises StorageBusy, from any method.
    """

    def __init__(self, path: Path, clock: Clock = _utc_now, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._clock = clock
        self._busy_seconds = busy_seconds
        with told(path):
            self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._connection = _connect(path, busy_seconds)
        if not self._is_prepared():  # else opening would wait for a writer
            with _transaction(self._connection, self._lock):
                self._prepare()

    def _is_prepared(self) -> bool:
        views = map(self._kind_of, map(sql.view_of, self.tables()))
        return all((self._kind_of("_checkpoints"), self._kind_of("_sources"), *views))

    def _prepare(self) -> None:
        self._connection.execute(sql.CHECKPOINTS)
        self._connection.execute(sql.SOURCES)
        for table in self.tables():  # of earlier versions
            self._add_view(table)

    def ensure(self, tables: Sequence[Table]) -> None:
        if all(self._has(table) for table in tables):
            return
        with _transaction(self._connection, self._lock):
            for table in tables:
                self._grow(table)

    def session(self, job: str, tables: Sequence[Table], *, dry_run: bool = False) -> "RealSession | DrySession":
        if dry_run:
            return DrySession(self._path, job, tables, self._clock, self._busy_seconds)
        return RealSession(_connect(self._path, self._busy_seconds), self._lock, job, tables, self._clock)

    def tables(self) -> list[str]:
        found = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB 'sqlite_*' "
            "ORDER BY name"
        )
        return [name for (name,) in found]

    def columns(self, table: str) -> list[str]:
        return list(_kinds(self._connection, "main", table))

    def count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {sql.quoted(table)}").fetchone()[0])

    def rows(self, table: str, *, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        """Yields rows, read in pages: a long read would keep SQLite from emptying the write-ahead log."""
        names = self.columns(table)[1:]
        while limit is None or limit > 0:
            page = _PAGE if limit is None else min(limit, _PAGE)
            statement = f"SELECT * FROM {sql.quoted(table)} WHERE id > ? ORDER BY id LIMIT ?"
            found = self._connection.execute(statement, (after, page)).fetchall()
            for row in found:
                yield Row(row[0], dict(zip(names, row[1:], strict=True)))
            if len(found) < page:
                return
            after = found[-1][0]
            limit = None if limit is None else limit - page

    def select(
        self,
        table: str,
        where: Mapping[str, Scalar],
        *,
        filled: Sequence[str] = (),
        order: Sequence[str] = (),
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> list[Row]:
        names = self.columns(table)[1:]
        if not names:
            return []
        statement = sql.select_page(table, tuple(where), tuple(filled), tuple(order), descending)
        found = self._connection.execute(statement, (*where.values(), limit, offset)).fetchall()
        return [Row(row[0], dict(zip(names, row[1:], strict=True))) for row in found]

    def matching(self, table: str, where: Mapping[str, Scalar], *, filled: Sequence[str] = ()) -> int:
        if not self.columns(table):
            return 0
        statement = sql.count_matching(table, tuple(where), tuple(filled))
        return int(self._connection.execute(statement, tuple(where.values())).fetchone()[0])

    def page(
        self,
        table: str,
        where: Mapping[str, Scalar],
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        names = self.columns(table)[1:]
        if not names:
            return []
        statement = sql.select_window(table, tuple(where), before is not None)
        edge = after if before is None else before
        found = self._connection.execute(statement, (*where.values(), edge, limit)).fetchall()
        rows = [Row(row[0], dict(zip(names, row[1:], strict=True))) for row in found]
        return rows if before is None else rows[::-1]

    def indexes(self, table: str) -> list[tuple[str, ...]]:
        listed = (self._connection.execute(f"PRAGMA index_info({sql.quoted(i)})") for i in sorted(self._indexes(table)))
        return list(dict.fromkeys(tuple(row[2] for row in columns) for columns in listed))

    def writers(self, table: str) -> dict[str, int]:
        if _WRITER not in self.columns(table):
            return {}
        statement = f"SELECT {_WRITER}, count(*) FROM {sql.quoted(table)} GROUP BY {_WRITER}"
        return {str(job): number for job, number in self._connection.execute(statement)}

    def last_writer(self, table: str) -> str | None:
        if _WRITER not in self.columns(table):
            return None
        statement = f"SELECT {_WRITER} FROM {sql.quoted(table)} ORDER BY id DESC LIMIT 1"
        row = self._connection.execute(statement).fetchone()
        return None if row is None else str(row[0])

    def begun(self) -> list[str]:
        return [job for (job,) in self._connection.execute("SELECT job FROM _checkpoints ORDER BY job")]

    def forget(self, job: str) -> None:
        with _transaction(self._connection, self._lock):
            self._connection.execute("DELETE FROM _checkpoints WHERE job = ?", (job,))

    def verify(self, tables: Sequence[Table] = ()) -> Iterator[str]:
        for (finding,) in self._connection.execute("PRAGMA integrity_check"):
            if finding != "ok":
                yield f"{self._path.name}: {finding}"
        present = set(self.tables())
        for table in tables:
            for column, target in table.references:
                if {table.name, target} <= present and column in self.columns(table.name):
                    yield from self._dangling(table.name, column, target)

    def close(self) -> None:
        self._connection.close()
        self._lock.close()

    def _add_view(self, table: str) -> None:
        """Creates the view of a table, unless its name is in use."""
        if not self._kind_of(sql.view_of(table)):
            self._connection.execute(sql.create_view(table))

    def _kind_of(self, name: str) -> str:
        """Returns "table", "view" or "index"; "" where nothing has this name."""
        query = "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view', 'index')"
        found = self._connection.execute(query, (name,)).fetchone()
        return str(found[0]) if found else ""

    def _has(self, table: Table) -> bool:
        if self._kind_of(table.name) != "table":
            return False
        kinds = _kinds(self._connection, "main", table.name)
        wanted = {_index_name(statement) for statement in sql.create_indexes(table)}
        return all(column.name in kinds for column in table.columns) and wanted <= self._indexes(table.name)

    def _indexes(self, table: str) -> set[str]:
        return {row[1] for row in self._connection.execute(f"PRAGMA index_list({sql.quoted(table)})")}

    def _grow(self, table: Table) -> None:
        if self._kind_of(table.name) == "view":  # ours, of a table with nearly this name
            self._connection.execute(f"DROP VIEW {sql.quoted(table.name)}")
        kinds = _kinds(self._connection, "main", table.name)
        if not kinds:
            self._connection.execute(sql.create(table))
            self._add_view(table.name)
        else:
            for column in table.columns:
                if column.name not in kinds:
                    self._connection.execute(sql.add_column(table, column))
        for statement in sql.create_indexes(table):
            self._index(table.name, statement)

    def _index(self, table: str, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except sqlite3.IntegrityError as error:
            raise RowRefused(
                table, f"rows already stored have the same key, so it cannot become unique: {error}"
            ) from error

    def _dangling(self, table: str, column: str, target: str) -> Iterator[str]:
        source, name, rows = sql.quoted(table), sql.quoted(column), sql.quoted(target)
        ids = (
            f"CASE WHEN typeof(t.{name}) = 'text' AND json_valid(t.{name}) THEN t.{name} ELSE json_array(t.{name}) END"
        )
        statement = (
            f"SELECT t.id, e.value FROM {source} AS t, json_each({ids}) AS e WHERE t.{name} IS NOT NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {rows} AS r WHERE r.id = e.value)"
        )
        for id, value in self._connection.execute(statement):
            yield f"{table} row {id}: {column} refers to {target} row {value}, which does not exist"


class RealSession:
    """Writes a job's chunks; a later session of the same job makes this one raise Superseded."""

    def __init__(
        self, connection: sqlite3.Connection, lock: FileLock, job: str, tables: Sequence[Table], clock: Clock
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._job = job
        self._tables = {table.name: table for table in tables}
        self._clock = clock
        self._begun: Origin | None = None
        with _transaction(connection, lock):
            self._fence, self._stored = connection.execute(
                "INSERT INTO _checkpoints (job, fence) VALUES (?, 1) "
                "ON CONFLICT (job) DO UPDATE SET fence = fence + 1 RETURNING fence, checkpoint",
                (job,),
            ).fetchone()

    def checkpoint(self) -> Checkpoint | None:
        return None if self._stored is None else _decode(self._stored)

    def begin_file(self, origin: Origin) -> None:
        self._begun = origin

    @contextmanager
    def chunk(self, checkpoint: Checkpoint) -> Iterator[SqliteChunk]:
        with _transaction(self._connection, self._lock):
            self._check_fence()
            if self._begun is not None:
                self._connection.execute(sql.ADD_SOURCE, (self._job, *self._begun))
            yield SqliteChunk(self._connection, self._tables, self._job, _stamp(self._clock))
            text = _encode(checkpoint)
            self._connection.execute("UPDATE _checkpoints SET checkpoint = ? WHERE job = ?", (text, self._job))
        self._stored, self._begun = text, None

    def close(self) -> None:
        self._connection.close()

    def _check_fence(self) -> None:
        row = self._connection.execute("SELECT fence FROM _checkpoints WHERE job = ?", (self._job,)).fetchone()
        if row != (self._fence,):
            raise Superseded(self._job)


class DrySession:
    """Works on a private, nameless database that vanishes with its connection; only reads the real one."""

    def __init__(
        self, path: Path, job: str, tables: Sequence[Table], clock: Clock, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self._job = job
        self._tables = {table.name: table for table in tables}
        self._clock = clock
        self._stored: Checkpoint | None = None
        self._connection = _told_connection("", path, busy_seconds)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("ATTACH ? AS base", (f"{path.absolute().as_uri()}?mode=ro",))
        self._shared = {table.name: self._copy_shape(table) for table in tables}
        self._connection.execute("CREATE TABLE _deleted (row_table TEXT, row INTEGER, PRIMARY KEY (row_table, row))")

    def checkpoint(self) -> Checkpoint | None:
        return self._stored

    def begin_file(self, origin: Origin) -> None:
        """Does nothing: a dry run stores no origin."""

    @contextmanager
    def chunk(self, checkpoint: Checkpoint) -> Iterator[SqliteChunk]:
        self._connection.execute("BEGIN")
        try:
            yield DryChunk(self._connection, self._tables, self._job, _stamp(self._clock), self._shared)
        except BaseException:
            _roll_back(self._connection)
            raise
        self._connection.execute("COMMIT")
        self._stored = _decode(_encode(checkpoint))

    def close(self) -> None:
        self._connection.close()

    def _copy_shape(self, table: Table) -> list[str]:
        self._connection.execute(sql.create(table))
        for statement in sql.create_indexes(table):
            self._connection.execute(statement)
        self._connection.execute("INSERT INTO main.sqlite_sequence VALUES (?, ?)", (table.name, _DRY_IDS))
        real = _kinds(self._connection, "base", table.name)
        own = ("id", *(column.name for column in table.columns), *SYSTEM_COLUMNS)
        return [column for column in own if column in real]


class _Connection(sqlite3.Connection):
    """Raises our own errors for each statement that meets a lock, a full disk or a failing database."""

    path = Path()

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*arguments)
        except sqlite3.Error as error:
            raise translate(self.path, error)  # noqa: B904  its cause is set, or it is the same error

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        try:
            return super().executemany(*arguments)
        except sqlite3.Error as error:
            raise translate(self.path, error)  # noqa: B904


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = _told_connection(path, path, busy_seconds)
    # references are declared, not enforced: a row may come before the row that it refers to
    for pragma in (
        "foreign_keys = OFF",
        "journal_mode = WAL",
        "synchronous = FULL",
        "cache_size = -32768",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _told_connection(file: str | Path, path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Connects to `file` in autocommit mode, since this module opens transactions itself. Errors name `path`."""
    options: Any = {"isolation_level": None, "timeout": busy_seconds, "check_same_thread": False}
    with told(path):
        connection = sqlite3.connect(file, factory=_Connection, uri=file == "", **options)
    connection.path = path
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection, lock: FileLock) -> Iterator[None]:
    """Raises StorageBusy and StorageFull, after which the same may work, and StatementRefused where it never will."""
    with told(lock.path), lock:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException as error:
            _roll_back(connection)
            if isinstance(error, sqlite3.OperationalError):
                raise StatementRefused(lock.path.name.removesuffix(".lock"), str(error)) from error
            raise


def _roll_back(connection: sqlite3.Connection) -> None:
    """Rolls back, unless SQLite has done so itself, as it does when the disk is full."""
    if connection.in_transaction:
        with suppress(StorageError, sqlite3.Error):  # the error before this one is reported
            connection.execute("ROLLBACK")


def _kinds(connection: sqlite3.Connection, schema: str, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA {schema}.table_info({sql.quoted(table)})")}


def _index_name(statement: str) -> str:
    return statement.split('"')[1]


def _stamp(clock: Clock) -> str:
    return clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(checkpoint: Checkpoint) -> str:
    document: Mapping[str, object] = {
        "position": checkpoint.position,
        "counts": checkpoint.counts,
        "state": checkpoint.state,
    }
    return orjson.dumps(document).decode()


def _decode(text: str) -> Checkpoint:
    return Checkpoint(**orjson.loads(text))
