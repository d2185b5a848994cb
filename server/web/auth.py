"""Who is asking: credentials taken from headers, and the gate that every request with a key passes."""

import base64
import binascii
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from aiohttp import web

from server.engine.errors import KeyMissing, KeyThrottled, KeyUnknown
from server.engine.keys import Key
from server.web.access_log import KEY_ID


class Basic(NamedTuple):
    user: str
    password: str


def basic_credentials(headers: Mapping[str, str]) -> Basic | None:
    """What `Authorization: Basic` holds; None where it is absent or not well formed."""
    encoded = _after_scheme(headers.get("Authorization", ""), "basic")
    if encoded is None:
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return Basic(user, password) if colon else None


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """What `Authorization: Bearer` holds."""
    return _after_scheme(headers.get("Authorization", ""), "bearer") or None


def scheme_key(headers: Mapping[str, str], scheme: str) -> str | None:
    """A key sent as `Authorization: SCHEME KEY`, the scheme in any case."""
    return _after_scheme(headers.get("Authorization", ""), scheme.lower()) or None


def header_key(headers: Mapping[str, str], name: str) -> str | None:
    """A key sent in a header of its own; an empty one is none."""
    return headers.get(name, "").strip() or None


def _after_scheme(value: str, scheme: str) -> str | None:
    word, _, rest = value.strip().partition(" ")
    return rest.strip() if word.lower() == scheme else None


class Failures(NamedTuple):
    since: float
    times: int = 0


@dataclass
class Throttle:
    """Failed attempts of an address within a window. Bounded: the address idle longest is forgotten first."""

    allowed: int = 20
    window: float = 60.0  # seconds
    addresses: int = 10_000
    _failures: OrderedDict[str, Failures] = field(default_factory=OrderedDict, init=False, repr=False)

    def blocks(self, address: str, now: float) -> bool:
        if not self._failures:
            return False
        failures = self._current(_origin(address), now)
        return failures is not None and failures.times >= self.allowed

    def failed(self, address: str, now: float) -> None:
        origin = _origin(address)
        before = self._current(origin, now) or Failures(now)
        self._failures[origin] = Failures(before.since, before.times + 1)
        self._failures.move_to_end(origin)
        if len(self._failures) > self.addresses:
            self._failures.popitem(last=False)

    def _current(self, origin: str, now: float) -> Failures | None:
        failures = self._failures.get(origin)
        if failures is not None and now - failures.since >= self.window:
            del self._failures[origin]
            return None
        return failures


def _origin(address: str) -> str:
    """IPv6 clients choose the last 64 bits freely, so they count together."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)


class Authenticator(Protocol):
    """* `authenticate` answers the key of a secret, or raises KeyUnknown, or KeyForbidden where it lacks the scope."""

    async def authenticate(self, secret: str, scope: str) -> Key: ...


class Gate(Protocol):
    """* `admit` lets a request with a valid key for the scope pass, or raises an AccessRefused."""

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key: ...


class KeyGate:
    """Asks for a key, and stops asking an address that keeps sending wrong ones."""

    def __init__(self, keys: Authenticator, throttle: Throttle, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._throttle = throttle
        self._clock = clock

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key:
        address = request.remote or ""
        if self._throttle.blocks(address, self._clock()):
            raise KeyThrottled
        if secret is None:
            raise KeyMissing
        try:
            if not secret.isascii():
                raise KeyUnknown
            key = await self._keys.authenticate(secret, scope)
        except KeyUnknown:
            self._throttle.failed(address, self._clock())
            raise
        request[KEY_ID] = str(key.id)
        return key


class OpenGate:
    """For `--no-auth` on loopback: everybody may pass."""

    def __init__(self, keys: Authenticator) -> None:
        self._keys = keys

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key:
        return await self._keys.authenticate("", scope)
