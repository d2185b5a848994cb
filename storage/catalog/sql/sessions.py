"""Logins as functions of a `Connection`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from storage.catalog.folio.rows import Session
from storage.catalog.tables import sessions
from storage.schema import columns_of, one


def add(connection: Connection, new: Sequence[Session], now: datetime) -> None:
    """Adds sessions, and removes expired ones."""
    connection.execute(delete(sessions).where(sessions.c.expires <= now))
    connection.execute(insert(sessions), [asdict(session) for session in new])


def get(connection: Connection, hash: str) -> Session | None:
    query = select(*columns_of(sessions, Session)).where(sessions.c.hash == hash)
    return one(Session, connection.execute(query).one_or_none())


def remove(connection: Connection, hash: str) -> bool:
    return connection.execute(delete(sessions).where(sessions.c.hash == hash)).rowcount == 1
