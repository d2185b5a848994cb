"""The page of a batch, its log, and its files."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import get_args
from urllib.parse import urlencode

from aiohttp import hdrs, web

from server.admin.batches.actions import possible
from server.admin.batches.batch_view import LoadView, batch_view, load_view, pretty
from server.admin.batches.listing import number, path_of
from server.admin.site import DOWNLOAD, VISITOR, Site
from server.engine.batches.failure_causes import Kind
from server.engine.batches.listing import LOG_WINDOW, Batch, Job, Level
from server.engine.documents import Outcome
from server.engine.errors import BatchFileNotFound, NotFound
from server.engine.vendors.voss.transaction_states import State
from server.web import downloads

LINES = 200
FIRST_LINES = 20
FIRST_FAILED = 10
ROWS = 50
MOST_JOBS = 20
LEVELS: tuple[str, ...] = get_args(Level)


class BatchPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/admin/batches/{id}", self._show)
        yield web.get("/admin/batches/{id}/log", self._log)
        yield web.get("/admin/batches/{id}/files/{file}", self._file)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        batch = await self._engine.batches.get(None, request.match_info["id"])
        job = await self._engine.jobs.get(batch.job) if batch.job else None
        jobs = await self._engine.jobs.list(batch=batch.id, limit=MOST_JOBS)
        load = await self._load(request, batch)
        return await self._site.page(
            request,
            "batch.html",
            view=batch_view(batch, job, jobs, maker=await self._maker(batch), load=load),
            actions=possible(batch),
            job=job,
            files=await self._engine.batches.files(batch),
            control=await asyncio.to_thread(pretty, await self._engine.monitoring.listing.control(batch)),
            control_is_lost=batch.control is not None,
            log=await self._engine.monitoring.listing.log(job.id, limit=FIRST_LINES) if job else None,
            failed=await self._first(job, "failed"),
            warned=await self._first(job, "warnings"),
        )

    async def _first(self, job: Job | None, kind: Kind) -> Sequence[Outcome]:
        return (
            (await self._engine.monitoring.failure_causes.page(job, kind=kind, limit=FIRST_FAILED)).records
            if job
            else ()
        )

    async def _maker(self, batch: Batch) -> str | None:
        keys = {key.id: key.name for key in await self._engine.access.keys.list()} if batch.created_by else {}
        return keys.get(batch.created_by or 0)

    async def _load(self, request: web.Request, batch: Batch) -> LoadView | None:
        state = await self._state(request, batch)
        if state is None:
            return None
        skip = min(number(request.query.get("rows")) or 0, state.rows.total)
        return load_view(batch, state, await self._engine.voss.rows(state, skip, ROWS), skip, ROWS)

    async def _state(self, request: web.Request, batch: Batch) -> State | None:
        named = batch.properties.get("transaction")
        if not isinstance(named, str):
            return None
        try:
            return await self._engine.voss.latest(named, request[VISITOR].key)
        except NotFound:
            return None

    async def _log(self, request: web.Request) -> web.StreamResponse:
        batch = await self._engine.batches.get(None, request.match_info["id"])
        after = number(request.query.get("after"))
        text, level = request.query.get("text", "").strip()[:200], request.query.get("level", "")
        wanted: Level | None = next((known for known in get_args(Level) if known == level), None)
        behind = -1 if after is None else after
        log = None
        if batch.job is not None:
            log = await self._engine.monitoring.listing.log(
                batch.job, after=behind, limit=LINES, text=text or None, level=wanted
            )
        filters = {name: value for name, value in (("text", text), ("level", wanted or "")) if value}
        here = path_of(batch.identifier, "/log")
        return await self._site.page(
            request,
            "batch_log.html",
            batch=batch,
            log=log,
            text=text,
            level=wanted or "",
            levels=LEVELS,
            window=LOG_WINDOW,
            first=_link(here, filters) if after is not None else None,
            newer=_link(here, {"after": str(behind - LINES)}) if not filters and behind >= LINES else None,
            older=_link(here, filters | {"after": str(log.further)}) if log and log.further is not None else None,
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Sends a file as it was received, or the range of it that the client asks for."""
        id = number(request.match_info["file"])
        if id is None:
            raise BatchFileNotFound(request.match_info["file"])
        file, path = await self._engine.batches.stored(request.match_info["id"], id)
        headers = attachment(file.filename or file.name)
        return web.FileResponse(path, headers=headers | {hdrs.CONTENT_TYPE: "application/octet-stream"})


def attachment(name: str) -> dict[str, str]:
    """Returns the headers of a download with this name, which may hold any character."""
    return DOWNLOAD | {hdrs.CONTENT_DISPOSITION: downloads.attachment(name)}


def _link(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
