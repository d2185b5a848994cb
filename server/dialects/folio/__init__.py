"""FOLIO's data import: upload definitions, their files, and what clients call around them."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio.auth import ACTION, Desk, LoginApi
from server.dialects.folio.definitions import DefinitionApi
from server.dialects.folio.described import DESCRIBED
from server.dialects.folio.errors import TABLE, VALIDATION
from server.dialects.folio.extensions import ExtensionApi
from server.dialects.folio.job_logs import JobLogApi
from server.dialects.folio.jobs import JobApi
from server.dialects.folio.later import LaterApi
from server.dialects.folio.parts import PartApi
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError, KeyThrottled
from server.web.auth import Gate
from server.web.errors import answer_to


class Folio:
    name = "folio"
    prefixes = ("/data-import", *LoginApi.prefixes, *JobApi.prefixes, *JobLogApi.prefixes)
    described = DESCRIBED

    def __init__(self, engine: Engine, gate: Gate) -> None:
        desk = Desk(engine, gate)
        self._apis = (DefinitionApi(desk), LaterApi(desk), ExtensionApi(desk), PartApi(desk), LoginApi(desk))
        self._jobs = (JobApi(desk), JobLogApi(desk))

    def routes(self) -> Iterable[web.RouteDef]:
        for api in (*self._apis, *self._jobs):
            yield from api.routes()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, body = answer_to(TABLE, error)
        if status == VALIDATION:
            return web.Response(status=status, text=body(error), content_type="application/json")
        if isinstance(error, AccessRefused) and not isinstance(error, KeyThrottled):
            return web.Response(status=status, text=f"unable to {request.get(ACTION, 'do that')} -- unauthorized")
        return web.Response(status=status, text=body(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message)
