"""The manual as pages of the site: the Markdown files of `server/manual`, which come with the program."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from server.admin.manual.markdown import Address, Document, render
from server.admin.site import Site
from server.engine.errors import EngineError, KeyMissing
from server.web.auth import Gate, key_in

FOLDER = Path(__file__).parents[2] / "manual"
ORDER = (
    "first-import", "models", "processes", "control-files", "sending", "commands", "operations", "monitoring",
    "glossary", "contributing", "changes",
)  # fmt: skip
SCOPE = "native"
_ELSEWHERE = re.compile(r"(?:https?://|#|/(?!/)|mailto:)").match
_PAGE = re.compile(r"(?P<name>[\w-]+)\.md(?P<anchor>#[\w-]*)?").fullmatch


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    document: Document


class Manual:
    """Answers for its paths as a dialect does. Read by visitors of the site, and with a key of scope `native`."""

    name = "manual"
    prefixes = ("/manual",)

    def __init__(self, site: Site, gate: Gate) -> None:
        self._site = site
        self._gate = gate
        self._reading = asyncio.Lock()
        self._pages: tuple[Page, ...] = ()

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/manual", self._admitted(self._contents))
        yield web.get("/manual/", self._admitted(self._contents))
        yield web.get("/manual/{name}", self._admitted(self._page))

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        return self._site.refuse(request, error)

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return self._site.fail(request, status, message)

    async def _contents(self, request: web.Request) -> web.StreamResponse:
        return await self._site.page(request, "manual.html", pages=await self._read())

    async def _page(self, request: web.Request) -> web.StreamResponse:
        pages = await self._read()
        place = next((at for at, page in enumerate(pages) if page.name == request.match_info["name"]), None)
        if place is None:
            raise web.HTTPNotFound
        return await self._site.page(
            request,
            "manual_page.html",
            page=pages[place].document,
            before=pages[place - 1] if place else None,
            after=pages[place + 1] if place + 1 < len(pages) else None,
        )

    def _admitted(self, handler: Handler) -> Handler:
        """Lets visitors and keys in; sends everyone else to sign in, and back."""

        async def admitted(request: web.Request) -> web.StreamResponse:
            if not await self._site.welcome(request):
                try:
                    await self._gate.admit(request, key_in(request.headers), SCOPE)
                except KeyMissing:
                    return self._site.to_sign_in(request)
            return await handler(request)

        return admitted

    async def _read(self) -> tuple[Page, ...]:
        """Returns all pages; they are read once, in a thread, when the first one is asked for."""
        async with self._reading:
            self._pages = self._pages or await asyncio.to_thread(read_pages, FOLDER)
        return self._pages


def read_pages(folder: Path) -> tuple[Page, ...]:
    texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.md") if path.stem != "README"}
    names = sorted(texts, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return tuple(Page(name, render(texts[name], _leading(texts))) for name in names)


def _leading(texts: Mapping[str, str]) -> Address:
    def address(target: str) -> str | None:
        """Returns the page of another file of the manual; files that lie elsewhere are not on the site."""
        if _ELSEWHERE(target):
            return target
        found = _PAGE(target)
        return f"/manual/{found['name']}{found['anchor'] or ''}" if found and found["name"] in texts else None

    return address
