"""Every implementation that the contract suites run against. A new one is a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.blobs.base import BlobStore
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.opening import open_catalog
from storage.queues.sqlite import SqliteQueue


@dataclass(frozen=True)
class OpenQueue:
    """A queue and the catalog in whose transactions jobs are put."""

    catalog: Database
    queue: SqliteQueue


def open_sqlite_queue(folder: Path) -> OpenQueue:
    database = open_catalog(folder)
    return OpenQueue(database, SqliteQueue(database))


CATALOGS: dict[str, Callable[[Path], Database]] = {"sqlite": open_catalog}
QUEUES: dict[str, Callable[[Path], OpenQueue]] = {"sqlite": open_sqlite_queue}
BLOBS: dict[str, Callable[..., BlobStore]] = {"local": LocalBlobs}
