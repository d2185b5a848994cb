"""The server's own API, read-only: batches, jobs, outcomes and imported records."""

from collections.abc import Iterable

from aiohttp import hdrs, web

from server.dialects.native import errors
from server.dialects.native.events import EventApi
from server.dialects.native.openapi import DESCRIPTION, PREFIX
from server.dialects.native.routes import BatchApi, DefinitionApi, JobApi, RecordApi, RequestAuth, answer
from server.engine.access.scopes import NATIVE
from server.engine.engine import Engine
from server.engine.errors import EngineError
from server.mapping.language.processes import Process
from server.web.auth import Gate
from server.web.dialect import Example
from server.web.errors import answer_to


class Native:
    name = "native"
    prefixes = (PREFIX,)
    description = DESCRIPTION
    scopes = (NATIVE,)

    def __init__(self, engine: Engine, gate: Gate) -> None:
        auth = RequestAuth(engine, gate)
        self._apis = (BatchApi(auth), JobApi(auth), RecordApi(auth), DefinitionApi(auth), EventApi(auth))

    def routes(self) -> Iterable[web.RouteDef]:
        for api in self._apis:
            yield from api.routes()

    def examples(self, process: Process, base: str) -> Iterable[Example]:
        return ()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        refusal = answer_to(errors.TABLE, error)
        response = answer(errors.body(refusal.code, str(error)), refusal.status)
        if refusal.status == web.HTTPUnauthorized.status_code:
            response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="penstock"'
        return response

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return answer(errors.body(errors.FAILURES.get(status, "request_invalid"), message), status)
