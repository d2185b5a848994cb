"""Where imported records live: one real table per destination, and beside it how far each job has come.

A value in a column is a scalar: `str`, `int`, `float` or `None`. What it means (a date, a list as JSON text) is the
mapping's business. Everything here is synchronous; it runs in worker processes and in threads of commands.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Scalar = str | int | float | None
Kind = Literal["text", "integer", "real"]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A destination's table. `id` and the columns in `SYSTEM_COLUMNS` are always there and are not listed.

    `keys`: each a tuple of columns that is unique together where all are set. `lookups`: columns to index.
    `references`: columns that hold ids of another table's rows (an integer, or a JSON array of them), with that table.
    """

    name: str
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    lookups: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()


SYSTEM_COLUMNS = ("_job", "_record", "_version", "_created_at", "_updated_at")


class Row(NamedTuple):
    id: int
    values: Mapping[str, Scalar]  # every column of the table but `id`; system columns included


@dataclass(slots=True)
class Checkpoint:
    """How far a job has come. Written in the transaction of the rows that it counts."""

    position: Mapping[str, object] | None = None  # opaque to the store; JSON
    counts: dict[str, int] = field(default_factory=dict)
    state: dict[str, object] = field(default_factory=dict)  # what the run must remember across a crash; JSON


class Origin(NamedTuple):
    """A file that a job begins to read: `first` is the number of its first record within the job."""

    first: int
    batch: str | None
    file: str  # its name in the control file, or the sheet of a bulk load
    filename: str | None  # what the client called it


class Upserts(NamedTuple):
    """Many rows of one table by one key. `rows` are tuples of `columns` plus the record number at the end."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...] | None  # None: plain inserts
    rows: Sequence[tuple[Scalar, ...]]


class Written(NamedTuple):
    created: int
    updated: int
    unchanged: int


class Chunk(Protocol):
    """One transaction on the record database. Sees its own writes.

    * `find` answers for each key the rows whose `columns` equal it, oldest first, at most `limit`; a key with None in
      it finds none. A table or a column that is not there yet holds nothing.
    * `get` is one row by id, or None.
    * `reserve` hands out an id for a row to be inserted in this chunk; an id is never handed out twice, not even after
      the row that had it was deleted.
    * `insert`, `update`, `delete` write one row; they raise RowRefused when a constraint is broken.
    * `upsert_many` writes flat rows with one prepared statement; None in an existing row's place leaves its value
      alone; a row equal to what is stored is not written. Raises RowRefused; then nothing of the call is written.
    * `record` brackets one record: when its body raises, what it wrote is undone and the chunk goes on.
    """

    def find(
        self, table: str, columns: Sequence[str], keys: Sequence[tuple[Scalar, ...]], limit: int = 2
    ) -> list[list[Row]]: ...

    def get(self, table: str, id: int) -> Row | None: ...

    def reserve(self, table: str) -> int: ...

    def insert(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None: ...

    def update(self, table: str, id: int, values: Mapping[str, Scalar], record: int) -> None: ...

    def delete(self, table: str, id: int) -> None: ...

    def upsert_many(self, upserts: Upserts) -> Written: ...

    def record(self) -> AbstractContextManager[None]: ...


class Session(Protocol):
    """One job's writing, by one worker.

    * `checkpoint` is the last one committed, or None.
    * `chunk` opens a transaction and commits it with the given checkpoint when the body ends; when the body raises,
      nothing of it is kept. Raises Superseded when a later session of the same job was opened.
    * `begin_file` says where the records of the chunks to come are from; it is stored with the first of them, and the
      view `TABLE_with_source` of each table shows it beside the rows.
    * A dry session keeps every promise above, sees what is in the real tables and its own changes, and changes nothing:
      its tables are copies made as rows are touched, thrown away at `close`. It holds no lock on the real database.
    """

    def checkpoint(self) -> Checkpoint | None: ...

    def begin_file(self, origin: Origin) -> None: ...

    def chunk(self, checkpoint: Checkpoint) -> AbstractContextManager[Chunk]: ...

    def close(self) -> None: ...


class RecordStore(Protocol):
    """* `ensure` creates tables, and adds columns and keys to those that grew; it never drops anything.
    * `session` opens a job's writing; a later session of the same job fences off the earlier one.
    * `tables` names what is there; `columns` of one; `count`; `rows` streams in order of insertion (by id).
    * `select` is one page of the rows that have these values, `filled` columns not being empty, sorted by columns (of
      equal ones, the row inserted first comes first), or all of that turned round; `matching` says how many there are.
      Both are empty for a table that is not there yet.
    * `page` is one page of the rows that have these values, in order of insertion: the first that come behind the id
      `after`, or with `before` the last that come ahead of it. Where `where` names no columns, or those of one of the
      `indexes`, it is quick for tables of any size. `indexes`: columns that, together, rows are found by.
      Both are empty for a table that is not there yet.
    * `writers` gives the jobs that wrote the rows of a table last, each with its number of rows; `last_writer` is the
      job of the row inserted last. Neither knows any for a table that has no such column.
    * `begun` names the jobs that a session was opened for and that are not forgotten; dry runs are not among them.
    * `forget` drops the checkpoint of a job that has ended; a session of it that is still open is fenced off.
    * `verify` yields one sentence for each damage found: the database's own check, and references of `tables` to rows
      that are not there.
    """

    def ensure(self, tables: Sequence[Table]) -> None: ...

    def session(self, job: str, tables: Sequence[Table], *, dry_run: bool = False) -> Session: ...

    def tables(self) -> list[str]: ...

    def columns(self, table: str) -> list[str]: ...

    def count(self, table: str) -> int: ...

    def rows(self, table: str, *, after: int = 0, limit: int | None = None) -> Iterator[Row]: ...

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
    ) -> list[Row]: ...

    def matching(self, table: str, where: Mapping[str, Scalar], *, filled: Sequence[str] = ()) -> int: ...

    def page(
        self,
        table: str,
        where: Mapping[str, Scalar],
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]: ...

    def indexes(self, table: str) -> list[tuple[str, ...]]: ...

    def writers(self, table: str) -> dict[str, int]: ...

    def last_writer(self, table: str) -> str | None: ...

    def begun(self) -> list[str]: ...

    def forget(self, job: str) -> None: ...

    def verify(self, tables: Sequence[Table] = ()) -> Iterator[str]: ...

    def close(self) -> None: ...
