"""Counts answered requests, with plain numbers and no lock, because it runs for every request."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from server.web.access_log import ROUTE

UNKNOWN = "unknown"  # the route of all unknown paths: clients must not invent labels
OTHER = "other"  # all unknown methods, likewise
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0)  # seconds

Sort = tuple[str, str, int]  # method, route, status


@dataclass(frozen=True, slots=True)
class Timing:
    """How many requests took at most each of BOUNDS, how many took longer, and the sum of their times."""

    buckets: list[int]
    seconds: float


class _Series:
    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0


class Requests:
    """Request counters; used on the event loop only."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._series: dict[Sort, _Series] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Counts a request. It is the outermost middleware, so it sees the final response."""
        began = perf_counter()
        self.in_flight += 1
        try:
            response = await handler(request)
            self._note(request, response.status, perf_counter() - began)
            return response
        except web.HTTPException as redirect:
            self._note(request, redirect.status, perf_counter() - began)
            raise
        finally:
            self.in_flight -= 1

    def copied(self) -> Mapping[Sort, Timing]:
        """Returns a copy, for another thread."""
        return {sort: Timing(series.buckets.copy(), series.seconds) for sort, series in self._series.items()}

    def _note(self, request: web.Request, status: int, seconds: float) -> None:
        method = request.method
        sort = (method if method in hdrs.METH_ALL else OTHER, request.get(ROUTE) or UNKNOWN, status)
        series = self._series.get(sort)
        if series is None:
            series = self._series[sort] = _Series()
        series.buckets[bisect_left(BOUNDS, seconds)] += 1
        series.seconds += seconds
