"""Reads credentials from headers, and holds the gate that checks the key of every request."""

import base64
import binascii
import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from aiohttp import web

from server.engine.access.keys import Key
from server.engine.errors import KeyMissing, KeyThrottled, KeyUnknown
from server.web.access_log import KEY_ID


class Basic(NamedTuple):
    user: str
    password: str


def basic_credentials(headers: Mapping[str, str]) -> Basic | None:
    """Returns the credentials of `Authorization: Basic`; None where it is absent or malformed."""
    encoded = _after_scheme(headers.get("Authorization", ""), "basic")
    if encoded is None:
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    user, colon, password = data.partition(b":")
    return Basic(_text(user), _text(password)) if colon else None


def _text(data: bytes) -> str:
    """Decodes UTF-8, else Latin-1: RFC 7617 names no charset, and clients send both."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Returns the token of `Authorization: Bearer`."""
    return _after_scheme(headers.get("Authorization", ""), "bearer") or None


def key_in(headers: Mapping[str, str]) -> str | None:
    """Returns a bearer token, or the password of Basic (the user where the password is empty)."""
    basic = basic_credentials(headers)
    return bearer_token(headers) if basic is None else basic.password or basic.user or None


def scheme_key(headers: Mapping[str, str], scheme: str) -> str | None:
    """Returns a key sent as `Authorization: SCHEME KEY`, the scheme in any case."""
    return _after_scheme(headers.get("Authorization", ""), scheme.lower()) or None


def header_key(headers: Mapping[str, str], name: str) -> str | None:
    """Returns a key sent in a header of its own; None for an empty header."""
    return headers.get(name, "").strip() or None


def _after_scheme(value: str, scheme: str) -> str | None:
    word, _, rest = value.strip().partition(" ")
    return rest.strip() if word.lower() == scheme else None


class Failures(NamedTuple):
    since: float
    times: int = 0


@dataclass
class Throttle:
    """Counts wrong keys within a window, by sender address and by key. It forgets the oldest entry first."""

    allowed: int = 20
    window: float = 60.0  # seconds
    most: int = 10_000
    _failures: OrderedDict[str, Failures] = field(default_factory=OrderedDict, init=False, repr=False)

    def wait(self, sender: str, now: float) -> float:
        """Returns the seconds until the sender may try again; 0 where it may now."""
        failures = self._current(sender, now)
        if failures is None or failures.times < self.allowed:
            return 0
        return failures.since + self.window - now

    def failed(self, sender: str, now: float) -> None:
        before = self._current(sender, now) or Failures(now)
        self._failures[sender] = Failures(before.since, before.times + 1)
        self._failures.move_to_end(sender)
        if len(self._failures) > self.most:
            self._failures.popitem(last=False)

    def _current(self, sender: str, now: float) -> Failures | None:
        failures = self._failures.get(sender)
        if failures is not None and now - failures.since >= self.window:
            del self._failures[sender]
            return None
        return failures


def sender_at(address: str) -> str:
    """Returns who is counted as one sender. An IPv6 client chooses its last 64 bits freely, so a /64 counts as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)


class Authenticator(Protocol):
    """* `authorize` returns the key of a secret, or raises KeyUnknown, or KeyForbidden where it lacks the scope."""

    async def authorize(self, secret: str, scope: str) -> Key: ...


class Gate(Protocol):
    """* `admit` lets a request with a valid key for the scope pass, or raises an AccessRefused.
    * `counted` does the same for another kind of secret: `look_up` returns its key or raises KeyUnknown.
    """

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key: ...

    async def counted(self, request: web.Request, secret: str, look_up: Awaitable[Key]) -> Key: ...


class KeyGate:
    """Requires a key. Wrong keys are slowed down, by address and by key; a right key always passes."""

    def __init__(self, keys: Authenticator, throttle: Throttle, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._throttle = throttle
        self._clock = clock

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key:
        if secret is None:
            raise KeyMissing
        return await self.counted(request, secret, self._key(secret, scope))

    async def counted(self, request: web.Request, secret: str, look_up: Awaitable[Key]) -> Key:
        try:
            key = await look_up
        except KeyUnknown:
            self._slow_down(request.remote or "", secret)
            raise
        request[KEY_ID] = str(key.id)
        return key

    async def _key(self, secret: str, scope: str) -> Key:
        if not secret.isascii():
            raise KeyUnknown
        return await self._keys.authorize(secret, scope)

    def _slow_down(self, address: str, secret: str) -> None:
        now = self._clock()
        senders = (sender_at(address), "key " + hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest())
        if wait := max(self._throttle.wait(sender, now) for sender in senders):
            raise KeyThrottled.until(wait)
        for sender in senders:
            self._throttle.failed(sender, now)


class OpenGate:
    """Lets every request pass, for `--no-auth` on loopback."""

    def __init__(self, keys: Authenticator) -> None:
        self._keys = keys

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key:
        return await self._keys.authorize("", scope)

    async def counted(self, request: web.Request, secret: str, look_up: Awaitable[Key]) -> Key:
        return await look_up
