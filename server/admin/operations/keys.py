"""The pages of keys: list, create, rotate, revoke. A secret is shown once, right after its creation."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from aiohttp import web

from server.admin.site import VISITOR, Site
from server.engine.access.keys import Key
from server.engine.access.scopes import ADMIN, OF_ALL_TENANTS
from server.engine.errors import KeyNotFound

PATH = "/admin/keys"
LONGEST_NAME = 200
OVERLAPS = {0: "not at all", 1: "1 day", 7: "7 days", 30: "30 days", 90: "90 days"}


class KeyPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._keys = site.engine.access.keys
        self._scopes = [*(scope for dialect in site.dialects for scope in dialect.scopes), ADMIN]

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.get(PATH + "/new", self._ask)
        yield web.post(PATH + "/new", self._create)
        yield web.get(PATH + "/{id}/rotate", self._ask_overlap)
        yield web.post(PATH + "/{id}/rotate", self._rotate)
        yield web.get(PATH + "/{id}/revoke", self._ask_revoke)
        yield web.post(PATH + "/{id}/revoke", self._revoke)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        keys = [(key, self._keys.state(key)) for key in reversed(await self._keys.list())]
        return await self._site.page(request, "keys.html", keys=keys, own=request[VISITOR].key.id)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        return await self._form(request, {}, [])

    async def _create(self, request: web.Request) -> web.StreamResponse:
        typed = await self._site.form(request)
        problems: list[str] = []
        name, scopes = _name(typed, problems), self._chosen(typed, problems)
        expires = _expiry(typed, problems)
        tenants = [line.strip() for line in typed.get("tenants", "").splitlines() if line.strip()]
        if tenants and any(scope in OF_ALL_TENANTS for scope in scopes):
            problems.append(
                f"Tenants: {' and '.join(OF_ALL_TENANTS)} see all of them; leave these out, or the tenants."
            )
        if problems:
            return await self._form(request, typed, problems)
        key, secret = await self._keys.create(name, scopes, tenants, expires)
        return await self._site.page(request, "key_made.html", key=key, secret=secret, old=None)

    def _chosen(self, typed: Mapping[str, str], problems: list[str]) -> list[str]:
        chosen = [scope.name for scope in self._scopes if typed.get(f"scope-{scope.name}")]
        if not chosen:
            problems.append("Scopes: choose at least one; a key without a scope can do nothing.")
        return chosen

    async def _form(self, request: web.Request, typed: Mapping[str, str], problems: list[str]) -> web.StreamResponse:
        status = 400 if problems else 200
        return await self._site.page(
            request,
            "key_new.html",
            status=status,
            typed=typed,
            problems=problems,
            scopes=self._scopes,
            most=LONGEST_NAME,
        )

    async def _ask_overlap(self, request: web.Request) -> web.StreamResponse:
        return await self._ask_about(request, await self._one(request), "key_rotate.html", overlaps=OVERLAPS)

    async def _rotate(self, request: web.Request) -> web.StreamResponse:
        fields, old = await self._site.form(request), await self._one(request)
        days = {str(days): days for days in OVERLAPS}.get(fields.get("days", ""))
        problem = self._no_rotation(old, days)
        if problem or days is None:
            return await self._ask_about(request, old, "key_rotate.html", [problem], overlaps=OVERLAPS)
        key, secret = await self._keys.rotate(old.id, timedelta(days=days))
        return await self._site.page(request, "key_made.html", key=key, secret=secret, old=await self._keys.get(old.id))

    def _no_rotation(self, key: Key, days: int | None) -> str:
        state = self._keys.state(key)
        if state in ("revoked", "expired"):
            return f"This key is {state}: its successor would be too. Create a new key instead."
        if state == "replaced":
            return f"This key has a successor already, key {key.replaced_by}; rotate that one."
        return "" if days is not None else "Choose how long the old key still works."

    async def _ask_revoke(self, request: web.Request) -> web.StreamResponse:
        return await self._ask_about(request, await self._one(request), "key_revoke.html")

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        await self._site.form(request)
        await self._keys.revoke((await self._one(request)).id)
        raise self._site.see(PATH, notice="key-revoked")

    async def _ask_about(
        self, request: web.Request, key: Key, template: str, problems: Iterable[str] = (), **more: object
    ) -> web.StreamResponse:
        found = list(problems)
        shown = {"key": key, "state": self._keys.state(key), "own": request[VISITOR].key.id == key.id, **more}
        return await self._site.page(request, template, status=400 if found else 200, problems=found, **shown)

    async def _one(self, request: web.Request) -> Key:
        id = request.match_info["id"]
        if re.fullmatch(r"[0-9]{1,18}", id) is None:
            raise KeyNotFound(id[:40])
        return await self._keys.get(int(id))


def _name(typed: Mapping[str, str], problems: list[str]) -> str:
    name = " ".join(typed.get("name", "").split())
    if not name:
        problems.append("Name: say who or what uses the key.")
    elif len(name) > LONGEST_NAME:
        problems.append(f"Name: it has {len(name)} characters; at most {LONGEST_NAME} are allowed.")
    return name


def _expiry(typed: Mapping[str, str], problems: list[str]) -> datetime | None:
    """Returns the end of the day that was chosen."""
    text = typed.get("expires", "").strip()
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        problems.append(f"Last day: {text[:40]!r} is not a date; write it like 2031-12-31, or leave it empty.")
        return None
    end = datetime.combine(day, time(23, 59, 59), UTC)
    if end <= datetime.now(UTC):
        problems.append("Last day: it has passed; choose today or a later day.")
    return end
