"""The first page: what runs, what failed lately, what comes next."""

from collections.abc import Iterable

from aiohttp import web

from server.admin.site import Site


class HomePages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/admin/", self._home)

    async def _home(self, request: web.Request) -> web.StreamResponse:
        return await self._site.page(request, "home.html")
