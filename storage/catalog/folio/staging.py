"""Uploads that come in parts, as functions of a `Connection`."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from storage.catalog.folio.rows import StagedPart, StagedUpload
from storage.catalog.tables import staged_parts, staged_uploads
from storage.schema import columns_of, many, one


def add(connection: Connection, new: StagedUpload) -> None:
    connection.execute(insert(staged_uploads), asdict(new))


def get(connection: Connection, id: str) -> StagedUpload | None:
    query = select(*columns_of(staged_uploads, StagedUpload)).where(staged_uploads.c.id == id)
    return one(StagedUpload, connection.execute(query).one_or_none())


def parts(connection: Connection, id: str) -> list[StagedPart]:
    """Returns the parts in order."""
    query = select(*columns_of(staged_parts, StagedPart)).where(staged_parts.c.upload == id)
    return many(StagedPart, connection.execute(query.order_by(staged_parts.c.number)))


def put_part(connection: Connection, part: StagedPart) -> str | None:
    """Stores a part; returns the digest of the part that it replaces, if any."""
    same = (staged_parts.c.upload == part.upload, staged_parts.c.number == part.number)
    before = connection.execute(select(staged_parts.c.digest).where(*same)).scalar()
    connection.execute(delete(staged_parts).where(*same))
    connection.execute(insert(staged_parts), asdict(part))
    return before


def remove(connection: Connection, id: str) -> list[str]:
    """Removes the upload and returns the digests of its parts."""
    digests = [part.digest for part in parts(connection, id)]
    connection.execute(delete(staged_parts).where(staged_parts.c.upload == id))
    connection.execute(delete(staged_uploads).where(staged_uploads.c.id == id))
    return digests


def begun_before(connection: Connection, moment: datetime) -> list[str]:
    return list(connection.execute(select(staged_uploads.c.id).where(staged_uploads.c.created < moment)).scalars())
