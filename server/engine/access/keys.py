"""API keys: created, shown once, checked, rotated and revoked."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from server.engine.access.scopes import ADMIN, OF_ALL_TENANTS
from server.engine.access.secrets import PREFIX_LENGTH, hash_of, matches, new_identifier, prefix_of
from server.engine.clock import Clock
from server.engine.errors import KeyForbidden, KeyNotFound, KeyUnknown, RequestInvalid
from storage.catalog.base import Catalog
from storage.catalog.base import Key as Key
from storage.catalog.sql import keys as sql

KeyState = Literal["active", "replaced", "expired", "revoked"]
REMEMBERED = 0.5  # seconds that a key is trusted before it is read again
_TOUCH_EVERY = timedelta(minutes=1)
_REMEMBERED_KEYS = 1000


@dataclass(frozen=True, slots=True)
class _Seen:
    key: Key
    until: float


class Keys:
    """Creates, checks and revokes keys. With `everybody`, each request is an administrator's (`--no-auth`)."""

    def __init__(
        self, catalog: Catalog, clock: Clock, *, everybody: bool = False, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._steady = steady
        self.everybody = everybody
        self._seen: dict[str, _Seen] = {}
        self._reading: dict[str, asyncio.Task[Key | None]] = {}
        self._touching: set[asyncio.Task[None]] = set()

    async def create(
        self, name: str, scopes: Collection[str], tenants: Collection[str] = (), expires: datetime | None = None
    ) -> tuple[Key, str]:
        """Returns a new key and its secret, which is not stored and cannot be shown again."""
        if not scopes:
            raise RequestInvalid("a key needs at least one scope")
        boundless = [scope for scope in scopes if scope in OF_ALL_TENANTS]
        if tenants and boundless:
            raise RequestInvalid(f"the scope {boundless[0]} sees all tenants; leave out the tenants, or this scope")
        secret, now = new_identifier(), self._clock()
        key = await self._catalog.write(
            sql.add,
            name=name,
            prefix=prefix_of(secret),
            hash=hash_of(secret),
            scopes=scopes,
            tenants=tenants,
            created=now,
            expires=expires,
        )
        return key, secret

    async def authorize(self, secret: str, scope: str) -> Key:
        """Returns the key of a secret. Raises KeyUnknown, or KeyForbidden if the key lacks the scope."""
        key = await self.authenticate(secret)
        if scope not in key.scopes and ADMIN.name not in key.scopes:
            raise KeyForbidden(scope)
        if scope in OF_ALL_TENANTS and key.tenants:
            raise KeyForbidden(scope)
        return key

    async def authenticate(self, secret: str) -> Key:
        """Returns the key of a secret, with any scopes. Raises KeyUnknown."""
        if self.everybody:
            return self._administrator()
        if len(secret) <= PREFIX_LENGTH:
            raise KeyUnknown
        now = self._clock()
        key = await self._recall(prefix_of(secret))
        if key is None or not matches(secret, key.hash) or not _is_valid(key, now):
            raise KeyUnknown
        self._touch(key, now)
        return key

    async def valid_key(self, id: int) -> Key:
        """Returns a key that a session has authenticated before. Raises KeyUnknown if it is no longer valid."""
        if self.everybody:
            return self._administrator()
        key = await self._catalog.read(sql.get, id)
        if key is None or not _is_valid(key, self._clock()):
            raise KeyUnknown
        return key

    async def list(self) -> Sequence[Key]:
        return await self._catalog.read(sql.every)

    async def get(self, id: int) -> Key:
        """Returns the key of this id. Raises KeyNotFound."""
        key = await self._catalog.read(sql.get, id)
        if key is None:
            raise KeyNotFound(str(id))
        return key

    def state(self, key: Key) -> KeyState:
        """Returns the state of a key. A replaced key works until it expires."""
        if key.revoked is not None:
            return "revoked"
        if not _is_valid(key, self._clock()):
            return "expired"
        return "active" if key.replaced_by is None else "replaced"

    async def revoke(self, id: int) -> Key:
        now = self._clock()
        if not await self._catalog.write(sql.revoke, id, now):
            raise KeyNotFound(str(id))
        self._seen.clear()
        return await self.get(id)

    async def rotate(self, id: int, overlap: timedelta) -> tuple[Key, str]:
        """Creates a successor with the same rights. The old key works for `overlap` more."""
        old = await self.get(id)
        key, secret = await self.create(old.name, old.scopes, old.tenants, old.expires)
        ends = self._clock() + overlap
        await self._catalog.write(sql.replace, id, key.id, ends)
        self._seen.clear()
        return key, secret

    async def close(self) -> None:
        await asyncio.gather(*self._touching)

    async def _recall(self, prefix: str) -> Key | None:
        seen = self._seen.get(prefix)
        if seen is not None and self._steady() < seen.until:
            return seen.key
        key = await self._read(prefix)
        if key is None:
            self._seen.pop(prefix, None)
            return None
        if len(self._seen) >= _REMEMBERED_KEYS:
            self._seen.clear()
        self._seen[prefix] = _Seen(key, self._steady() + REMEMBERED)
        return key

    async def _read(self, prefix: str) -> Key | None:
        """Reads a key once for all requests that ask for it at the same time."""
        if prefix not in self._reading:
            read = self._catalog.read(sql.with_prefix, prefix)
            self._reading[prefix] = task = asyncio.ensure_future(read)
            task.add_done_callback(lambda _: self._reading.pop(prefix, None))
        return await asyncio.shield(self._reading[prefix])

    def _touch(self, key: Key, now: datetime) -> None:
        """Notes the use of a key, at most once a minute. No request waits for the write."""
        if key.last_used is not None and abs(now - key.last_used) < _TOUCH_EVERY:
            return
        seen = self._seen.get(key.prefix)
        if seen is None or seen.key.last_used != key.last_used:
            return  # another request of this moment has noted it
        self._seen.pop(key.prefix)
        task = asyncio.create_task(self._catalog.write(sql.touch, key.id, now))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    def _administrator(self) -> Key:
        return Key(
            id=0,
            name="no-auth",
            prefix="",
            hash="",
            scopes=(ADMIN.name,),
            tenants=(),
            created=self._clock(),
            expires=None,
            revoked=None,
            last_used=None,
            replaced_by=None,
        )


def _is_valid(key: Key, now: datetime) -> bool:
    return key.revoked is None and (key.expires is None or now < key.expires)
