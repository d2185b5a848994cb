"""The page Schedules: runs that come later, and the button that cancels one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from server.admin.operations.schedule_view import schedule_view
from server.admin.site import Site
from server.engine.batches.schedules import DueCursor, Schedule

PATH = "/admin/schedules"
PAGE = 50


class SchedulePages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._schedules = site.engine.monitoring.schedules

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.post(PATH + "/{job}/cancel", self._cancel)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        after = _place(request.query)
        found = await self._schedules.coming(after=after, limit=PAGE + 1)
        return await self._site.page(
            request,
            "schedules.html",
            overdue=[schedule_view(run) for run in await self._schedules.overdue()] if after is None else (),
            upcoming=[schedule_view(run) for run in found[:PAGE]],
            next=_link(found),
            first=None if after is None else PATH,
        )

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        await self._site.form(request)
        await self._schedules.cancel(request.match_info["job"])
        raise self._site.see(PATH, notice="schedule-cancelled")


def _link(found: Sequence[Schedule]) -> str | None:
    if len(found) <= PAGE:
        return None
    last = found[PAGE - 1].place
    return f"{PATH}?{urlencode({'after': last.due.isoformat(), 'job': last.id})}"


def _place(query: Mapping[str, str]) -> DueCursor | None:
    """Returns where the page begins; None, the first page, for an address that was tampered with."""
    try:
        return DueCursor(datetime.fromisoformat(query.get("after", "")).astimezone(UTC), query.get("job", ""))
    except (ValueError, OverflowError):
        return None
