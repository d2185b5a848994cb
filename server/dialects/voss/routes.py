"""The bulk load API of VOSS-4-UC: parse, one engine call, render."""

from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import web

from server.dialects.voss import wire
from server.dialects.voss.documents import VossNewBulkLoad, json_object, read
from server.dialects.voss.errors import LoadFailed, NotAWorkbook
from server.engine.access.keys import Key
from server.engine.engine import Engine
from server.engine.errors import PartMissing
from server.engine.vendors.voss.transaction_states import Found, RowState
from server.engine.vendors.voss.transactions import Transactions
from server.web.auth import Gate
from server.web.body import expect_later, read_bytes, receive_form
from server.web.links import prefix_of

SCOPE = "voss"
FILE_PART = "uploadedfile"
SUFFIX = ".xlsx"

Endpoint = Callable[[web.Request, Key], Awaitable[web.Response]]


def answer(document: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=wire.to_json(document), content_type="application/json")


def led_by(prefix: str, response: web.Response) -> web.Response:
    """Puts the path of the public address before each href of a response."""
    if prefix and isinstance(response.body, bytes) and response.content_type == "application/json":
        response.body = wire.to_json(_led(orjson.loads(response.body), prefix))
    return response


def _led(value: object, prefix: str) -> object:
    """Returns a document with `prefix` before the address in each `href`."""
    if isinstance(value, list):
        return [_led(each, prefix) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: prefix + each
        if name == "href" and isinstance(each, str) and each.startswith("/api/")
        else _led(each, prefix)
        for name, each in value.items()
    }


class Api:
    """The base of all endpoints: authenticates the key, and finds the hierarchy that it may work in."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    @property
    def transactions(self) -> Transactions:
        return self._engine.voss

    def both(self, method: str, path: str, endpoint: Endpoint) -> Iterable[web.RouteDef]:
        """Makes routes with and without a slash at the end: the vendor's own examples have either."""

        async def handle(request: web.Request) -> web.Response:
            key = await self._gate.admit(request, wire.key_in_headers(request.headers), SCOPE)
            return led_by(prefix_of(request), await endpoint(request, key))

        for each in (path + "/", path):
            yield web.route(method, each, handle, expect_handler=expect_later)

    def hierarchy(self, request: web.Request, key: Key) -> str | None:
        """Returns the hierarchy of a request, or None if it names none."""
        named = request.query.get("hierarchy", "").strip(" ")
        return self.transactions.hierarchy(named, key) if named else None

    async def body(self, request: web.Request) -> dict[str, object]:
        return json_object(await read_bytes(self._engine.uploads, request))


class LoadApi(Api):
    """Uploads workbooks and starts loads."""

    def routes(self) -> Iterable[web.RouteDef]:
        yield from self.both("POST", "/api/uploadfiles", self.upload)
        yield from self.both("POST", "/api/tool/UploadFile", self.upload)
        yield from self.both("POST", "/api/tool/BulkLoad", self.load)

    async def upload(self, request: web.Request, key: Key) -> web.Response:
        hierarchy = self.hierarchy(request, key)
        async with await receive_form(self._engine.uploads, request, file_fields=(FILE_PART,), repeated=True) as form:
            if not form.uploads:
                raise PartMissing(FILE_PART)
            for upload in form.uploads:
                if not upload.filename.lower().endswith(SUFFIX):
                    raise NotAWorkbook(upload.filename)
            files = [await self.transactions.receive(upload, key, hierarchy) for upload in form.uploads]
        return answer(wire.uploaded(files), 202)

    async def load(self, request: web.Request, key: Key) -> web.Response:
        """Starts or schedules a load. A scheduled load is answered as soon as it is stored."""
        wire.check_method(request.query)
        hierarchy = self.transactions.hierarchy(wire.needed_hierarchy(request.query), key)
        nowait = wire.flag(request.query, "nowait", False)
        load = wire.load_request(await self.body(request), hierarchy, prefix_of(request) + wire.TRANSACTION)
        state = await self.transactions.load(load, key)
        if nowait or load.due is not None:
            return answer(wire.accepted(state))
        state = await self.transactions.wait(state.transaction.id, key)
        if state.status == "Fail":
            raise LoadFailed(state)
        return answer(wire.finished(state))


