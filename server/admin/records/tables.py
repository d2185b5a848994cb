"""The pages of tables: the list, rows page by page, and the export."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import quote, urlencode

from aiohttp import hdrs, web

from server.admin.definitions.control_files import place
from server.admin.records.values import Shown, shown
from server.admin.site import DOWNLOAD, Site
from server.engine.errors import RequestInvalid
from server.engine.records.browse import LAST_ID, RowPage, TableView
from server.engine.records.export import Format
from server.mapping.record.export import Field

PATH = "/admin/records"
PAGE = 50
USUAL_COLUMNS = 8
FORMATS: Mapping[str, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The query: `by` are the columns that it searches, `values` what it searches for, `fields` what it shows."""

    by: tuple[str, ...]
    values: Mapping[str, str]
    fields: Sequence[Field]
    chosen: bool

    def where(self, view: TableView) -> dict[str, str | int]:
        return {column: _stored(view.field_of(column), self.values[column]) for column in self.by}

    def query(self, **more: object) -> str:
        pairs = [(f"is-{column}", self.values[column]) for column in self.by]
        if self.chosen:
            pairs += [("column", field.key) for field in self.fields]
        text = urlencode([*pairs, *((name, str(value)) for name, value in more.items())])
        return f"?{text}" if text else "?"


class RecordsPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._tables)
        yield web.get(PATH + "/{table}", self._table)
        yield web.get(PATH + "/{table}/export", self._export)

    async def _tables(self, request: web.Request) -> web.StreamResponse:
        return await self._site.page(request, "records.html", tables=await self._engine.records.browser.tables())

    async def _table(self, request: web.Request) -> web.StreamResponse:
        view = await self._engine.records.browser.view(request.match_info["table"])
        go_to = request.query.get("id", "").strip()
        if go_to:
            raise web.HTTPSeeOther(f"{path_of(view.name)}/{number(go_to)}")
        asked = _asked(view, request)
        page = await self._page(view, asked, request.query)
        cells = [(row, [shown(field, field.read(row.values)) for field in asked.fields]) for row in page.rows]
        return await self._site.page(
            request,
            "records_table.html",
            view=view,
            asked=asked,
            cells=cells,
            searches=_searches(view),
            pages=_pages(view.name, asked, page, request.query),
            formats=get_args(Format),
            usual=USUAL_COLUMNS,
        )

    async def _page(self, view: TableView, asked: Asked, query: Mapping[str, str]) -> RowPage:
        if not view.stored:
            return RowPage((), False, False)
        where = asked.where(view)
        after, before = place(query.get("after")), place(query.get("before"))
        if query.get("page") == "last":
            before = LAST_ID
        return await self._engine.records.browser.page(view.name, where, after=after or 0, before=before, limit=PAGE)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        """Streams the table part by part, so a slow client holds no lock and little memory."""
        view = await self._engine.records.browser.view(request.match_info["table"])
        format = _format(request.query.get("format", "jsonl"))
        response = web.StreamResponse(headers=dict(DOWNLOAD))
        response.content_type, response.charset = FORMATS[format], "utf-8"
        response.headers[hdrs.CONTENT_DISPOSITION] = f"attachment; filename*=UTF-8''{quote(view.name)}.{format}"
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        async for part in self._engine.records.browser.export(view.name, format):
            await response.write(part)
        await response.write_eof()
        return response


def path_of(table: str) -> str:
    return f"{PATH}/{quote(table, safe='')}"


def number(text: str) -> int:
    """Returns the id of a row; raises RequestInvalid."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= LAST_ID):
        raise RequestInvalid(f"{text[:40]!r} is not a row id; it should be a whole number, 1 or higher")
    return int(text)


def _format(text: str) -> Format:
    for format in get_args(Format):
        if text == format:
            found: Format = format
            return found
    raise RequestInvalid(f"the format {text[:40]!r} is not known, should be one of {', '.join(FORMATS)}")


def _asked(view: TableView, request: web.Request) -> Asked:
    query = request.query
    given = {column: query.get(f"is-{column}", "") for columns in view.searches for column in columns}
    by = next((columns for columns in view.searches if all(given[column] for column in columns)), ())
    chosen = set(query.getall("column", []))
    fields = [field for field in view.fields if field.key in chosen]
    return Asked(by, {column: given[column] for column in by}, fields or _usual(view), bool(fields))


def _usual(view: TableView) -> Sequence[Field]:
    """Returns the first fields, with those that identify a row among them."""
    if len(view.fields) <= USUAL_COLUMNS:
        return view.fields
    telling = {column for columns in view.searches for column in columns}
    telling |= {destination.names[destination.title].column for _, destination in view.filled_by if destination.title}
    first = [field for field in view.fields if field.column in telling]
    rest = [field for field in view.fields if field.column not in telling]
    kept = {field.key for field in (*first, *rest)[:USUAL_COLUMNS]}
    return [field for field in view.fields if field.key in kept]


def _searches(view: TableView) -> Sequence[Sequence[tuple[str, str]]]:
    """Returns the columns of each search, with their labels."""
    found = []
    for columns in view.searches:
        fields = {column: view.field_of(column) for column in columns}
        found.append([(column, field.key if field else column) for column, field in fields.items()])
    return found


def _stored(field: Field | None, text: str) -> str | int:
    """Returns the stored value for a typed one."""
    if field is not None and field.name is not None and field.name.type == "boolean":
        return {"true": 1, "false": 0}.get(text.lower(), text)
    return text


def _pages(table: str, asked: Asked, page: RowPage, query: Mapping[str, str]) -> Mapping[str, str | None]:
    """Returns the addresses of the pages around this one."""
    base = path_of(table)
    rows = page.rows
    return {
        "first": base + asked.query() if page.older else None,
        "previous": base + asked.query(before=rows[0].id) if page.older and rows else None,
        "next": base + asked.query(after=rows[-1].id) if page.newer and rows else None,
        "last": base + asked.query(page="last") if page.newer else None,
    }


def cells_of(fields: Sequence[Field], values: Mapping[str, object], length: int) -> list[tuple[Field, Shown]]:
    return [(field, shown(field, field.read(values), length)) for field in fields]
