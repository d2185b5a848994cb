"""The list of batches of all APIs, and the redirect from a job to its batch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args
from urllib.parse import quote, urlencode

from aiohttp import web

from server.admin.site import Site
from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.batches.listing import WINDOW, BatchState, Job, Wanted

PATH = "/admin/batches"
STATES: tuple[str, ...] = get_args(BatchState)
PAGE = 50
LONGEST_TEXT = 200
_FILTERS = ("api", "state", "process", "text", "from", "to")


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters as the visitor typed them, and as the engine reads them."""

    typed: Mapping[str, str]
    wanted: Wanted
    problems: list[str]

    def link(self, before: int | None = None) -> str:
        query = {name: value for name, value in self.typed.items() if value}
        return f"{PATH}?{urlencode(query | ({} if before is None else {'before': str(before)}))}"


class BatchesPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.get("/admin/jobs/{id}", self._job)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        filters = _filters(request.query)
        before = number(request.query.get("before"))
        found = await self._engine.monitoring.listing.batches(filters.wanted, before=before, limit=PAGE)
        return await self._site.page(
            request,
            "batches.html",
            status=400 if filters.problems else 200,
            filters=filters,
            found=found,
            apis=await self._engine.monitoring.listing.apis(),
            states=STATES,
            processes=sorted(self._engine.definitions.processes),
            first=filters.link() if before is not None else None,
            older=None if found.further is None else filters.link(found.further),
            window=WINDOW,
        )

    async def _job(self, request: web.Request) -> web.StreamResponse:
        job = await self._engine.jobs.get(request.match_info["id"])
        if job.mode == BACKGROUND_TASK or job.batch is None:
            return await self._errand(request, job)
        raise web.HTTPSeeOther(path_of((await self._engine.batches.of_job(job)).identifier))

    async def _errand(self, request: web.Request, job: Job) -> web.StreamResponse:
        batch = await self._engine.batches.of_job(job) if job.batch is not None else None
        return await self._site.page(request, "background_task.html", job=job, batch=batch)


def path_of(identifier: str, more: str = "") -> str:
    """Returns the address of a batch's page."""
    return f"{PATH}/{quote(identifier, safe='')}{more}"


def number(text: str | None) -> int | None:
    """Returns where a page begins; None for any text that is not a number that the database can hold."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)


def _filters(query: Mapping[str, str]) -> Filters:
    typed = {name: query.get(name, "").replace("\0", "").strip()[:LONGEST_TEXT] for name in _FILTERS}
    problems: list[str] = []
    if typed["state"] and typed["state"] not in STATES:
        problems.append(f"There is no state {typed['state']!r}; the states are {', '.join(STATES)}.")
    wanted = Wanted(
        api=typed["api"] or None,
        state=typed["state"] or None,
        process=typed["process"] or None,
        text=typed["text"] or None,
        created_from=_moment(typed["from"], "From", problems),
        created_before=_end(typed["to"], problems),
    )
    return Filters(typed, wanted, problems)


def _moment(text: str, label: str, problems: list[str]) -> datetime | None:
    """Returns the time that was typed, in UTC unless it has an offset."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        problems.append(f"{label}: {text!r} is not a time; write it as 2025-03-01T09:30, or 2025-03-01 for a day.")
        return None


def _end(text: str, problems: list[str]) -> datetime | None:
    """Returns the end of the day, minute or second that was typed."""
    moment = _moment(text, "To", problems)
    if moment is None:
        return None
    step = timedelta(days=1) if len(text) == 10 else timedelta(minutes=1) if len(text) == 16 else timedelta(seconds=1)
    try:
        return moment + step
    except OverflowError:
        return moment
