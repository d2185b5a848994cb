"""Records of a batch that failed or lost a value: by cause, page by page, and as a file to correct."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from urllib.parse import urlencode

import structlog
from aiohttp import hdrs, web

from server.admin.batches.batch import attachment
from server.admin.batches.listing import number, path_of
from server.admin.rendering import number as number_text
from server.admin.rendering import plural
from server.admin.site import Site
from server.engine.batches.failure_causes import ALL, Kind, number_of
from server.engine.batches.listing import Batch, Job
from server.engine.corrections.corrections import Offer, RecordsLost
from server.engine.errors import BatchFileNotFound

PAGE = 50
STEP = 256 << 10  # bytes made in one call of a thread

_log = structlog.get_logger(__name__)


class FailedPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/admin/batches/{id}/failed", partial(self._list, kind="failed"))
        yield web.get("/admin/batches/{id}/failed/download", partial(self._download, kind="failed"))
        yield web.get("/admin/batches/{id}/warnings", partial(self._list, kind="warnings"))
        yield web.get("/admin/batches/{id}/warnings/download", partial(self._download, kind="warnings"))

    async def _list(self, request: web.Request, *, kind: Kind) -> web.StreamResponse:
        batch = await self._engine.batches.get(None, request.match_info["id"])
        cause = request.query.get("cause") or None
        after = number(request.query.get("after"))
        if batch.job is None:
            done = "failed" if kind == "failed" else "been stored"
            sentence = f"The batch has not run yet, so nothing has {done}."
            return await self._site.page(request, "failed.html", batch=batch, job=None, kind=kind, sentence=sentence)
        job = await self._engine.jobs.get(batch.job)
        behind = -1 if after is None else after
        found = await self._engine.monitoring.failure_causes.page(job, kind=kind, cause=cause, after=behind, limit=PAGE)
        causes = await self._engine.monitoring.failure_causes.causes(job, kind)
        here, filters = path_of(batch.identifier, f"/{kind}"), {"cause": cause} if cause else {}
        offers = self._engine.corrections.offers
        return await self._site.page(
            request,
            "failed.html",
            batch=batch,
            job=job,
            kind=kind,
            sentence=_summary(job, kind, causes.total) if causes.total else _none(job, kind),
            found=found,
            causes=causes,
            chosen=next((one for one in causes.causes if one.id == cause), None),
            cause=cause,
            offers=await asyncio.to_thread(offers, batch, kind) if number_of(job, kind) else (),
            most=ALL,
            first=f"{here}?{urlencode(filters)}" if after is not None else None,
            older=None
            if found.next_cursor is None
            else f"{here}?{urlencode(filters | {'after': str(found.next_cursor)})}",
        )

    async def _download(self, request: web.Request, *, kind: Kind) -> web.StreamResponse:
        batch = await self._engine.batches.get(None, request.match_info["id"])
        offer = await self._offer(batch, request.query.get("file"), kind)
        pieces = _steps(await asyncio.to_thread(self._engine.corrections.pieces, batch, offer.role, kind))
        first = await anext(pieces, b"")  # an error before the first byte is still answered with a page
        headers = attachment(offer.filename) | {hdrs.CONTENT_TYPE: "application/octet-stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
            await response.write_eof()
        except RecordsLost as error:
            _log.warning("download aborted", batch=batch.identifier, reason=str(error))
            if request.transport is not None:
                request.transport.abort()  # after a proper end the client would take an incomplete file for the whole
        except ConnectionError:
            return response  # the client has gone
        return response

    async def _offer(self, batch: Batch, role: str | None, kind: Kind) -> Offer:
        """Returns the file of a role, or the only one there is."""
        offers = await asyncio.to_thread(self._engine.corrections.offers, batch, kind)
        found = [offer for offer in offers if role is None or offer.role == role]
        if len(found) != 1:
            raise BatchFileNotFound(role or "none was named, and there are several")
        return found[0]


def _none(job: Job, kind: Kind) -> str:
    if kind == "warnings":
        return f"No record was stored with warnings{_so_far(job)}."
    return f"No record {'failed' if job.finished else 'has failed'}{_so_far(job)}."


def _summary(job: Job, kind: Kind, total: int) -> str:
    dry_run, share = job.mode == "dry-run", f"{number_text(total)} of {plural(job.counts.read, 'record')}"
    if kind == "warnings":
        stored = "would be" if dry_run else "were"
        return f"{share} {stored} stored, but a value of each was lost or changed{_so_far(job)}."
    others = " The others are in order; this was a dry run." if dry_run else " The others are imported."
    return f"{share} failed{_so_far(job)}.{others if job.state == 'done' else ''}"


def _so_far(job: Job) -> str:
    return "" if job.finished else " so far"


async def _steps(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields larger pieces, each made in a thread."""
    while taken := await asyncio.to_thread(_take, pieces):
        yield taken


def _take(pieces: Iterator[bytes]) -> bytes:
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= STEP:
            break
    return b"".join(taken)
