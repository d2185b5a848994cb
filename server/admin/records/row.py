"""The page of one row: its values, the batch that wrote it, the rows that refer to it, and how it is stored."""

from collections.abc import Iterable, Mapping

from aiohttp import web

from server.admin.records.tables import PATH, cells_of, number
from server.admin.records.values import LONG, cut
from server.admin.site import Site


class RecordsRowPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH + r"/{table}/{id:\d+}", self._row)

    async def _row(self, request: web.Request) -> web.StreamResponse:
        catalogue = self._engine.records.browser
        view = await catalogue.view(request.match_info["table"])
        row = await catalogue.row(view.name, number(request.match_info["id"]))
        described = self._engine.definitions.models.values()
        return await self._site.page(
            request,
            "records_row.html",
            view=view,
            row=row,
            cells=cells_of(view.fields, row.values, LONG),
            origin=await catalogue.origin(row),
            referrers=await catalogue.referrers(view.name, row.id),
            raw=_raw(row.values),
            descriptions={
                name.column: name.description
                for model in described
                for destination in model.destinations.values()
                if destination.table == view.name
                for name in destination.names.values()
            },
        )


def _raw(values: Mapping[str, object]) -> Mapping[str, str | None]:
    """Returns each column as it is stored."""
    return {column: None if value is None else cut(str(value), LONG) for column, value in values.items()}
