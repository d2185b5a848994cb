"""The page Home: the dashboard."""

from collections.abc import Iterable

from aiohttp import web

from server.admin.operations.home_view import home_view
from server.admin.site import Site


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
            view=home_view(await self._overview.snapshot()),
            processes=len(definitions.processes),
            mistakes=definitions.refused or 0,
        )
