"""Identifiers and API keys in the form the vendor's platform gives them (Haplo): 33 random bytes, 44 characters."""

import base64
import hashlib
import hmac
import secrets as system

from server.engine.clock import Clock
from storage.catalog.base import Catalog
from storage.catalog.sql import secrets as sql

PREFIX_LENGTH = 16  # stored in clear, to find the key by


class SharedSecrets:
    """Random bytes that all processes on one data directory share."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def get(self, name: str) -> bytes:
        """Returns the secret of this name, made when first asked for."""
        return await self._catalog.write(sql.get_or_make, name, self._clock())


def new_identifier() -> str:
    """Returns Base64 with `_` and `-`. It starts and ends alphanumeric, so a double click selects it all."""
    text = base64.b64encode(system.token_bytes(33), b"_-").decode()
    first, last = (character if character.isalnum() else "0" for character in (text[0], text[-1]))
    return first + text[1:-1] + last


def prefix_of(secret: str) -> str:
    return secret[:PREFIX_LENGTH]


def hash_of(secret: str) -> str:
    """Returns the SHA-256 of what follows the prefix: 28 random characters need no slow hash."""
    return hashlib.sha256(secret[PREFIX_LENGTH:].encode("utf-8", "surrogateescape")).hexdigest()


def matches(secret: str, hash: str) -> bool:
    """Whether a secret has this hash, compared in constant time."""
    return hmac.compare_digest(hash_of(secret), hash)
