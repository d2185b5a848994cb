"""Every page that can be reached by links from the first one, and every link that leads nowhere."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from re import Pattern
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from aiohttp import web

from server.admin.manual.manual import Manual
from server.admin.parts import PARTS
from server.admin.site import Site
from tests.browser.client import Answer, Client

START = "/admin/"
SITE = (START, "/manual")
FOLLOWED = 12  # of one kind
NO_PAGES = ("/admin/static/", "/admin/sign-in")


class Links(HTMLParser):
    """Where a page leads to, and the ids that can be jumped to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids.add(values.get("id") or "")
        self.found += [found for name in ("href", "src") if (found := values.get(name))]


class Kinds:
    """The kind of an address: the route that answers it, and the names in its query."""

    def __init__(self) -> None:
        app = web.Application()
        site = Site(Mock(), Mock(), PARTS)  # only asked for what its addresses are
        app.add_routes([*site.routes(), *Manual(site, Mock()).routes()])
        self._routes: dict[str, Pattern[str] | str] = {}
        for route in app.router.routes():
            if route.method == "GET" and route.resource is not None:
                info: Any = route.get_info()
                self._routes[route.resource.canonical] = info.get("pattern") or info["path"]

    def of(self, address: str) -> tuple[str, tuple[str, ...]]:
        return self.route(address), tuple(sorted({name for name, _ in parse_qsl(urlsplit(address).query)}))

    def route(self, address: str) -> str:
        path = unquote(urlsplit(address).path)
        for name, pattern in self._routes.items():
            if pattern == path or (not isinstance(pattern, str) and pattern.fullmatch(path)):
                return name
        return ""

    def pages(self) -> set[str]:
        """All that should be met: routes of the site that are pages or downloads."""
        return {name for name in self._routes if name.startswith(SITE) and not name.startswith(NO_PAGES)}


@dataclass
class Walk:
    """`pages` are examples of every kind of page, `met` the routes that were asked, `dead` what leads nowhere."""

    pages: list[str] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)


def walk(client: Client, *first: str, kinds: Kinds | None = None, examples: int = 1) -> Walk:
    """From `first` on; those are always looked at, of all others some examples of each kind."""
    kinds, found, seen = kinds or Kinds(), Walk(), Counter[object]()
    waiting = [(address, "the walk") for address in (*first, START)]
    asked: set[str] = set()
    for address, origin in waiting:  # grows
        wanted, kind = address in first, kinds.of(address)
        if address in asked or (seen[kind] >= FOLLOWED and not wanted):
            continue
        asked.add(address)
        seen[kind] += not wanted
        answer = client.get(address)
        found.met.add(kinds.route(address))
        if answer.status >= 400:
            found.dead.append(f"{address} answers {answer.status}; linked from {origin}")
        elif answer.status >= 300:
            waiting.append((urljoin(address, answer.headers["Location"]), address))
        elif answer.headers["Content-Type"].startswith("text/html") and address.startswith(SITE):
            if wanted or seen[kind] <= examples:
                found.pages.append(address)
            waiting += [(link, address) for link in _links(answer, address, found.dead)]
    return found


def _links(answer: Answer, address: str, dead: list[str]) -> Iterator[str]:
    """Of this server; a jump within the page needs its goal."""
    links = Links(answer.body.decode())
    for link in links.found:
        if link.startswith("#"):
            if link[1:] not in links.ids:
                dead.append(f"{link} is not on {address}")
            continue
        target = urlsplit(urljoin(f"http://here{address}", link))
        if target.netloc == "here" and target.path not in ("/api/v1/events",):
            yield target._replace(scheme="", netloc="", fragment="").geturl()
