"""The page of a batch: what came, what was made of it, its log, its files."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args
from urllib.parse import urlencode

import orjson
from aiohttp import hdrs, web

from server.admin.batches.actions import possible
from server.admin.batches.listing import number, path_of
from server.admin.site import DOWNLOAD, VISITOR, Site
from server.engine.batches.copying import COPIED_FROM, copies_of
from server.engine.batches.lifecycle import ERRAND
from server.engine.batches.listing import FINAL, LOG_WINDOW, Batch, Job, Level
from server.engine.clock import utc_now
from server.engine.errors import BatchFileNotFound, NotFound
from server.engine.vendors.voss.transaction_states import Part, RowState, State
from server.web import downloads

LINES = 200
FIRST_LINES = 20
FIRST_FAILED = 10
ROWS = 50
MOST_JOBS = 20
LEVELS: tuple[str, ...] = get_args(Level)
LONGEST_CONTROL = 200_000  # characters shown; the whole of it is on the control file's own page
MOST_LAID_OUT = 1 << 20  # bytes; the parser holds everybody up while it is at work


@dataclass(frozen=True, slots=True)
class Load:
    """The transaction of a bulk load: its parts, and a page of its rows."""

    state: State
    parts: Sequence[Part]
    rows: Sequence[RowState]
    skip: int
    older: str | None
    newer: str | None


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
        causes = self._engine.monitoring.failure_causes
        failed = (await causes.page(job, limit=FIRST_FAILED)).records if job else ()
        warned = (await causes.page(job, kind="warnings", limit=FIRST_FAILED)).records if job else ()
        return await self._site.page(
            request,
            "batch.html",
            batch=batch,
            actions=possible(batch),
            job=job,
            jobs=[one for one in jobs if one.mode != ERRAND],
            errands=[one for one in jobs if one.mode == ERRAND],
            files=await self._engine.batches.files(batch),
            control=await asyncio.to_thread(_pretty, await self._engine.monitoring.listing.control(batch)),
            maker=await self._maker(batch),
            copied_from=batch.properties.get(COPIED_FROM),
            copies=copies_of(batch),
            properties=_properties(batch),
            log=await self._engine.monitoring.listing.log(job.id, limit=FIRST_LINES) if job else None,
            failed=failed,
            warned=warned,
            seconds=_seconds(job),
            left=_seconds_left(job),
            load=await self._load(request, batch),
        )

    async def _maker(self, batch: Batch) -> str | None:
        keys = {key.id: key.name for key in await self._engine.access.keys.list()} if batch.created_by else {}
        return keys.get(batch.created_by or 0)

    async def _load(self, request: web.Request, batch: Batch) -> "Load | None":
        state = await self._state(request, batch)
        if state is None:
            return None
        skip = min(number(request.query.get("rows")) or 0, state.rows.total)
        rows = await self._engine.voss.rows(state, skip, ROWS)
        here = path_of(batch.identifier)
        return Load(
            state,
            [part for part in state.parts if part != "schedule" or state.transaction.due is not None],
            rows,
            skip,
            older=f"{here}?rows={skip + ROWS}#transaction" if skip + ROWS < state.rows.total else None,
            newer=f"{here}?rows={max(0, skip - ROWS)}#transaction" if skip else None,
        )

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
        """As it came; parts of it, too, where the client asks for a range."""
        id = number(request.match_info["file"])
        if id is None:
            raise BatchFileNotFound(request.match_info["file"])
        file, path = await self._engine.batches.stored(request.match_info["id"], id)
        headers = attachment(file.filename or file.name)
        return web.FileResponse(path, headers=headers | {hdrs.CONTENT_TYPE: "application/octet-stream"})


def attachment(name: str) -> dict[str, str]:
    """Returns the headers of a download with this name; any character may be in it."""
    return DOWNLOAD | {hdrs.CONTENT_DISPOSITION: downloads.attachment(name)}


def _link(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _properties(batch: Batch) -> dict[str, str]:
    """Those that the page does not show in their own place."""
    shown = (COPIED_FROM, "copies", "transaction")
    return {
        name.replace("_", " "): value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in batch.properties.items()
        if name not in shown and value not in (None, "", [], {})
    }


def _pretty(content: bytes | None) -> str | None:
    if content is None:
        return None
    if len(content) > MOST_LAID_OUT:
        return content[:LONGEST_CONTROL].decode("utf-8", "replace") + "\n…"
    try:
        text = orjson.dumps(orjson.loads(content), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, TypeError):  # TypeError: nested too deeply to be written
        text = content.decode("utf-8", "replace")
    return text if len(text) <= LONGEST_CONTROL else text[:LONGEST_CONTROL] + "\n…"


def _seconds_left(job: Job | None) -> float | None:
    """As if the rest went as fast as what was read so far; None where that is not known."""
    seconds = _seconds(job)
    if job is None or job.state != "running" or not seconds or not job.fraction:
        return None
    return seconds * (1 - job.fraction) / job.fraction


def _seconds(job: Job | None) -> float | None:
    """How long it ran, or has been running; in a job that waits to go on, until its latest sign of life."""
    if job is None or job.started is None or (job.state not in FINAL and job.state != "running"):
        return None
    return max((job.finished or utc_now()) - job.started, timedelta(0)).total_seconds()
