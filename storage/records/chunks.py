"""Writes the rows of one transaction to SQLite: to the real tables, or to the copies of a dry run."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from storage.errors import RowRefused
from storage.records import statements as sql
from storage.records.base import Row, Scalar, Table, Upserts, Written

_REFUSALS = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, UnicodeError, OverflowError)


class SqliteChunk:
    """Writes on an open transaction of `connection`, in the name of `job`, at the moment `now` (ISO 8601, UTC)."""

    def __init__(self, connection: sqlite3.Connection, tables: Mapping[str, Table], job: str, now: str) -> None:
        self._connection = connection
        self._tables = tables
        self._job = job
        self._now = now
        self._next: dict[str, int] = {}
        self._columns: dict[str, frozenset[str]] = {}

    def find(
        self, table: str, columns: Sequence[str], keys: Sequence[tuple[Scalar, ...]], limit: int = 2
    ) -> list[list[Row]]:
        if not self._has(table, columns):
            return [[] for _ in keys]
        statement = sql.select_by(table, tuple(columns))
        return [[] if None in key else self._select(table, statement, (*key, limit)) for key in keys]

    def get(self, table: str, id: int) -> Row | None:
        found = self.find(table, ("id",), [(id,)])[0]
        return found[0] if found else None

    def reserve(self, table: str) -> int:
        if table not in self._next:
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
            self._next[table] = row[0] if row else 0
        self._next[table] += 1
        return self._next[table]

    def insert(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None:
        system = (self._job, record, 1, self._now, self._now)
        self._write(table, values, sql.insert(table, tuple(values)), (id, *values.values(), *system))

    def update(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None:
        parameters = (*values.values(), self._job, record, self._now, id)
        self._write(table, values, sql.update(table, tuple(values)), parameters)

    def delete(self, table: str, id: int) -> None:
        self._connection.execute(f"DELETE FROM {sql.quoted(table)} WHERE id = ?", (id,))

    def upsert_many(self, upserts: Upserts) -> Written:
        table = upserts.table
        self._next.pop(table, None)
        last, before = self._last_id(table), self._connection.total_changes
        statement = sql.upsert(table, upserts.columns, upserts.key, self._job, self._now)
        with self.record():
            try:
                self._connection.executemany(statement, upserts.rows)
            except _REFUSALS as error:
                raise RowRefused(table, str(error)) from error
        written = self._connection.total_changes - before
        created = written if upserts.key is None else self._count_after(table, last)
        return Written(created, written - created, len(upserts.rows) - written)

    @contextmanager
    def record(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT record")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # SQLite has undone it all where the disk is full
                self._connection.execute("ROLLBACK TO record")
                self._connection.execute("RELEASE record")
            raise
        self._connection.execute("RELEASE record")

    def _write(self, table: str, values: Mapping[str, Scalar], statement: str, parameters: tuple[Scalar, ...]) -> None:
        try:
            self._connection.execute(statement, parameters)
        except _REFUSALS as error:
            raise RowRefused(table, _explain(error, values)) from error

    def _select(self, table: str, statement: str, parameters: tuple[Scalar, ...]) -> list[Row]:
        try:
            cursor = self._connection.execute(statement, parameters)
        except (UnicodeError, OverflowError):
            return []  # a value that no column can hold is in no row
        names = [column[0] for column in cursor.description][1:]
        return [Row(row[0], dict(zip(names, row[1:], strict=True))) for row in cursor]

    def _has(self, table: str, columns: Sequence[str]) -> bool:
        """Whether the table has these columns. SQLite would read the quoted name of a missing column as a text."""
        if table not in self._columns:
            info = self._connection.execute(f"PRAGMA table_info({sql.quoted(table)})")
            self._columns[table] = frozenset(row[1] for row in info)
        return self._columns[table].issuperset(columns)

    def _last_id(self, table: str) -> int:
        row = self._connection.execute("SELECT seq FROM main.sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) if row else 0

    def _count_after(self, table: str, id: int) -> int:
        statement = f"SELECT count(*) FROM {sql.quoted(table)} WHERE id > ?"
        return int(self._connection.execute(statement, (id,)).fetchone()[0])


class DryChunk(SqliteChunk):
    """Works on a private database; brings a row of the real one over the first time it matters."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        tables: Mapping[str, Table],
        job: str,
        now: str,
        shared: Mapping[str, Sequence[str]],
    ) -> None:
        super().__init__(connection, tables, job, now)
        self._shared = shared  # table -> columns that both databases have; tables without a real one are absent

    def find(
        self, table: str, columns: Sequence[str], keys: Sequence[tuple[Scalar, ...]], limit: int = 2
    ) -> list[list[Row]]:
        self._bring(table, columns, keys)
        return super().find(table, columns, keys, limit)

    def insert(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None:
        self._bring_rivals(table, values)
        super().insert(table, id, values, record)

    def update(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None:
        self._bring(table, ("id",), [(id,)])
        self._bring_rivals(table, values)
        super().update(table, id, values, record)

    def delete(self, table: str, id: int) -> None:
        self._connection.execute("INSERT OR IGNORE INTO main._deleted VALUES (?, ?)", (table, id))
        super().delete(table, id)

    def upsert_many(self, upserts: Upserts) -> Written:
        places = {column: place for place, column in enumerate(upserts.columns)}
        for key in self._tables[upserts.table].keys:
            if all(column in places for column in key):
                pick = _picker([places[column] for column in key])
                self._bring(upserts.table, key, [pick(row) for row in upserts.rows])
        return super().upsert_many(upserts)

    def _bring_rivals(self, table: str, values: Mapping[str, Scalar]) -> None:
        for key in self._tables[table].keys:
            if any(column in values for column in key):
                self._bring(table, key, [tuple(values.get(column) for column in key)])

    def _bring(self, table: str, columns: Sequence[str], keys: Sequence[tuple[Scalar, ...]]) -> None:
        shared = self._shared.get(table, ())
        if all(column in shared for column in columns) and shared:
            statement = sql.copy_row(table, shared, columns)
            try:
                self._connection.executemany(statement, (key for key in keys if None not in key))
            except (UnicodeError, OverflowError):
                return  # a value that no column can hold is in no row


def _picker(places: Sequence[int]) -> Callable[[tuple[Scalar, ...]], tuple[Scalar, ...]]:
    return lambda row: tuple(row[place] for place in places)


def _explain(error: Exception, values: Mapping[str, Scalar]) -> str:
    text = str(error)
    prefix = "UNIQUE constraint failed: "
    if not text.startswith(prefix):
        return text
    columns = [part.rpartition(".")[2] for part in text.removeprefix(prefix).split(", ")]
    shown = ", ".join(f"{column} {values.get(column)!r}" for column in columns)
    return f"another row already has {shown}"
