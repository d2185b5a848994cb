"""The SQL of the record store: text made from a table's shape, nothing executed here."""

from collections.abc import Iterable, Sequence
from functools import cache

from storage.records.base import SYSTEM_COLUMNS, Column, Table

CHECKPOINTS = (
    "CREATE TABLE IF NOT EXISTS _checkpoints "
    "(job TEXT PRIMARY KEY, fence INTEGER NOT NULL, checkpoint TEXT) WITHOUT ROWID"
)

SOURCES = (
    "CREATE TABLE IF NOT EXISTS _sources (job TEXT, first INTEGER, batch TEXT, file TEXT, filename TEXT, "
    "PRIMARY KEY (job, first)) WITHOUT ROWID"
)
ADD_SOURCE = "INSERT OR REPLACE INTO _sources (job, first, batch, file, filename) VALUES (?, ?, ?, ?, ?)"

_SYSTEM = "_job TEXT, _record INTEGER, _version INTEGER NOT NULL, _created_at TEXT NOT NULL, _updated_at TEXT NOT NULL"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def create(table: Table) -> str:
    columns = "".join(f"{quoted(c.name)} {declared(table, c)}, " for c in table.columns)
    # AUTOINCREMENT: an id that was ever given out may stand in another table's reference
    return f"CREATE TABLE {quoted(table.name)} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns}{_SYSTEM})"


def declared(table: Table, column: Column) -> str:
    """A column that holds one id says whose it is: programs that look at the file then know the way.

    Nothing enforces it while rows are written: a row may come before the one that it refers to.
    """
    target = next((target for name, target in table.references if name == column.name), None)
    refers = f" REFERENCES {quoted(target)} (id)" if target is not None and column.kind == "integer" else ""
    return column.kind.upper() + refers


def add_column(table: Table, column: Column) -> str:
    return f"ALTER TABLE {quoted(table.name)} ADD COLUMN {quoted(column.name)} {declared(table, column)}"


def view_of(table: str) -> str:
    return f"{table}_with_source"


def create_view(table: str) -> str:
    """Rows with the batch and the file that last wrote them; SQLite takes in columns that the table gets later."""
    return (
        f"CREATE VIEW {quoted(view_of(table))} AS SELECT t.*, s.batch AS _batch, s.file AS _file, "
        f"s.filename AS _filename FROM {quoted(table)} AS t LEFT JOIN _sources AS s ON s.job = t._job "
        "AND s.first = (SELECT max(first) FROM _sources WHERE job = t._job AND first <= t._record)"
    )


def create_indexes(table: Table) -> list[str]:
    keys = [("UNIQUE INDEX", "key", key) for key in table.keys]
    lookups = [("INDEX", "lookup", (column,)) for column in table.lookups if (column,) not in table.keys]
    return [
        f"CREATE {kind} IF NOT EXISTS {quoted('_'.join((table.name, word, *columns)))} "
        f"ON {quoted(table.name)} ({listed(columns)})"
        for kind, word, columns in keys + lookups
    ]


@cache
def select_by(table: str, columns: tuple[str, ...]) -> str:
    where = " AND ".join(f"{quoted(c)} = ?" for c in columns)
    return f"SELECT * FROM {quoted(table)} WHERE {where} ORDER BY id LIMIT ?"


@cache
def select_page(
    table: str, columns: tuple[str, ...], filled: tuple[str, ...], order: tuple[str, ...], descending: bool
) -> str:
    keys = ", ".join(f"{quoted(c)}{' DESC' if descending else ''}" for c in (*order, "id"))
    return f"SELECT * FROM {quoted(table)}{_having(columns, filled)} ORDER BY {keys} LIMIT ? OFFSET ?"


@cache
def select_window(table: str, columns: tuple[str, ...], backwards: bool) -> str:
    side, direction = ("<", " DESC") if backwards else (">", "")
    conditions = " AND ".join((*(f"{quoted(c)} = ?" for c in columns), f"id {side} ?"))
    return f"SELECT * FROM {quoted(table)} WHERE {conditions} ORDER BY id{direction} LIMIT ?"


@cache
def count_matching(table: str, columns: tuple[str, ...], filled: tuple[str, ...]) -> str:
    return f"SELECT count(*) FROM {quoted(table)}{_having(columns, filled)}"


def _having(columns: Sequence[str], filled: Sequence[str]) -> str:
    conditions = [f"{quoted(c)} = ?" for c in columns] + [f"{quoted(c)} IS NOT NULL" for c in filled]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    names = ("id", *columns, *SYSTEM_COLUMNS)
    return f"INSERT INTO {quoted(table)} ({listed(names)}) VALUES ({', '.join('?' * len(names))})"


@cache
def update(table: str, columns: tuple[str, ...]) -> str:
    sets = "".join(f"{quoted(c)} = ?, " for c in columns)
    return (
        f"UPDATE {quoted(table)} SET {sets}_job = ?, _record = ?, _version = _version + 1, _updated_at = ? WHERE id = ?"
    )


def upsert(table: str, columns: Sequence[str], key: Sequence[str] | None, job: str, now: str) -> str:
    """Binds `columns` and the record number; job and time are in the text, which is prepared once a chunk."""
    names = (*columns, "_record", "_job", "_version", "_created_at", "_updated_at")
    marks = ", ".join("?" * (len(columns) + 1))
    head = (
        f"INSERT INTO {quoted(table)} ({listed(names)}) "
        f"VALUES ({marks}, {literal(job)}, 1, {literal(now)}, {literal(now)})"
    )
    return head if key is None else f"{head} {_on_conflict(table, columns, key)}"


def _on_conflict(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    plain = [c for c in columns if c not in key]
    if not plain:
        return f"ON CONFLICT ({listed(key)}) DO NOTHING"
    own = {c: f"{quoted(table)}.{quoted(c)}" for c in plain}
    sets = "".join(f"{quoted(c)} = coalesce(excluded.{quoted(c)}, {own[c]}), " for c in plain)
    differs = " OR ".join(f"(excluded.{quoted(c)} IS NOT NULL AND excluded.{quoted(c)} IS NOT {own[c]})" for c in plain)
    return (
        f"ON CONFLICT ({listed(key)}) DO UPDATE SET {sets}_job = excluded._job, _record = excluded._record, "
        f"_version = {quoted(table)}._version + 1, _updated_at = excluded._updated_at WHERE {differs}"
    )


def copy_row(table: str, columns: Sequence[str], where: Sequence[str]) -> str:
    """Brings the base database's matching rows into a dry run's own table, unless it has or deleted them already."""
    matches = " AND ".join(f"b.{quoted(c)} = ?" for c in where)
    return (
        f"INSERT OR IGNORE INTO main.{quoted(table)} ({listed(columns)}) "
        f"SELECT {listed(columns)} FROM base.{quoted(table)} AS b WHERE {matches} AND NOT EXISTS "
        f"(SELECT 1 FROM main._deleted AS d WHERE d.row_table = {literal(table)} AND d.row = b.id)"
    )
