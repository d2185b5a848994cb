"""The endpoints of the native API: parse, one engine call, render. `openapi` has their paths and parameters."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from aiohttp import hdrs, web

from server.dialects.native import openapi, wire
from server.dialects.native.errors import ParameterWrong
from server.engine.access.scopes import NATIVE
from server.engine.batches.listing import Wanted
from server.engine.documents import (
    BATCH_STATES,
    JOB_STATES,
    OUTCOME_STATUSES,
    Job,
    batch_document,
    batch_summary,
)
from server.engine.engine import Engine
from server.engine.errors import BatchNotFound
from server.web.auth import Gate, key_in
from server.web.description.api_description import OCTETS, Operation
from server.web.downloads import attachment

MOST_LOG_LINES = 1000  # in the document of a batch; its job has them all, page by page

Shown = TypeVar("Shown")
Endpoint = Callable[[web.Request, wire.Query], Awaitable[web.StreamResponse]]


class RequestAuth:
    """Authenticates requests, and makes routes of described operations."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.engine = engine
        self._gate = gate

    def get(self, operation: Operation, endpoint: Endpoint, *, head: bool = True) -> web.RouteDef:
        known = [each.name for each in operation.parameters if each.where == "query"]

        async def handle(request: web.Request) -> web.StreamResponse:
            await self._gate.admit(request, key_in(request.headers), NATIVE.name)
            return await endpoint(request, wire.Query(request.query.items(), known))

        return web.get(operation.path, handle, allow_head=head)


