"""A data directory: made whole by one call, private, and shared by as many processes as like."""

import asyncio
import os
import sqlite3
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage.catalog.sql import controls
from storage.errors import DatabaseFailed
from storage.opening import open_catalog, open_storage

NOW = datetime(2025, 3, 1, tzinfo=UTC)
DIGEST = "a" * 64


def add_control(connection: Any) -> None:
    controls.add(connection, api="haplo", digest=DIGEST, comment="", created=NOW)


def held_open(folder: Path) -> list[str]:
    """The files in the folder that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(name for name in found if name.startswith(str(folder)))


def test_everything_is_made_and_nobody_else_may_look(tmp_path: Path) -> None:
    home = tmp_path / "new" / "data"
    open_storage(home).close_now()
    assert {path.name for path in home.iterdir()} >= {"catalog.db", "records.db", "blobs", "incoming", "locks"}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_two_openings_share_what_is_stored_and_see_each_other_alive(tmp_path: Path) -> None:
    first, second = open_storage(tmp_path), open_storage(tmp_path)
    first.catalog.write_now(add_control)
    assert second.referenced(DIGEST)
    assert not second.referenced("b" * 64)
    assert not second.presence.is_dead(first.presence.identity)
    first.close_now()
    assert second.presence.is_dead(first.presence.identity)
    second.close_now()


def test_everything_opened_is_closed_again(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    assert held_open(tmp_path)
    storage.close_now()
    assert held_open(tmp_path) == []


async def test_close_ends_asynchronous_use_too(tmp_path: Path) -> None:
    storage = await asyncio.to_thread(open_storage, tmp_path)
    await storage.catalog.write(add_control)
    await storage.catalog.read(controls.find)
    await storage.close()
    assert held_open(tmp_path) == []


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(DatabaseFailed, match=r"catalog\.db cannot be used: file is not a database"):
        open_catalog(tmp_path)


def test_the_databases_can_be_read_with_plain_sqlite_while_open(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    storage.catalog.write_now(add_control)
    with sqlite3.connect(tmp_path / "catalog.db") as plain:
        assert plain.execute("SELECT created FROM control_files").fetchall() == [("2025-03-01T00:00:00.000000Z",)]
    plain.close()
    storage.close_now()
