"""LearningBuilder's Workflow Import Queue: one call makes a batch of JSON Lines and starts it."""

from collections.abc import Iterable

from aiohttp import hdrs, web

from server.dialects.learningbuilder import wire
from server.dialects.learningbuilder.errors import Refusal, body_of, failure_of, refusal_of
from server.dialects.learningbuilder.openapi import DESCRIBED
from server.dialects.learningbuilder.routes import PREFIX, QueueApi
from server.engine.engine import Engine
from server.engine.errors import EngineError
from server.web.auth import Gate


class LearningBuilder:
    name = "learningbuilder"
    prefixes = (PREFIX,)
    described = DESCRIBED

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._api = QueueApi(engine, gate)

    def routes(self) -> Iterable[web.RouteDef]:
        yield from self._api.routes()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        return _rendered(*refusal_of(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return _rendered(failure_of(status), message)


def _rendered(row: Refusal, message: str) -> web.Response:
    response = web.Response(status=row.status, text=body_of(row, message), content_type="application/json")
    if row.status == web.HTTPUnauthorized.status_code:
        response.headers[hdrs.WWW_AUTHENTICATE] = wire.SCHEME
    return response
