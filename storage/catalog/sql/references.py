"""Which blobs the catalog needs."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, or_, select, union

from storage.catalog.tables import batch_files, batches, control_files


def refers_to(connection: Connection, digest: str) -> bool:
    """Whether a file, a control file or a batch needs the blob."""
    places = (batch_files.c.digest, control_files.c.digest, batches.c.control)
    return bool(connection.execute(select(or_(*(exists().where(place == digest) for place in places)))).scalar())


def digests(connection: Connection) -> Iterator[str]:
    """Every blob needed, once."""
    places = (batch_files.c.digest, control_files.c.digest, batches.c.control)
    query = union(*(select(place).where(place.is_not(None)) for place in places))
    yield from connection.execute(query).scalars()
