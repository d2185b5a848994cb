"""FOLIO's data import: upload definitions and their files, job executions, and what clients need besides."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio.auth import ACTION, SCOPE, RequestAuth
from server.dialects.folio.errors import TABLE, VALIDATION
from server.dialects.folio.openapi import DESCRIPTION
from server.dialects.folio.routes import PREFIXES, apis
from server.engine.access.scopes import Scope
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError, KeyThrottled
from server.mapping.language.processes import Process
from server.web.auth import Gate
from server.web.dialect import Example
from server.web.errors import answer_to


class Folio:
    name = "folio"
    prefixes = PREFIXES
    description = DESCRIPTION
    scopes = (Scope(SCOPE, "FOLIO Data Import"),)

    def __init__(self, engine: Engine, gate: Gate) -> None:
        auth = RequestAuth(engine, gate)
        self._apis = apis(auth)

    def routes(self) -> Iterable[web.RouteDef]:
        for api in self._apis:
            yield from api.routes()

    def examples(self, process: Process, base: str) -> Iterable[Example]:
        return ()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, body = answer_to(TABLE, error)
        if status == VALIDATION:
            return web.Response(status=status, text=body(error), content_type="application/json")
        if isinstance(error, AccessRefused) and not isinstance(error, KeyThrottled):
            return web.Response(status=status, text=f"unable to {request.get(ACTION, 'do that')} -- unauthorized")
        return web.Response(status=status, text=body(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message)