def answer(document: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=wire.to_json(document),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def cut(found: Sequence[Shown], limit: int, link: Callable[[Shown], str]) -> tuple[Sequence[Shown], str | None]:
    """Returns one page and the address of the next. `found` has one item more than the page if there is a next one."""
    shown = found[:limit]
    return shown, link(shown[-1]) if len(found) > limit else None


class BatchApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._auth.get(openapi.BATCHES, self.list)
        yield self._auth.get(openapi.BATCH, self.show)
        yield self._auth.get(openapi.FILE, self.file)

    async def list(self, request: web.Request, query: wire.Query) -> web.Response:
        wanted = Wanted(
            api=query.text("api"),
            state=query.choice("state", BATCH_STATES),
            process=query.text("process"),
            text=query.text("text"),
            created_from=query.moment("created_from"),
            created_before=query.moment("created_before"),
        )
        before = await _number(self._engine, query, "before")
        found = await self._engine.monitoring.listing.matching(wanted, before=before, limit=query.limit())
        following = None
        if found.further is not None:
            names = await self._engine.batches.identifiers([found.further])
            following = query.link(request.path, before=names[found.further])
        return answer(wire.page("batches", [batch_summary(batch) for batch in found.batches], following))

    async def show(self, request: web.Request, query: wire.Query) -> web.Response:
        identifier = request.match_info["batch"]
        return answer(await batch_document(self._engine, identifier, log_lines=MOST_LOG_LINES))

    async def file(self, request: web.Request, query: wire.Query) -> web.StreamResponse:
        """Sends a file as a download: a browser never shows a client's bytes as a page of this server."""
        number = wire.whole("file", request.match_info["file"])
        file, path = await self._engine.batches.stored(request.match_info["batch"], number)
        headers = {
            hdrs.CONTENT_TYPE: OCTETS,
            hdrs.CONTENT_DISPOSITION: attachment(file.filename or file.name),
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(path, headers=headers)


async def _number(engine: Engine, query: wire.Query, name: str) -> int | None:
    """Returns the number of the batch that a parameter names."""
    identifier = query.text(name)
    if identifier is None:
        return None
    try:
        return (await engine.batches.get(None, identifier)).id
    except BatchNotFound:
        raise ParameterWrong(name, identifier, "the identifier of a batch") from None


class JobApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._auth.get(openapi.JOBS, self.list)
        yield self._auth.get(openapi.JOB, self.show)
        yield self._auth.get(openapi.LOG, self.log)
        yield self._auth.get(openapi.OUTCOMES, self.outcomes)

    async def list(self, request: web.Request, query: wire.Query) -> web.Response:
        limit = query.limit()
        found = await self._engine.jobs.list(
            batch=await _number(self._engine, query, "batch"),
            process=query.text("process"),
            states=query.choices("state", JOB_STATES),
            before=query.text("before"),
            limit=limit + 1,
        )
        names = await self._names(found)
        shown, following = cut(
            [wire.job(job, names.get(job.id)) for job in found],
            limit,
            lambda last: query.link(request.path, before=last["id"]),
        )
        return answer(wire.page("jobs", shown, following))

    async def show(self, request: web.Request, query: wire.Query) -> web.Response:
        job = await self._engine.jobs.get(request.match_info["job"])
        return answer(wire.job(job, (await self._names([job])).get(job.id)))

    async def log(self, request: web.Request, query: wire.Query) -> web.Response:
        job = await self._engine.jobs.get(request.match_info["job"])
        limit = query.limit()
        found = await self._engine.jobs.log(job.id, after=query.whole("after", -1), limit=limit + 1)
        shown, following = cut(
            [wire.log_line(line) for line in found],
            limit,
            lambda last: query.link(request.path, after=last["position"]),
        )
        return answer(wire.page("lines", shown, following))

    async def outcomes(self, request: web.Request, query: wire.Query) -> web.Response:
        job = await self._engine.jobs.get(request.match_info["job"])
        limit = query.limit()
        found = await self._engine.jobs.outcomes(
            job.id,
            statuses=query.choices("status", OUTCOME_STATUSES),
            warned=query.flag("warnings"),
            after=query.whole("after", -1),
            limit=limit + 1,
        )
        shown, following = cut(
            [wire.outcome(outcome) for outcome in found],
            limit,
            lambda last: query.link(request.path, after=last["record"]),
        )
        return answer(wire.page("outcomes", shown, following))

    async def _names(self, jobs: Sequence[Job]) -> Mapping[str, str]:
        """Returns the identifiers of the jobs' batches, by job."""
        numbers = {job.id: job.batch for job in jobs if job.batch is not None}
        names = await self._engine.batches.identifiers(set(numbers.values())) if numbers else {}
        return {job: names[batch] for job, batch in numbers.items() if batch in names}


class RecordApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._auth.get(openapi.TABLES, self.tables)
        yield self._auth.get(openapi.ROWS, self.rows)
        yield self._auth.get(openapi.ROW, self.row)

    async def tables(self, request: web.Request, query: wire.Query) -> web.Response:
        return answer({"tables": [wire.table(each) for each in await self._engine.records.queries.tables()]})

    async def rows(self, request: web.Request, query: wire.Query) -> web.Response:
        limit, table = query.limit(), request.match_info["table"]
        found = await self._engine.records.queries.page(table, after=query.whole("after", 0), limit=limit)
        following = query.link(request.path, after=found.rows[-1].id) if found.more else None
        return answer(wire.page("rows", [each.row for each in found.rows], following))

    async def row(self, request: web.Request, query: wire.Query) -> web.Response:
        number = wire.whole("id", request.match_info["id"])
        return answer(wire.row(await self._engine.records.queries.get(request.match_info["table"], number)))


class DefinitionApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._auth = auth
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield self._auth.get(openapi.PROCESSES, self.processes)
        yield self._auth.get(openapi.PROCESS, self.process)
        yield self._auth.get(openapi.MODELS, self.models)

    async def processes(self, request: web.Request, query: wire.Query) -> web.Response:
        found = self._engine.definitions.processes.values()
        return answer({"processes": [wire.process_summary(each) for each in found]})

    async def process(self, request: web.Request, query: wire.Query) -> web.Response:
        return answer(wire.process(self._engine.definitions.process(request.match_info["process"])))

    async def models(self, request: web.Request, query: wire.Query) -> web.Response:
        return answer({"models": [wire.model(each) for each in self._engine.definitions.models.values()]})
