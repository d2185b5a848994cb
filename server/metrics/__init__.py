"""Health and metrics: /livez and /readyz need no key, /metrics needs one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.engine.access.scopes import NATIVE
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError, KeyForbidden, KeyThrottled
from server.engine.operations.single_flight import SingleFlight
from server.engine.operations.storage_metrics import DiskStats, JobStats
from server.metrics.activity import Activity
from server.metrics.families import Snapshot, families
from server.metrics.health import rendered
from server.metrics.requests import Requests
from server.web.auth import Gate, key_in
from server.web.errors import Answer, answer_to

SCOPE = NATIVE.name
PATIENCE = 3.0  # seconds for the catalog and the disk; a late answer is left out of the scrape

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_WAY_OUT = f"; send a key of scope {SCOPE} or admin as `Authorization: Bearer KEY`"
TABLE: Mapping[type[EngineError], Answer] = {
    AccessRefused: Answer(401, lambda error: str(error) + _WAY_OUT),
    KeyForbidden: Answer(403, lambda error: str(error) + _WAY_OUT),
    KeyThrottled: Answer(429),
    EngineError: Answer(400),
}


class Metrics:
    """Answers for its paths as a dialect does; its `middleware` goes outermost.

    Each scrape asks the engine for its numbers; the rest is counted from requests and events.
    """

    name = "metrics"
    prefixes = ("/livez", "/readyz", "/metrics")

    def __init__(self, engine: Engine, gate: Gate, patience: float = PATIENCE) -> None:
        self._engine = engine
        self._gate = gate
        self.patience = patience
        self._requests = Requests()
        self._activity = Activity()
        self._process = ProcessCollector(registry=None)
        self._jobs: SingleFlight[JobStats] = SingleFlight(
            lambda: engine.operations.storage_metrics.jobs(tuple(self._activity.running))
        )
        self._disk: SingleFlight[DiskStats] = SingleFlight(lambda: engine.operations.storage_metrics.disk())

    @property
    def middleware(self) -> Middleware:
        return self._requests.middleware

    def attach(self, app: web.Application) -> None:
        """Listens to the engine's events, and ends readiness when the application stops."""
        self._engine.events.listen(self._activity.hear)
        app.on_shutdown.append(self._stopping)

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/livez", self._live)
        yield web.get("/readyz", self._ready)
        yield web.get("/metrics", self._metrics)

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, body = answer_to(TABLE, error)
        response = web.Response(status=status, text=body(error))
        if status == web.HTTPUnauthorized.status_code:
            response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="penstock"'
        return response

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message)

    async def _stopping(self, _app: web.Application) -> None:
        self._engine.background.stopping = True

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, request: web.Request) -> web.Response:
        return rendered(await self._engine.operations.readiness.check(), request.headers.get(hdrs.ACCEPT, ""))

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._gate.admit(request, key_in(request.headers), SCOPE)
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        registry = CollectorRegistry()
        registry.register(_Families(await self._snapshot()))
        registry.register(self._process)
        body = await asyncio.to_thread(encode, registry)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"})

    async def _snapshot(self) -> Snapshot:
        jobs, disk = await asyncio.gather(self._answer(self._jobs.answer), self._answer(self._disk.answer))
        if jobs is not None:
            self._activity.count(jobs.counts)
        arriving, arrived = self._engine.uploads.arriving()
        return Snapshot(
            requests=self._requests.copied(),
            in_flight=self._requests.in_flight,
            uploads=dict(self._activity.uploads),
            upload_bytes=self._activity.upload_bytes + arrived,
            arriving=arriving,
            records=dict(self._activity.records),
            speed=self._activity.speed(),
            jobs=jobs,
            disk=disk,
        )

    async def _answer(self, question: Callable[[float], Awaitable[T]]) -> T | None:
        try:
            return await question(self.patience)
        except (
            Exception
        ) as error:  # the other numbers must still be delivered: operators look at them when something fails
            _log.warning("metrics incomplete", reason=str(error), kind=type(error).__name__)
            return None


class _Families(Collector):
    def __init__(self, now: Snapshot) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        return families(self._now)
