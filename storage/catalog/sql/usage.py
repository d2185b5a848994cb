"""Which control files and processes batches use, as functions of a `Connection`. An index answers each."""

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from storage.catalog.base import Batch, ControlFile
from storage.catalog.tables import batches, control_files
from storage.schema import columns_of, many, one

_BATCH = select(*columns_of(batches, Batch))


def entries_of_control(connection: Connection, digest: str, limit: int = 50) -> list[ControlFile]:
    """Returns the entries of a control file, each with its comment and API, newest first."""
    query = select(*columns_of(control_files, ControlFile)).where(control_files.c.digest == digest)
    return many(ControlFile, connection.execute(query.order_by(control_files.c.id.desc()).limit(limit)))


def with_control(connection: Connection, digest: str, *, before: int | None = None, limit: int = 50) -> list[Batch]:
    """Returns batches with this control file, newest first; `before` is the last id on the page before."""
    query = _BATCH.where(batches.c.control == digest)
    if before is not None:
        query = query.where(batches.c.id < before)
    return many(Batch, connection.execute(query.order_by(batches.c.id.desc()).limit(limit)))


def count_with_control(connection: Connection, digests: Collection[str], most: int) -> dict[str, int]:
    """Counts the batches of each digest, up to `most`."""
    return {digest: _count(connection, digest, most) for digest in digests}


def latest_of_processes(connection: Connection, processes: Collection[str]) -> dict[str, Batch]:
    """Returns the newest batch of each process that has one."""
    found = {process: _latest(connection, process) for process in processes}
    return {process: batch for process, batch in found.items() if batch is not None}


def _count(connection: Connection, digest: str, most: int) -> int:
    some = select(batches.c.id).where(batches.c.control == digest).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _latest(connection: Connection, process: str) -> Batch | None:
    query = _BATCH.where(batches.c.process == process).order_by(batches.c.id.desc()).limit(1)
    return one(Batch, connection.execute(query).one_or_none())
