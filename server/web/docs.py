"""The OpenAPI document at /openapi.json, and /docs to browse it with Swagger UI from an installed package."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import orjson
from aiohttp import hdrs, web

from server.engine.access.scopes import NATIVE
from server.engine.errors import AccessRefused, EngineError, KeyForbidden, KeyMissing, KeyThrottled
from server.web.auth import Gate, key_in
from server.web.description.api_description import ApiDescription
from server.web.description.openapi import document
from server.web.errors import Answer, answer_to
from server.web.links import prefix_of

SCOPE = NATIVE.name
DOCUMENT, PAGE, ASSETS = "/openapi.json", "/docs", "/docs/assets"
SIGN_IN = f"/admin/sign-in?next={PAGE}"

_OWN = Path(__file__).with_name("reference")
_VENDOR = "swagger_ui"  # only its files are used: importing it would cost start-up time
_VENDOR_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_OWN_FILES = ("start.js", "dark.css")
_KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".png": "image/png"}

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

TABLE: Mapping[type[EngineError], Answer] = {
    EngineError: Answer(400),
    AccessRefused: Answer(401),
    KeyForbidden: Answer(403),
    KeyThrottled: Answer(429),
}


class Docs:
    """Answers for its paths as a dialect does. Every request needs a key, as the document names all that is here."""

    name = "docs"
    prefixes = (DOCUMENT, PAGE)

    def __init__(self, gate: Gate, descriptions: Sequence[ApiDescription], public_url: str | None = None) -> None:
        self._gate = gate
        self._descriptions = descriptions
        self._public = (public_url or "").rstrip("/")
        self._documents: dict[str, bytes] = {}  # by the address to which paths are relative

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(DOCUMENT, self.document)
        yield web.get(PAGE, self.page)
        yield web.get(PAGE + "/", self.page)
        yield web.get(ASSETS + "/{name}", self.asset)

    async def document(self, request: web.Request) -> web.Response:
        await self._admit(request)
        server = self._public or prefix_of(request) or "/"
        if server not in self._documents:
            self._documents = {server: await asyncio.to_thread(self._made, server)}
        return web.Response(body=self._documents[server], content_type="application/json", headers=HEADERS)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Sends a browser without a key to the sign-in page, which leads back."""
        try:
            await self._admit(request)
        except KeyMissing:
            raise web.HTTPSeeOther(SIGN_IN) from None
        page = await asyncio.to_thread((_OWN / "page.html").read_text, "utf-8")
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        await self._admit(request)
        path = await asyncio.to_thread(asset_path, request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return _served(path)

    def _made(self, server: str) -> bytes:
        return orjson.dumps(document(self._descriptions, version=version("penstock"), server=server))

    async def _admit(self, request: web.Request) -> None:
        await self._gate.admit(request, key_in(request.headers), SCOPE)

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, words = answer_to(TABLE, error)
        headers = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="penstock"'} if status == 401 else {}
        return web.Response(status=status, text=words(error), headers=headers)

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message)


def _served(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={**HEADERS, hdrs.CONTENT_TYPE: _KINDS[path.suffix]})


def asset_path(name: str) -> Path | None:
    """Returns the file of an asset, or None for an unknown name."""
    if name in _OWN_FILES:
        return _OWN / name
    return _vendor_folder() / name if name in _VENDOR_FILES else None


@cache
def _vendor_folder() -> Path:
    spec = find_spec(_VENDOR)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {_VENDOR} is not installed; install penstock with its dependencies")
    return Path(spec.submodule_search_locations[0]) / "static"
