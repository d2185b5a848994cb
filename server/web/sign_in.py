"""Signs visitors in: a key of scope `admin` becomes a session in an encrypted cookie of this site.

The cookie holds the key's id, never its secret: a key that is revoked ends its sessions with it. Every change needs the
session's token and an Origin of our own (see `own_origin`).
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp_session import Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from server.engine.access.keys import Key
from server.engine.access.scopes import ADMIN
from server.engine.engine import Engine
from server.engine.errors import KeyUnknown
from server.web.access_log import KEY_ID
from server.web.auth import Gate
from server.web.links import is_over_tls, prefix_of

COOKIE = "penstock"
SCOPE = ADMIN.name
TWELVE_HOURS = 12 * 3600
READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in visitor. `token` must come with every change."""

    key: Key
    token: str


class SignIn:
    """The sessions of one server. `seconds` is the lifetime of a session; activity does not extend it."""

    def __init__(self, engine: Engine, gate: Gate, seconds: int = TWELVE_HOURS) -> None:
        self._engine = engine
        self._gate = gate
        self._seconds = seconds
        self._cookies: dict[str, EncryptedCookieStorage] = {}

    async def visitor(self, request: web.Request) -> Visitor | None:
        """Returns the signed-in visitor; None without a session, and after the session or its key has ended."""
        session = await (await self._storage(request)).load_session(request)
        id, token = session.get("key"), session.get("token")
        if not isinstance(id, int) or not isinstance(token, str):
            return None
        try:
            key = await self._engine.access.keys.valid_key(id)
        except KeyUnknown:
            return None
        if SCOPE not in key.scopes:
            return None
        request[KEY_ID] = str(key.id)
        return Visitor(key, token)

    async def admit(self, request: web.Request, secret: str | None) -> Key:
        """Returns the key that a visitor signs in with; raises an AccessRefused. Attempts are limited by address."""
        return await self._gate.admit(request, secret, SCOPE)

    def visit(self, key: Key) -> Visitor:
        """Returns a new session; `enter` sends its cookie."""
        return Visitor(key, secrets.token_urlsafe(32))

    async def enter(self, request: web.Request, response: web.StreamResponse, visitor: Visitor) -> None:
        session = Session(None, data=None, new=True, max_age=self._seconds)
        session["key"], session["token"] = visitor.key.id, visitor.token
        await (await self._storage(request)).save_session(request, response, session)

    async def leave(self, request: web.Request, response: web.StreamResponse) -> None:
        session = Session(None, data=None, new=True, max_age=0)
        await (await self._storage(request)).save_session(request, response, session)

    async def guest(self) -> Visitor | None:
        """Returns a visitor without a key, with `--no-auth`; None otherwise."""
        if not self._engine.access.keys.everybody:
            return None
        return self.visit(await self._engine.access.keys.valid_key(0))

    def own_origin(self, request: web.Request) -> bool:
        """Whether a change comes from a page of this site; browsers always send the origin of a change."""
        origin = request.headers.get(hdrs.ORIGIN) or request.headers.get(hdrs.REFERER)
        if origin is None:
            return False
        ours = {request.host.lower()}
        if self._engine.config.public_url is not None:
            ours.add(urlsplit(self._engine.config.public_url).netloc.lower())
        return _netloc(origin) in ours - {""}

    async def _storage(self, request: web.Request) -> EncryptedCookieStorage:
        """Returns the cookie storage; the cookie is for TLS only where visitors connect over TLS."""
        secure = is_over_tls(request, self._engine.config.public_url)
        guard = cookie_guard(secure, prefix_of(request))
        if guard not in self._cookies:
            secret = await self._engine.access.secrets.get("session")
            self._cookies[guard] = EncryptedCookieStorage(
                secret,
                cookie_name=cookie_name(secret, guard),
                max_age=self._seconds,
                secure=secure,
                httponly=True,
                samesite="Strict",
            )
        return self._cookies[guard]


def cookie_guard(secure: bool, prefix: str) -> str:
    """Returns the prefix of a cookie's name. With `__Host-` no other host of the domain can set the cookie."""
    if not secure:
        return ""
    return "__Secure-" if prefix else "__Host-"


def cookie_name(secret: bytes, guard: str) -> str:
    """Returns a name of its own for each data directory, because cookies ignore ports."""
    return f"{guard}{COOKIE}-{hashlib.sha256(secret).hexdigest()[:8]}"


class SessionGate:
    """A gate for reading: it accepts a key, or the session of a signed-in visitor."""

    def __init__(self, gate: Gate, sign_in: SignIn) -> None:
        self._gate = gate
        self._sign_in = sign_in

    async def admit(self, request: web.Request, secret: str | None, scope: str) -> Key:
        if secret is None and request.method in READING:
            visitor = await self._sign_in.visitor(request)
            if visitor is not None:
                return visitor.key
        return await self._gate.admit(request, secret, scope)

    async def counted(self, request: web.Request, secret: str, look_up: Awaitable[Key]) -> Key:
        return await self._gate.counted(request, secret, look_up)


def same_token(visitor: Visitor, sent: object) -> bool:
    """Compares the token in constant time."""
    return isinstance(sent, str) and hmac.compare_digest(sent.encode(), visitor.token.encode())


def _netloc(address: str) -> str:
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""
