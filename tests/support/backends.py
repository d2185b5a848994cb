"""Every implementation that the contract suites run against. A new one is a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.blobs.base import BlobStore
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.opening import open_catalog
from storage.queues.leases import Leases
from storage.queues.sqlite import SqliteQueue


@dataclass
class Steady:
    """A clock that only the test moves."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class OpenQueue:
    """A queue, the catalog in whose transactions jobs are put, and the clock of its leases."""

    catalog: Database
    queue: SqliteQueue
    steady: Steady


def open_sqlite_queue(folder: Path) -> OpenQueue:
    database, steady = open_catalog(folder), Steady()
    return OpenQueue(database, SqliteQueue(database, Leases(steady)), steady)


CATALOGS: dict[str, Callable[[Path], Database]] = {"sqlite": open_catalog}
QUEUES: dict[str, Callable[[Path], OpenQueue]] = {"sqlite": open_sqlite_queue}
BLOBS: dict[str, Callable[..., BlobStore]] = {"local": LocalBlobs}
