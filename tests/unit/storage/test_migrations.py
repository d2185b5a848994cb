"""The catalog's form: made at once when new, migrated when old, left alone when newer."""

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from server.engine.batches.lifecycle import STOPPED
from server.engine.batches.log_text import log_text
from storage.catalog import migrating
from storage.catalog.preparing import REVISION, revision
from storage.catalog.sql import journal
from storage.database import Database
from storage.errors import DatabaseNewer
from storage.opening import open_catalog

SPAWN = multiprocessing.get_context("spawn")
NO_REVISION = text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    database = open_catalog(tmp_path)
    yield database
    database.close_now()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """A database that has not seen its first migration."""
    database = Database(tmp_path / "old.db")
    database.write_now(lambda c: c.execute(NO_REVISION))
    yield database
    database.close_now()


def form(connection: Connection) -> dict[str, list[object]]:
    """Every table, index and column, with types, defaults and foreign keys, as SQLite has them."""
    found = connection.execute(text("SELECT type, name, tbl_name FROM sqlite_master ORDER BY type, name")).all()
    pragmas = ("table_xinfo", "index_xinfo", "foreign_key_list")
    return {
        f"{kind} {name}": [table, *(connection.exec_driver_sql(f"PRAGMA {p}({name})").all() for p in pragmas)]
        for kind, name, table in found
    }


def test_migrations_lead_to_the_same_form_as_the_tables(fresh: Database, empty: Database) -> None:
    empty.write_now(migrating.upgrade, "old.db")
    assert empty.read_now(form) == fresh.read_now(form)


def test_the_newest_migration_is_the_revision_that_opening_expects(fresh: Database) -> None:
    scripts = fresh.read_now(lambda c: ScriptDirectory.from_config(migrating.configuration(c)))
    assert scripts.get_heads() == [REVISION]
    assert fresh.read_now(revision) == REVISION


def test_an_old_catalog_is_migrated_when_it_is_opened(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")
    database.write_now(lambda c: c.execute(NO_REVISION))
    database.close_now()
    opened = open_catalog(tmp_path)
    assert opened.read_now(revision) == REVISION
    opened.close_now()


JOBS_OF_BEFORE = (
    "INSERT INTO jobs (id, kind, mode, state, priority, due, attempts, max_attempts, furthest, created,"
    " cancel_requested, count_read, count_created, count_updated, count_unchanged, count_deleted, count_failed,"
    " count_skipped, errors, payload)"
    " VALUES ('{id}', 'voss', 'import', 'queued', 0, '', 0, 3, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, '{{}}')"
)


def test_transactions_of_before_are_kept_and_may_share_a_job(empty: Database) -> None:
    def as_before(connection: Connection) -> None:
        migrating.upgrade(connection, "old.db", "0004")
        connection.exec_driver_sql(JOBS_OF_BEFORE.format(id="j"))
        connection.exec_driver_sql(
            "INSERT INTO transactions (id, job, action, name, filename, hierarchy, username, submitted, due,"
            " parameters, request_meta) "
            "VALUES ('t', 'j', 'Execute Schedule', 'n', 'f', 'sys', 'u', '2026', '2027', '{}', '{}')"
        )

    empty.write_now(as_before)
    empty.write_now(migrating.upgrade, "old.db")
    copied = "INSERT INTO transactions SELECT 9, 'u', {} FROM transactions"
    rest = "job, action, name, filename, hierarchy, username, submitted, due, timezone, load, parameters, request_meta"
    empty.write_now(lambda c: c.exec_driver_sql(copied.format(rest + ", plan, id")))
    kept = empty.read_now(lambda c: c.exec_driver_sql("SELECT number, id, due, scheduled_by FROM transactions").all())
    assert kept == [(1, "t", "2027", None), (9, "u", "2027", "t")]


OLD_LINES = (
    ("info", "START: Sat Feb 10 2018 09:05:59 GMT+0000 (UTC)", "2018-02-10T09:06:00.000001Z"),
    ("error", "Unknown name in field colour for destination thing", "2018-02-10T09:06:00.000001Z"),
    ("error", "x\ny (record 0) (record 12)", "2018-02-10T09:06:00.000001Z"),
    ("warning", "people.csv: the file has no records", "2018-02-10T09:06:00.000001Z"),
    ("info", "END: as a remark says (record 3)", "2018-02-10T09:06:00.000001Z"),
    ("warning", f"CANCELLED: {STOPPED}", "2018-02-10T09:06:00.000001Z"),
    ("error", "EXCEPTION: Error during import: given up (record 4)", "2018-02-10T09:06:00.000001Z"),
    ("info", "END: Sat Feb 10 2018 09:06:00 GMT+0000 (UTC)", "2018-02-10T09:06:00.000001Z"),
)


def test_logs_of_before_show_as_before_and_are_typed(empty: Database) -> None:
    def as_before(connection: Connection) -> None:
        migrating.upgrade(connection, "old.db", "0006")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for job in ("a", "b"):
            rows = [(job, position, *line) for position, line in enumerate(OLD_LINES)]
            connection.exec_driver_sql("INSERT INTO job_log VALUES (?, ?, ?, ?, ?)", rows)
        connection.exec_driver_sql(JOBS_OF_BEFORE.format(id="a"))
        connection.exec_driver_sql(JOBS_OF_BEFORE.format(id="b"))

    empty.write_now(as_before)
    empty.write_now(lambda c: migrating.upgrade(c, "old.db"))
    for job in ("a", "b"):
        lines = empty.read_now(partial(journal.log, job=job))
        assert [(line.level, log_text(line)) for line in lines] == [(level, said) for level, said, _ in OLD_LINES]
        assert [(line.kind, line.record) for line in lines] == [
            *(("start", None), ("note", None), ("note", 12), ("note", None), ("note", None)),
            *(("cancelled", None), ("exception", None), ("end", None)),
        ]


def test_a_migration_that_fails_leaves_everything_as_it_was(empty: Database) -> None:
    empty.write_now(lambda c: c.execute(text("CREATE TABLE outcomes (mine TEXT)")))
    before = empty.read_now(form)
    with pytest.raises(Exception, match="outcomes already exists"):
        empty.write_now(migrating.upgrade, "old.db")
    assert empty.read_now(form) == before


def test_a_catalog_of_a_later_version_is_refused_and_left_alone(tmp_path: Path, fresh: Database) -> None:
    fresh.write_now(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseNewer, match=r"catalog\.db was written by a later version \(revision 9999\)"):
        open_catalog(tmp_path)
    assert fresh.read_now(revision) == "9999"


def open_and_close(folder: Path) -> None:
    open_catalog(folder).close_now()


def test_several_processes_may_open_a_new_directory_at_once(tmp_path: Path) -> None:
    processes = [SPAWN.Process(target=open_and_close, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3


def test_opening_does_not_load_alembic(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from storage.opening import open_storage;"
    program += "open_storage(Path(sys.argv[1])).close_now(); sys.exit('alembic' in sys.modules)"
    for _ in ("new", "there already"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
