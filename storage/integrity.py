"""Checks whether the catalog is whole."""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select, text

from storage.catalog.tables import (
    batch_files,
    batches,
    control_files,
    file_definitions,
    staged_parts,
    uploaded_files,
)
from storage.queues.tables import jobs


def findings(connection: Connection) -> list[str]:
    """Returns a sentence for each fault: from the database's own checks, and for jobs whose counts do not add up."""
    return [*_pages(connection), *_references(connection), *_sums(connection)]


def sizes(connection: Connection) -> dict[str, int | None]:
    """Returns every blob that is needed, with its size if the catalog has it."""
    needed: dict[str, int | None] = {}
    for column in (control_files.c.digest, batches.c.control, jobs.c.control):
        needed |= dict.fromkeys(connection.execute(select(column).where(column.is_not(None)).distinct()).scalars())
    for files in (batch_files, file_definitions, staged_parts, uploaded_files):
        received = select(files.c.digest, func.max(files.c.size)).where(files.c.digest.is_not(None))
        needed |= {row[0]: row[1] for row in connection.execute(received.group_by(files.c.digest))}
    return needed


def _pages(connection: Connection) -> Iterator[str]:
    for (finding,) in connection.execute(text("PRAGMA integrity_check")):
        if finding != "ok":
            yield f"catalog.db: {finding}"


def _references(connection: Connection) -> Iterator[str]:
    for table, row, target, _ in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"catalog.db: {table} row {row} refers to a row of {target} that does not exist"


def _sums(connection: Connection) -> Iterator[str]:
    parts = (jobs.c[f"count_{name}"] for name in ("created", "updated", "unchanged", "deleted", "failed", "skipped"))
    total = sum(parts, jobs.c.count_read * 0)
    for job, read, accounted in connection.execute(select(jobs.c.id, jobs.c.count_read, total)):
        if read != accounted:
            yield f"job {job}: {read} records were read, but {accounted} are accounted for"
