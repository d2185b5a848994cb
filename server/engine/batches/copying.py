"""Copies a batch: the copy has the same control file and the same files, and can be run."""

from datetime import datetime

from sqlalchemy import Connection

from server.engine.batches.scheduling import NewBatchFile, add_file, new_batch
from server.engine.errors import BatchNotFound, BatchWrongState, RequestInvalid
from storage.catalog.base import Batch, Key, NewBatch
from storage.catalog.sql import batches as sql
from storage.catalog.sql import proposals

ENDED = ("complete", "dry-run", "error", "cancelled")
COPIED_FROM = "copied_from"
COPIES = "copies"
_MOST_COPIES = 20  # that the first batch remembers
_OWN = (COPIED_FROM, COPIES, "transaction", "jobExecutionId")  # properties that concern the first batch alone


def copy_batch(connection: Connection, identifier: str, key: Key, now: datetime) -> Batch:
    """Adds the copy. Raises BatchWrongState before the batch has ended, RequestInvalid if it has no control file."""
    batch = sql.with_identifier(connection, identifier)
    if batch is None:
        raise BatchNotFound(identifier)
    if batch.state not in ENDED:
        raise BatchWrongState(identifier, "' or '".join(ENDED))
    if batch.control is None:
        raise RequestInvalid("this batch has no control file: its workbook says what to do; load it again instead")
    copy = sql.add(connection, _copy_of(batch, key, now))
    link_copy(connection, batch, copy)
    return copy


def link_copy(connection: Connection, batch: Batch, copy: Batch) -> None:
    """Gives a new batch the files of another, which remembers it. Raises RequestInvalid where they are gone."""
    files = sql.files_for_run(connection, batch.id)
    if not files and proposals.has_dropped(connection, batch.id):
        raise RequestInvalid("the files of this batch are gone: it was abandoned; send them again")
    for file in files:
        again = NewBatchFile(file.name, file.filename, file.digest, file.size)
        add_file(connection, copy.id, again, copy.created, copy.state)
    sql.set_properties(connection, batch.id, _with_copy(batch, copy.identifier))


def copies_of(batch: Batch) -> list[str]:
    """Returns the identifiers of the latest copies."""
    copies = batch.properties.get(COPIES)
    return [str(identifier) for identifier in copies] if isinstance(copies, list) else []


def _with_copy(batch: Batch, identifier: str) -> dict[str, object]:
    return {**batch.properties, COPIES: [*copies_of(batch), identifier][-_MOST_COPIES:]}


def _copy_of(batch: Batch, key: Key, now: datetime) -> NewBatch:
    return new_batch(
        batch.api,
        f"{batch.comment} (copy)",
        now,
        key,
        state="ready",
        process=batch.process,
        control=batch.control,
        tenant=batch.tenant,
        properties={name: value for name, value in batch.properties.items() if name not in _OWN}
        | {COPIED_FROM: batch.identifier},
    )
