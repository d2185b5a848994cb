"""Brings the catalog's database to the form this program works with: made when new, migrated when old.

Alembic is slow to import and hardly ever needed, so it is imported when there is something to migrate.
"""

import importlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Table, inspect, text

from storage.database import Database
from storage.schema import metadata

REVISION = "0007"  # the newest of migrations/versions; a test compares


def prepare(database: Database, tables: Sequence[Table]) -> None:
    """`tables` are all of the database's, the queue's too. Safe for several processes at once; raises DatabaseNewer."""
    if database.read_now(revision) != REVISION:
        database.write_now(_bring_up, str(database.path), tables)


def revision(connection: Connection) -> str | None:
    """Returns the schema's revision; None without a catalog, "" before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _bring_up(connection: Connection, name: str, tables: Sequence[Table]) -> None:
    found = revision(connection)  # checked again: another process may have done it
    if found is None:
        _create(connection, tables)
    elif found != REVISION:
        upgrade: Callable[[Connection, str], None] = importlib.import_module("storage.catalog.migrating").upgrade
        upgrade(connection, name)


def _create(connection: Connection, tables: Sequence[Table]) -> None:
    metadata.create_all(connection, tables)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})