class TransactionApi(Api):
    """Shows, cancels and repeats transactions."""

    def routes(self) -> Iterable[web.RouteDef]:
        yield from self.both("GET", "/api/tool/Transaction/poll", self.poll)
        yield from self.both("GET", "/api/tool/Transaction/{pkid}/poll", self.poll_one)
        for method in ("GET", "POST"):
            yield from self.both(method, "/api/tool/Transaction/{pkid}/cancel", self.cancel)
            yield from self.both(method, "/api/tool/Transaction/{pkid}/replay", self.replay)
        yield from self.both("GET", "/api/tool/Transaction/{pkid}", self.show)
        yield from self.both("GET", "/api/tool/Transaction", self.list)

    async def show(self, request: web.Request, key: Key) -> web.Response:
        self.hierarchy(request, key)
        return await self._shown(await self._found(request, key), wire.page(request.query))

    async def poll(self, request: web.Request, key: Key) -> web.Response:
        self.hierarchy(request, key)
        ids = wire.polled(request.query.getall("transactions", []))
        found = [await self.transactions.find(id, key) for id in ids]
        return answer(wire.poll([(each, await self._row(each)) for each in found]))

    async def poll_one(self, request: web.Request, key: Key) -> web.Response:
        found = await self._found(request, key)
        return answer(wire.poll([(found, await self._row(found))]))

    async def list(self, request: web.Request, key: Key) -> web.Response:
        page = wire.page(request.query)
        return await self._listed(page, key, self.hierarchy(request, key))

    async def cancel(self, request: web.Request, key: Key) -> web.Response:
        found = await self._found(request, key)
        return answer(wire.accepted(await self.transactions.cancel(found.state.transaction.id, key)))

    async def replay(self, request: web.Request, key: Key) -> web.Response:
        """Repeats a load, and answers with the list of transactions, the new one first."""
        found = await self._found(request, key)
        await self.transactions.replay(found.state.transaction.id, key)
        return await self._listed(wire.page(request.query), key, None)

    async def _found(self, request: web.Request, key: Key) -> Found:
        return await self.transactions.find(request.match_info["pkid"], key)

    async def _row(self, found: Found) -> RowState | None:
        if found.record is None:
            return None
        return (await self.transactions.rows(found.state, found.record, 1))[0]

    async def _shown(self, found: Found, page: wire.Page) -> web.Response:
        row = await self._row(found)
        with_log = row is None and found.part in (None, "execute") and "execute" in found.state.parts
        log = await self.transactions.log(found.state) if with_log else ()
        rows = await self.transactions.rows(found.state, page.skip, page.limit) if found.part == "execute" else ()
        return answer(wire.transaction(found, wire.Detail(row, log, rows, page)))

    async def _listed(self, page: wire.Page, key: Key, hierarchy: str | None) -> web.Response:
        states, total = await self.transactions.list(
            key, hierarchy=hierarchy, skip=page.skip, limit=page.limit, count=page.count
        )
        lines = [wire.summary(Found(state)) for state in states]
        return answer(wire.listing("tool/Transaction", wire.TRANSACTION, page, total, lines))


class DataApi(Api):
    """The resources of loads: data/BulkLoad, data/Schedule and data/HierarchyNode."""

    def routes(self) -> Iterable[web.RouteDef]:
        for path in ("/api/data/BulkLoad", "/api/data/Bulkload"):
            yield from self.both("GET", path, self.loads)
            yield from self.both("POST", path, self.add_load)
            yield from self.both("DELETE", path, self.remove_loads)
            yield from self.both("GET", path + "/{pkid}", self.load)
            yield from self.both("DELETE", path + "/{pkid}", self.remove_load)
        yield from self.both("GET", "/api/data/Schedule", self.schedules)
        yield from self.both("GET", "/api/data/Schedule/{pkid}", self.schedule)
        yield from self.both("DELETE", "/api/data/Schedule/{pkid}", self.remove_schedule)
        yield from self.both("GET", "/api/data/HierarchyNode", self.nodes)

    async def loads(self, request: web.Request, key: Key) -> web.Response:
        page = wire.page(request.query)
        found, total = await self.transactions.loads(key, page.skip, page.limit, count=page.count)
        lines = [wire.bulk_load(load) for load in found]
        return answer(wire.listing("data/BulkLoad", wire.BULK_LOAD, page, total, lines))

    async def load(self, request: web.Request, key: Key) -> web.Response:
        return answer(wire.bulk_load(await self.transactions.bulk_load(request.match_info["pkid"], key)))

    async def add_load(self, request: web.Request, key: Key) -> web.Response:
        hierarchy = self.hierarchy(request, key)
        new = read(await self.body(request), VossNewBulkLoad)
        load = await self.transactions.add_load(key, new.filename, new.name, new.description, hierarchy)
        return answer(wire.made(load), 201)

    async def remove_load(self, request: web.Request, key: Key) -> web.Response:
        await self.transactions.remove_loads([request.match_info["pkid"]], key)
        return answer({"success": True})

    async def remove_loads(self, request: web.Request, key: Key) -> web.Response:
        await self.transactions.remove_loads(wire.hrefs(await self.body(request)), key)
        return answer({"success": True})

    async def schedules(self, request: web.Request, key: Key) -> web.Response:
        page = wire.page(request.query)
        found, total = await self.transactions.schedules(key, page.skip, page.limit, count=page.count)
        lines = [wire.schedule(state) for state in found]
        return answer(wire.listing("data/Schedule", wire.SCHEDULE, page, total, lines))

    async def schedule(self, request: web.Request, key: Key) -> web.Response:
        return answer(wire.schedule(await self.transactions.schedule(request.match_info["pkid"], key)))

    async def remove_schedule(self, request: web.Request, key: Key) -> web.Response:
        """Cancels the load of a schedule."""
        await self.transactions.remove_schedule(request.match_info["pkid"], key)
        return answer({"success": True})

    async def nodes(self, request: web.Request, key: Key) -> web.Response:
        """Lists the nodes that the settings name; none if the settings allow every node."""
        page = wire.page(request.query)
        paths = self.transactions.nodes(key)
        lines = [wire.hierarchy_node(path) for path in paths[page.skip : page.skip + page.limit]]
        return answer(wire.listing("data/HierarchyNode", "/api/data/HierarchyNode/", page, len(paths), lines))
