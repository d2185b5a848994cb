"""API keys as functions of a `Connection`."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from storage.catalog.base import Key
from storage.catalog.tables import keys
from storage.schema import columns_of, many, one

_SELECT = select(*columns_of(keys, Key))
_BY_ID = _SELECT.where(keys.c.id == bindparam("key"))
_BY_PREFIX = _SELECT.where(keys.c.prefix == bindparam("start"))


def add(
    connection: Connection,
    *,
    name: str,
    prefix: str,
    hash: str,
    scopes: Collection[str],
    tenants: Collection[str] = (),
    created: datetime,
    expires: datetime | None = None,
) -> Key:
    values = {"name": name, "prefix": prefix, "hash": hash, "created": created, "expires": expires}
    words = {"scopes": tuple(scopes), "tenants": tuple(tenants)}
    row = connection.execute(insert(keys).values(**values, **words).returning(*columns_of(keys, Key)))
    return Key(*row.one())


def get(connection: Connection, key: int) -> Key | None:
    return one(Key, connection.execute(_BY_ID, {"key": key}).one_or_none())


def with_prefix(connection: Connection, prefix: str) -> Key | None:
    return one(Key, connection.execute(_BY_PREFIX, {"start": prefix}).one_or_none())


def every(connection: Connection) -> list[Key]:
    """Returns all keys, oldest first, revoked and expired ones too."""
    return many(Key, connection.execute(_SELECT.order_by(keys.c.id)))


def revoke(connection: Connection, key: int, at: datetime) -> bool:
    """Revokes a key; returns False where there is none. A key revoked before keeps its time."""
    connection.execute(update(keys).where(keys.c.id == key, keys.c.revoked.is_(None)).values(revoked=at))
    return get(connection, key) is not None


def replace(connection: Connection, key: int, by: int, expires: datetime) -> bool:
    """Sets the successor of a key, and the latest time at which the old key ends."""
    old = get(connection, key)
    if old is None:
        return False
    ends = expires if old.expires is None else min(expires, old.expires)
    connection.execute(update(keys).where(keys.c.id == key).values(replaced_by=by, expires=ends))
    return True


def touch(connection: Connection, key: int, at: datetime) -> None:
    connection.execute(update(keys).where(keys.c.id == key).values(last_used=at))
