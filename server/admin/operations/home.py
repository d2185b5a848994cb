"""The first page: what runs, what waits, what failed lately, what comes next."""

from collections.abc import Iterable

from aiohttp import web

from server.admin.site import Site
from server.engine.operations.overview import MOST_COUNTED


class HomePages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._overview = site.engine.operations.overview

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/admin/", self._home)

    async def _home(self, request: web.Request) -> web.StreamResponse:
        definitions = self._site.engine.definitions
        return await self._site.page(
            request,
            "home.html",
            now=await self._overview.look(),
            most_counted=MOST_COUNTED - 1,
            processes=len(definitions.processes),
            mistakes=definitions.refused or 0,
        )
