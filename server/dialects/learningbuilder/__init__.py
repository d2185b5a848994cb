"""LearningBuilder's Workflow Import Queue: one call creates a batch of JSON Lines and starts it."""

import shlex
from collections.abc import Iterable
from urllib.parse import urlencode

from aiohttp import hdrs, web

from server.dialects.learningbuilder import wire
from server.dialects.learningbuilder.errors import Refusal, body_of, failure_of, refusal_of
from server.dialects.learningbuilder.openapi import DESCRIPTION
from server.dialects.learningbuilder.routes import CALL, PREFIX, SCOPE, QueueApi
from server.engine.access.scopes import Scope
from server.engine.engine import Engine
from server.engine.errors import EngineError
from server.mapping.language.processes import Process
from server.web.auth import Gate
from server.web.dialect import Example


class LearningBuilder:
    name = "learningbuilder"
    prefixes = (PREFIX,)
    description = DESCRIPTION
    scopes = (Scope(SCOPE, "LearningBuilder's WorkflowImportQueue"),)

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._api = QueueApi(engine, gate)

    def routes(self) -> Iterable[web.RouteDef]:
        yield from self._api.routes()

    def examples(self, process: Process, base: str) -> Iterable[Example]:
        query = urlencode({"fileName": "FILE", "importProcessId": process.id, "creationPath": "MYPROGRAM"})
        address = f"{base}{CALL}?{query}"
        command = f'curl -H "Authorization: apikey $KEY" --data-binary @FILE {shlex.quote(address)}'
        yield Example("LearningBuilder, WorkflowImportQueue (the body is JSON Lines)", address, SCOPE, command)

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        return _rendered(*refusal_of(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return _rendered(failure_of(status), message)


def _rendered(row: Refusal, message: str) -> web.Response:
    response = web.Response(status=row.status, text=body_of(row, message), content_type="application/json")
    if row.status == web.HTTPUnauthorized.status_code:
        response.headers[hdrs.WWW_AUTHENTICATE] = wire.SCHEME
    return response
