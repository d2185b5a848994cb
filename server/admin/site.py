"""The site as a whole: its pages, who may see them, and what all pages share."""

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from server.admin.assets import PREFIX as STATIC
from server.admin.assets import Assets
from server.admin.errors import TABLE, WordsFor
from server.admin.notices import NOTICES
from server.admin.rendering import Templates
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError, RequestInvalid
from server.engine.uploads.uploads import Form, SmallForm
from server.web.body import read_form, receive_form
from server.web.dialect import DescribedDialect
from server.web.errors import answer_to, retry_after
from server.web.sign_in import READING, TWELVE_HOURS, SignIn, Visitor, same_token

HOME = "/admin/"
VISITOR = web.RequestKey("visitor", Visitor)
TOKEN = "csrf"
_LONGEST_SIGN_IN = 16 << 10  # limit in bytes for a visitor without a session
_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}").fullmatch  # browsers drop tabs, and read a backslash as a slash
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DOWNLOAD = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; sandbox"
}  # browsers must run no script in files of clients


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the menu."""

    label: str
    path: str

    def is_open(self, path: str) -> bool:
        """Whether the page at a path belongs to this entry."""
        return path == self.path or (self.path != HOME and path.startswith(f"{self.path}/"))


MENU = (
    Link("Home", HOME),
    Link("New import", "/admin/new-import"),
    Link("Batches", "/admin/batches"),
    Link("Records", "/admin/records"),
    Link("Processes", "/admin/processes"),
    Link("Models", "/admin/models"),
    Link("Control files", "/admin/control-files"),
    Link("Schedules", "/admin/schedules"),
    Link("Keys", "/admin/keys"),
    Link("System", "/admin/system"),
    Link("Manual", "/manual"),
)


class Pages(Protocol):
    """* `routes` are the pages of one part of the site. The site calls a handler only for a signed-in visitor.
    * For a change, the site has checked the Origin; the handler reads its form with `site.form` or `site.files`,
      which check the token.
    """

    def routes(self) -> Iterable[web.RouteDef]: ...


MakePages = Callable[["Site"], Pages]


@dataclass(frozen=True, slots=True)
class Facts:
    """How the server was started: its version, and its settings by section with secrets masked."""

    version: str = ""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    session_seconds: int = TWELVE_HOURS


class Site:
    """Answers for its paths as a dialect does, with HTML pages."""

    name = "admin"
    prefixes = ("/admin",)

    def __init__(
        self,
        engine: Engine,
        sign_in: SignIn,
        parts: Sequence[MakePages],
        facts: Facts | None = None,
        *,
        dialects: Sequence[DescribedDialect] = (),
    ) -> None:
        self.engine = engine
        self.sign_in = sign_in
        self.facts = facts or Facts()
        self.dialects = dialects
        self._templates = Templates()
        self._assets = Assets()
        self._parts = [make(self) for make in parts]

    def attach(self, app: web.Application) -> None:
        self._templates.attach(app)
        app.on_startup.append(self._load)

    async def _load(self, _app: web.Application) -> None:
        await asyncio.to_thread(self._assets.load)

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/", _to_home)
        yield web.get("/admin", _to_home)
        yield web.get(STATIC + "/{name}", self._assets.serve)
        yield web.get("/admin/sign-in", self._ask)
        yield web.post("/admin/sign-in", self._admit)
        for part in self._parts:
            for route in part.routes():
                handler: Handler = route.handler
                yield web.RouteDef(route.method, route.path, self._guarded(handler), route.kwargs)
        yield web.post("/admin/sign-out", self._guarded(self._leave))

    async def page(self, request: web.Request, template: str, /, status: int = 200, **context: object) -> web.Response:
        """Returns a page; `context` is what its template shows."""
        visitor = request.get(VISITOR)
        standing: dict[str, object] = {
            "visitor": visitor,
            "token": visitor.token if visitor else "",
            "menu": MENU,
            "path": request.path,
            "query": request.query,
            "notice": NOTICES.get(request.query.get("notice", "")),
            "asset": self._assets.address,
            "version": self.facts.version,
            "everybody": self.engine.access.keys.everybody,
        }
        response = await self._templates.render(request, template, standing | context, status)
        response.headers.update(HEADERS)
        return response

    async def form(self, request: web.Request) -> Mapping[str, str]:
        """Returns the fields of a small form; raises RequestInvalid for a token that is not the visitor's."""
        return (await self.small_form(request)).fields

    async def small_form(self, request: web.Request) -> SmallForm:
        """Returns a small form with its files, all in memory; checks the token as `form` does."""
        form = await read_form(self.engine.uploads, request)
        self._check(request, form.fields.get(TOKEN))
        return form

    async def files(self, request: web.Request, fields: Collection[str] = ("file",)) -> Form:
        """Returns a form with files, for `async with`; its token is a field, or the header X-CSRF-Token."""
        form = await receive_form(self.engine.uploads, request, file_fields=fields, repeated=True)
        try:
            self._check(request, form.fields.get(TOKEN) or request.headers.get("X-CSRF-Token"))
        except BaseException:
            await form.discard()
            raise
        return form

    async def welcome(self, request: web.Request) -> bool:
        """Notes who is signed in, for a page that needs no session; returns False where no visitor is."""
        visitor = await self.sign_in.visitor(request) or await self.sign_in.guest()
        if visitor is not None:
            request[VISITOR] = visitor
        return visitor is not None

    def to_sign_in(self, request: web.Request) -> web.Response:
        """Returns the redirect that asks for a key and leads back to this page."""
        return _moved(f"/admin/sign-in?next={quote(request.path_qs, safe='')}")

    def see(self, path: str, notice: str | None = None) -> web.HTTPSeeOther:
        """Returns the redirect to raise after a change; `notice` names what the page says then (see `notices`)."""
        if notice is None:
            return web.HTTPSeeOther(path)
        return web.HTTPSeeOther(f"{path}{'&' if '?' in path else '?'}{urlencode({'notice': notice})}")

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, words = answer_to(TABLE, error)
        return self.fail(request, status, words(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        """Returns an error page that uses no template, since the template may be what failed."""
        return web.Response(
            status=status,
            text=WordsFor(status, message).page(self._assets.address("site.css")),
            content_type="text/html",
            headers=HEADERS,
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if request.method not in READING and not self.sign_in.own_origin(request):
                raise RequestInvalid("the change does not come from a page of this site; open the page again")
            visitor = await self.sign_in.visitor(request)
            if visitor is not None:
                request[VISITOR] = visitor
                return _shielded(await handler(request))
            return await self._as_guest(handler, request)

        return guarded

    async def _as_guest(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Redirects a visitor without a session to the sign-in page; with `--no-auth` signs the visitor in."""
        guest = await self.sign_in.guest()
        if guest is not None:
            request[VISITOR] = guest
            response = _shielded(await handler(request))
            if not response.prepared:
                await self.sign_in.enter(request, response, guest)
            return response
        if request.method not in READING:
            raise AccessRefused("your session is over; sign in again, then repeat the change")
        return self.to_sign_in(request)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        if await self.sign_in.visitor(request) is not None:
            raise web.HTTPSeeOther(_local(request.query.get("next")))
        return await self.page(request, "sign_in.html", next=_local(request.query.get("next")), problem=None)

    async def _admit(self, request: web.Request) -> web.StreamResponse:
        """Signs a visitor in. It needs our Origin, but no token: there is no session yet."""
        if not self.sign_in.own_origin(request):
            raise RequestInvalid("the sign-in does not come from a page of this site; open the sign-in page again")
        fields = (await read_form(self.engine.uploads, request, max_bytes=_LONGEST_SIGN_IN)).fields
        back = _local(fields.get("next"))
        try:
            key = await self.sign_in.admit(request, fields.get("key", "").strip() or None)
        except AccessRefused as error:
            status, words = answer_to(TABLE, error)
            page = await self.page(request, "sign_in.html", status=status, next=back, problem=words(error))
            page.headers.update(retry_after(error))
            return page
        response = _moved(back)
        await self.sign_in.enter(request, response, self.sign_in.visit(key))
        return response

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        await self.form(request)
        response = _moved("/admin/sign-in?notice=signed-out")
        await self.sign_in.leave(request, response)
        return response

    def _check(self, request: web.Request, sent: object) -> None:
        if not same_token(request[VISITOR], sent):
            raise RequestInvalid("the form belongs to an earlier session; open its page again and repeat the change")


def _shielded(response: web.StreamResponse) -> web.StreamResponse:
    """Adds the default security headers that the response does not set."""
    if not response.prepared:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def _moved(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path} | HEADERS)


async def _to_home(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(HOME)


def _local(path: str | None) -> str:
    """Returns where to go after signing in: always a page of this site."""
    return path if path is not None and _OWN_PATH(path) else HOME
