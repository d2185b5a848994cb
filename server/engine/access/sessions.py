"""Sessions: a client shows its key once and gets tokens that live for minutes."""

import base64
import hashlib
import secrets as system
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

import orjson
from sqlalchemy import Connection

from server.engine.clock import Clock
from server.engine.errors import KeyForbidden, KeyUnknown
from storage.catalog.base import Catalog, Key
from storage.catalog.folio.rows import Session
from storage.catalog.sql import keys as key_sql
from storage.catalog.sql import sessions as sql

Kind = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token `header.payload.secret`. Clients may read the payload; the server checks only the whole text."""

    text: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    access: Token
    refresh: Token


class Sessions:
    def __init__(self, catalog: Catalog, clock: Clock, access_seconds: int, refresh_seconds: int) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lives = {"access": timedelta(seconds=access_seconds), "refresh": timedelta(seconds=refresh_seconds)}

    async def begin(self, key: Key, user: str, tenant: str) -> Login:
        access, refresh = (self._token(kind, user, tenant) for kind in ("access", "refresh"))
        new = [
            Session(_hash(access.text), key.id, "access", tenant, access.expires),
            Session(_hash(refresh.text), key.id, "refresh", tenant, refresh.expires),
        ]
        if key.id:  # without keys there is nothing to check later
            await self._catalog.write(sql.add, new, self._clock())
        return Login(user_id(user), access, refresh)

    async def key(self, token: str, scope: str, tenant: str, kind: Kind = "access") -> Key:
        """Returns the key that began the session. Raises KeyUnknown, or KeyForbidden if the key lacks the scope."""
        key = await self._catalog.read(self._key, token, tenant, kind)
        if key is None:
            raise KeyUnknown
        if scope not in key.scopes and "admin" not in key.scopes:
            raise KeyForbidden(scope)
        return key

    async def end(self, token: str) -> None:
        await self._catalog.write(sql.remove, _hash(token))

    def _token(self, kind: str, user: str, tenant: str) -> Token:
        now = self._clock()
        expires = now + self._lives[kind]
        payload = {
            "sub": user,
            "user_id": user_id(user),
            "tenant": tenant,
            "type": kind,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        parts = (orjson.dumps({"alg": "none", "typ": "JWT"}), orjson.dumps(payload), system.token_bytes(32))
        return Token(".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), expires)

    def _key(self, connection: Connection, token: str, tenant: str, kind: Kind) -> Key | None:
        session, now = sql.get(connection, _hash(token)), self._clock()
        if session is None or (session.tenant, session.kind) != (tenant, kind):
            return None
        if not now < session.expires <= now + 2 * self._lives[kind]:  # later: begun by a clock that was far ahead
            return None
        key = key_sql.get(connection, session.key)
        if key is None or key.revoked is not None or (key.expires is not None and key.expires <= now):
            return None
        return key


def is_session(token: str) -> bool:
    """Whether a text is a session token: tokens have two dots, keys have none."""
    return token.count(".") == 2


def user_id(user: str) -> str:
    """Returns the id of a user, always the same for the same name."""
    return str(uuid5(NAMESPACE_URL, f"penstock:user:{user}"))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
