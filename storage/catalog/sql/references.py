"""Which blobs the catalog needs."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, or_, select, union

from storage.catalog.tables import (
    batch_files,
    batches,
    control_files,
    file_definitions,
    staged_parts,
    uploaded_files,
)

_PLACES = (
    *(batch_files.c.digest, control_files.c.digest, batches.c.control),
    *(file_definitions.c.digest, staged_parts.c.digest, uploaded_files.c.digest),
)


def refers_to(connection: Connection, digest: str) -> bool:
    """Whether a file, a part of one, a control file or a batch needs the blob."""
    return bool(connection.execute(select(or_(*(exists().where(place == digest) for place in _PLACES)))).scalar())


def digests(connection: Connection) -> Iterator[str]:
    """Returns the digest of every blob that is needed, once."""
    query = union(*(select(place).where(place.is_not(None)) for place in _PLACES))
    yield from connection.execute(query).scalars()
