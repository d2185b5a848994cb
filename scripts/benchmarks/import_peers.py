"""Other ways into a table, each a process of its own.

    python -m scripts.benchmarks.import_peers NAME FORMAT INPUT DATABASE

Prints one line of JSON: seconds and peak memory. Every way upserts the same six columns by the same key, except where
its table says that it cannot.
"""

import csv
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import orjson

COLUMNS = ("email", "name", "age", "city", "active", "note")
TABLE = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, age INTEGER, city TEXT, active TEXT, "
    "note TEXT)"
)
UPSERT = (
    "INSERT INTO people (email, name, age, city, active, note) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (email) DO UPDATE "
    "SET name = excluded.name, age = excluded.age, city = excluded.city, active = excluded.active, note = excluded.note"
)
CHUNK = 5000


def raw(form: str, source: Path, database: Path) -> None:
    """The bound: the fastest parser and executemany, no mapping, no checks, one process."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(TABLE)
    with source.open("rb") as file:
        rows = _json_rows(file) if form == "jsonl" else _csv_rows(file)
        while chunk := list(islice(rows, CHUNK)):
            connection.execute("BEGIN")
            connection.executemany(UPSERT, chunk)
            connection.execute("COMMIT")
    connection.close()


def _json_rows(file: Iterable[bytes]) -> Iterator[tuple[object, ...]]:
    for line in file:
        record = orjson.loads(line)
        yield tuple(record[column] for column in COLUMNS)


def _csv_rows(file: Iterable[bytes]) -> Iterator[list[str]]:
    rows = csv.reader(line.decode() for line in file)
    next(rows)
    return rows


def sqlite_utils(form: str, source: Path, database: Path) -> None:
    program = Path(sys.executable).with_name("sqlite-utils")
    flag = "--nl" if form == "jsonl" else "--csv"
    subprocess.run([program, "upsert", database, "people", source, flag, "--pk", "email"], check=True)


def pandas(form: str, source: Path, database: Path) -> None:
    """Appends; it has no upsert."""
    import pandas

    connection = sqlite3.connect(database)
    options = {"lines": True} if form == "jsonl" else {}
    read = pandas.read_json if form == "jsonl" else pandas.read_csv
    for frame in read(source, chunksize=50_000, **options):
        frame.to_sql("people", connection, if_exists="append", index=False)
    connection.close()


def duckdb(form: str, source: Path, database: Path) -> None:
    """Into its own kind of database, with a primary key."""
    import duckdb

    connection = duckdb.connect(str(database))
    columns = "email VARCHAR PRIMARY KEY, name VARCHAR, age BIGINT, city VARCHAR, active VARCHAR, note VARCHAR"
    connection.execute(f"CREATE TABLE people ({columns})")
    reader = "read_json" if form == "jsonl" else "read_csv"
    connection.execute(
        f"INSERT OR REPLACE INTO people SELECT email, name, age, city, active, note FROM {reader}('{source}')"
    )
    connection.close()


PEERS: dict[str, Callable[[str, Path, Path], None]] = {
    "raw": raw,
    "sqlite-utils": sqlite_utils,
    "pandas": pandas,
    "duckdb": duckdb,
}


def main() -> None:
    name, form, source, database = sys.argv[1:]
    started = time.perf_counter()
    PEERS[name](form, Path(source), Path(database))
    seconds = time.perf_counter() - started
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(orjson.dumps({"seconds": seconds, "rss_mib": usage / 1024}).decode())


if __name__ == "__main__":
    main()
