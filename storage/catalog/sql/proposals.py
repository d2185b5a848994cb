"""Imports that wait for a decision, as functions of a `Connection`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from storage.catalog.base import BatchFile
from storage.catalog.tables import batch_files, proposals
from storage.schema import columns_of, one

Decision = Literal["confirmed", "abandoned", "repeated"]


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal. `found` are the samples of its dry run.

    `imported` is the identifier of the batch that followed: the import, or another dry run. `dropped` describes the
    files that were deleted; None: they still exist.
    """

    batch: int
    found: Mapping[str, object] | None
    decision: Decision | None
    decided: datetime | None
    imported: str | None
    dropped: Sequence[Mapping[str, object]] | None


def add(connection: Connection, batch: int) -> None:
    connection.execute(insert(proposals).values(batch=batch))


def get(connection: Connection, batch: int) -> ProposalRow | None:
    query = select(*columns_of(proposals, ProposalRow)).where(proposals.c.batch == batch)
    return one(ProposalRow, connection.execute(query).one_or_none())


def store_samples(connection: Connection, batch: int, found: Mapping[str, object]) -> None:
    """Stores the samples of a dry run, over those of an earlier run of the same batch."""
    connection.execute(update(proposals).where(proposals.c.batch == batch).values(found=dict(found)))


def decide(
    connection: Connection, batch: int, decision: Decision, decided: datetime, imported: str | None = None
) -> bool:
    """Records a decision unless there is one; returns whether it was recorded."""
    open_ = update(proposals).where(proposals.c.batch == batch, proposals.c.decision.is_(None))
    return connection.execute(open_.values(decision=decision, decided=decided, imported=imported)).rowcount == 1


def has_dropped(connection: Connection, batch: int) -> bool:
    """Whether the files of the batch were deleted."""
    row = get(connection, batch)
    return row is not None and bool(row.dropped)


def drop_files(connection: Connection, batch: int, files: Sequence[BatchFile]) -> None:
    """Removes the files from the batch, and keeps a description of them."""
    told = [{"name": f.name, "filename": f.filename, "digest": f.digest, "size": f.size} for f in files]
    connection.execute(update(proposals).where(proposals.c.batch == batch).values(dropped=told))
    connection.execute(delete(batch_files).where(batch_files.c.batch == batch))
