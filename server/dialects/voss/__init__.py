"""VOSS-4-UC's bulk load API: upload workbooks, load them now or at a given time, and follow the transactions."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.voss import wire
from server.dialects.voss.errors import TABLE, LoadFailed
from server.dialects.voss.openapi import DESCRIPTION
from server.dialects.voss.routes import SCOPE, DataApi, LoadApi, TransactionApi, answer
from server.engine.access.scopes import Scope
from server.engine.engine import Engine
from server.engine.errors import EngineError
from server.mapping.language.processes import Process
from server.web.auth import Gate
from server.web.dialect import Example
from server.web.errors import answer_to


class Voss:
    name = "voss"
    prefixes = ("/api/uploadfiles", "/api/tool", "/api/data")
    description = DESCRIPTION
    scopes = (Scope(SCOPE, "VOSS-4-UC's Bulk Load"),)

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._apis = (LoadApi(engine, gate), TransactionApi(engine, gate), DataApi(engine, gate))

    def routes(self) -> Iterable[web.RouteDef]:
        for api in self._apis:
            yield from api.routes()

    def examples(self, process: Process, base: str) -> Iterable[Example]:
        return ()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        found = answer_to(TABLE, error)
        transaction = error.transaction if isinstance(error, LoadFailed) else None
        response = answer(wire.fault(found.status, found.code, found.words(error), transaction), found.status)
        if found.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="penstock"'
        return response

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return answer(wire.fault(status, status * 10, message), status)
