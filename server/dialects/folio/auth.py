"""Authentication: keys and sessions in FOLIO's headers and cookies, the tenant, and the endpoints to log in."""

import base64
import binascii
from collections.abc import Iterable, Mapping

import orjson
from aiohttp import web

from server.dialects.folio.errors import HeaderWrong
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import FolioLogin, read
from server.engine.access.callers import Caller
from server.engine.access.keys import Key
from server.engine.access.sessions import Login, is_session, user_id
from server.engine.engine import Engine
from server.engine.errors import KeyForbidden, KeyMissing, KeyUnknown
from server.web.auth import Gate, header_key
from server.web.body import expect_later, read_bytes
from server.web.links import is_over_tls

SCOPE = "folio"
ACCESS_COOKIE = "folioAccessToken"
REFRESH_COOKIE = "folioRefreshToken"
TENANT_HEADER = "x-okapi-tenant"
NO_TENANT = "Unable to process request Tenant must be set"
ACTION = web.RequestKey("folio_action", str)  # what the request is to do, for the text of a refusal
_SMALL = 64 * 1024  # bytes; a name and a password


class RequestAuth:
    """Authenticates requests: by keys, and by the sessions of FOLIO's login."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.engine = engine
        self._gate = gate

    async def admit(self, request: web.Request) -> Caller:
        """Returns who sends a request. The key is checked first: without one, no other fault is reported."""
        token = token_of(request)
        key = await self._key(request, token)
        return Caller(self._tenant(request, key), user_of(request.headers, token))

    async def _key(self, request: web.Request, token: str | None) -> Key:
        if token is None or not is_session(token) or self.engine.access.keys.everybody:
            return await self._gate.admit(request, token, SCOPE)
        return await self._by_session(request, token, "access")

    async def _by_session(self, request: web.Request, token: str, kind: str) -> Key:
        tenant = _tenant_of(request)
        found = self.engine.access.sessions.key(token, SCOPE, tenant, "refresh" if kind == "refresh" else "access")
        return await self._gate.counted(request, token, found)

    def _tenant(self, request: web.Request, key: Key) -> str:
        tenant = _tenant_of(request)
        if not tenant:
            raise HeaderWrong(NO_TENANT)
        if key.tenants and tenant not in key.tenants:
            raise KeyForbidden(SCOPE)
        return tenant

    async def login(self, request: web.Request) -> tuple[Login, str]:
        """Checks a name and a key, and begins a session; returns the session and its tenant."""
        given = read(await read_bytes(self.engine.uploads, request, max_bytes=_SMALL), FolioLogin)
        key = await self._gate.admit(request, given.password, SCOPE)
        if key.name != given.username and not self.engine.access.keys.everybody:
            raise KeyUnknown
        tenant = self._tenant(request, key)
        return await self.engine.access.sessions.begin(key, given.username, tenant), tenant

    async def refresh(self, request: web.Request) -> Login:
        token = request.cookies.get(REFRESH_COOKIE)
        if token is None:
            raise KeyMissing
        key = await self._by_session(request, token, "refresh")
        tenant = self._tenant(request, key)
        await self.engine.access.sessions.end(token)
        return await self.engine.access.sessions.begin(key, key.name, tenant)

    async def logout(self, request: web.Request) -> None:
        for token in (token_of(request), request.cookies.get(REFRESH_COOKIE)):
            if token is not None and is_session(token):
                await self.engine.access.sessions.end(token)


def _tenant_of(request: web.Request) -> str:
    """Returns the tenant of a request, or an empty text if it names none."""
    tenant = request.headers.get(TENANT_HEADER, "").strip()
    if not tenant.isprintable():
        raise HeaderWrong(f"{TENANT_HEADER} is {tenant[:40]!r}, should be a name of printable letters")
    return tenant


class LoginApi:
    """The endpoints that clients call first: log in, refresh, log out, and find the user."""

    prefixes = ("/authn", "/bl-users", "/consortia")

    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.post("/authn/login-with-expiry", self.login, expect_handler=expect_later)
        yield web.post("/authn/refresh", self.refresh)
        yield web.post("/authn/logout", self.logout)
        yield web.get("/bl-users/by-username/{user}", self.user)

    async def login(self, request: web.Request) -> web.Response:
        request[ACTION] = "log in"
        login, _ = await self._auth.login(request)
        return self._logged_in(request, login)

    async def refresh(self, request: web.Request) -> web.Response:
        request[ACTION] = "refresh the session"
        return self._logged_in(request, await self._auth.refresh(request))

    async def logout(self, request: web.Request) -> web.Response:
        request[ACTION] = "log out"
        await self._auth.logout(request)
        response = web.Response(status=204)
        response.del_cookie(ACCESS_COOKIE)
        response.del_cookie(REFRESH_COOKIE, path="/authn")
        return response

    async def user(self, request: web.Request) -> web.Response:
        """Shows a user. Every name is a user: there is no directory of users."""
        request[ACTION] = "get user"
        await self._auth.admit(request)
        name = request.match_info["user"]
        user = {"username": name, "id": user_id(name), "active": True, "personal": {"lastName": name}}
        return web.Response(body=wire.document({"user": user}), content_type="application/json")

    def _logged_in(self, request: web.Request, login: Login) -> web.Response:
        ends = {
            "accessTokenExpiration": wire.second(login.access.expires),
            "refreshTokenExpiration": wire.second(login.refresh.expires),
        }
        secure = is_over_tls(request, self._auth.engine.config.public_url)
        response = web.Response(status=201, body=wire.document(ends), content_type="application/json")
        for name, token, path in ((ACCESS_COOKIE, login.access, "/"), (REFRESH_COOKIE, login.refresh, "/authn")):
            response.set_cookie(name, token.text, path=path, httponly=True, secure=secure, samesite="Lax", expires=None)
        return response


def token_of(request: web.Request) -> str | None:
    return header_key(request.headers, "x-okapi-token") or request.cookies.get(ACCESS_COOKIE) or None


def user_of(headers: Mapping[str, str], token: str | None) -> str | None:
    """Returns the user's id from its header, or else from the payload of the token."""
    for candidate in (headers.get("x-okapi-user-id", "").strip(), _payload(token or "").get("user_id")):
        if isinstance(candidate, str) and wire.is_uuid(candidate):
            return candidate
    return None


def _payload(token: str) -> wire.Document:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return payload if isinstance(payload, dict) else {}
