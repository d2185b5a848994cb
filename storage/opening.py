"""Opens everything under one data directory. The only file that names implementations."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from storage.blobs.base import BlobStore
from storage.blobs.local import LocalBlobs
from storage.catalog import tables as catalog_tables
from storage.catalog.base import Catalog
from storage.catalog.preparing import prepare
from storage.catalog.sql import references
from storage.database import BUSY_SECONDS, Database
from storage.presence import ProcessRegistry
from storage.private import make_private
from storage.queues import jobs
from storage.queues import tables as queue_tables
from storage.queues.base import JobQueue
from storage.queues.sqlite import SqliteQueue
from storage.records.base import RecordStore
from storage.records.sqlite import BUSY_SECONDS as RECORDS_BUSY_SECONDS
from storage.records.sqlite import SqliteRecords
from storage.translating import told, translate

CATALOG, RECORDS = "catalog.db", "records.db"
TABLES = (*catalog_tables.TABLES, *queue_tables.TABLES)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds each database is waited for while a program that does not take our locks holds it."""

    catalog: float = BUSY_SECONDS
    records: float = RECORDS_BUSY_SECONDS


@dataclass(frozen=True, slots=True)
class Storage:
    """All stores of a data directory. Queue and catalog share one database, so that their changes commit together."""

    data_dir: Path
    blobs: BlobStore
    catalog: Catalog
    queue: JobQueue
    records: RecordStore
    presence: ProcessRegistry

    def referenced(self, digest: str) -> bool:
        """Whether anything promised needs the blob. Synchronous: for sweeps and checks in a thread."""
        return self.catalog.read_now(refers_to, digest)

    def translated(self, error: BaseException) -> BaseException:
        """Returns a StorageError if a lock, the disk or a lack of descriptors caused `error`; else `error`."""
        return translate(self.data_dir / CATALOG, error)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.data_dir).free

    async def close(self) -> None:
        await self.catalog.close()
        await asyncio.to_thread(self._close_rest)

    def close_now(self) -> None:
        """Closes all stores, in a synchronous program that used only the `_now` methods."""
        self.catalog.close_now()
        self._close_rest()

    def _close_rest(self) -> None:
        self.records.close()
        self.presence.close()


def open_storage(data_dir: Path, *, min_free_bytes: int = 0, patience: Patience | None = None) -> Storage:
    """Makes what is missing, migrates what is old. Blocks: call it before the loop runs, or in a thread.

    Any number of processes may have the same directory open. Raises DatabaseNewer for one that a later version wrote.
    """
    patience = patience or Patience()
    with told(data_dir / CATALOG):
        make_private(data_dir)
    with closing_on_error() as opened:
        database = open_catalog(data_dir, patience.catalog)
        opened.callback(database.close_now)
        records = SqliteRecords(data_dir / RECORDS, busy_seconds=patience.records)
        opened.callback(records.close)
        with told(data_dir / CATALOG):
            blobs = LocalBlobs(data_dir, min_free_bytes=min_free_bytes)
            presence = ProcessRegistry(data_dir / "locks")
    return Storage(
        data_dir=data_dir,
        blobs=blobs,
        catalog=database,
        queue=SqliteQueue(database),
        records=records,
        presence=presence,
    )


@contextmanager
def closing_on_error() -> Iterator[ExitStack]:
    """Closes everything that was opened, if a later opening fails."""
    opened = ExitStack()
    try:
        yield opened
    except BaseException:
        opened.close()
        raise


def open_catalog(data_dir: Path, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Opens the catalog alone."""
    database = Database(data_dir / CATALOG, busy_seconds=busy_seconds)
    try:
        prepare(database, TABLES)
    except BaseException:
        database.close_now()
        raise
    return database


def refers_to(connection: Connection, digest: str) -> bool:
    """Whether a file, a control file, a batch or a job needs the blob."""
    return references.refers_to(connection, digest) or jobs.refers_to(connection, digest)
