"""`penstock fsck`: checks that everything that was accepted is still there and intact."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from server.engine.definitions.definitions import Definitions
from storage import integrity
from storage.errors import BlobDamaged, BlobMissing
from storage.opening import Storage
from storage.records.base import Table

UNKNOWN_JOB = (
    "catalog.db does not know: catalog.db is gone, or older than records.db; "
    "put back the one that belongs to it, or restore both from a backup"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """`damage` means that accepted data is lost or wrong; otherwise the finding is only a note."""

    damage: bool
    message: str


class Fsck:
    def __init__(self, storage: Storage, definitions: Definitions) -> None:
        self._storage = storage
        self._definitions = definitions

    def run(self, *, deep: bool) -> Iterator[Finding]:
        """Yields what is wrong with blobs, rows and references. Blocks while it reads."""
        return check(self._storage, self._definitions.tables().values(), deep=deep)


def check(storage: Storage, tables: Collection[Table], *, deep: bool) -> Iterator[Finding]:
    """Yields what is wrong. `deep` reads every blob and compares its digest; `tables` names the references."""
    for message in storage.catalog.read_now(integrity.findings):
        yield Finding(True, message)
    needed = storage.catalog.read_now(integrity.sizes)
    yield from _blobs(storage, needed, deep=deep)
    for message in storage.records.verify(list(tables)):
        yield Finding(True, message)
    yield from rows_of_unknown_jobs(storage)


def rows_of_unknown_jobs(storage: Storage) -> Iterator[Finding]:
    """Yields tables with rows of jobs that are not in the catalog: it is gone, or older than the records."""
    for table in storage.records.tables():
        for job, number in storage.records.writers(table).items():
            if not is_known(storage, job):
                yield Finding(True, f"{table}: {number} rows were written by job {job}, which {UNKNOWN_JOB}")


def is_known(storage: Storage, job: str) -> bool:
    return storage.catalog.read_now(storage.queue.get, job) is not None


def _blobs(storage: Storage, needed: dict[str, int | None], *, deep: bool) -> Iterator[Finding]:
    present = set(storage.blobs.digests())
    for digest, size in sorted(needed.items()):
        message = _blob(storage, digest, size, deep=deep)
        if message is not None:
            yield Finding(True, message)
    for digest in sorted(present - needed.keys()):
        yield Finding(False, f"blob {digest} is not needed by anything")


def _blob(storage: Storage, digest: str, size: int | None, *, deep: bool) -> str | None:
    try:
        found = storage.blobs.size(digest)
        if size is not None and found != size:
            return f"blob {digest} has {found} bytes; {size} were received"
        if deep:
            storage.blobs.verify(digest)
    except (BlobMissing, BlobDamaged) as error:
        return str(error)
    return None
