"""Random bytes that every process on one data directory must share, as functions of a `Connection`."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, insert, select

from storage.catalog.tables import secrets as table

LENGTH = 32


def get(connection: Connection, name: str) -> bytes | None:
    value: bytes | None = connection.execute(select(table.c.value).where(table.c.name == name)).scalar()
    return value


def get_or_make(connection: Connection, name: str, now: datetime) -> bytes:
    """Returns the secret of this name, and makes it on first use."""
    found = get(connection, name)
    if found is None:
        found = secrets.token_bytes(LENGTH)
        connection.execute(insert(table), {"name": name, "value": found, "created": now})
    return found
