"""Haplo's import APIs: batches with uploaded control files, batches of configured processes, and pushes."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.haplo import push, wire
from server.dialects.haplo.errors import TABLE, PushForbidden
from server.dialects.haplo.openapi import DESCRIBED
from server.dialects.haplo.push import PushApi
from server.dialects.haplo.routes import BatchApi, StandardApi
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError
from server.web.auth import Gate
from server.web.errors import answer_to


class Haplo:
    name = "haplo"
    prefixes = (BatchApi.prefix, StandardApi.prefix, push.PREFIX)
    described = DESCRIBED

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._apis = (BatchApi(engine, gate), StandardApi(engine, gate), PushApi(engine, gate))

    def routes(self) -> Iterable[web.RouteDef]:
        for api in self._apis:
            yield from api.routes()

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        """Keys are refused by the platform in its own JSON, everything else by the API that was asked."""
        if isinstance(error, PushForbidden):
            return push.rendered(request, wire.NOT_AUTHORISED)
        status, body = answer_to(TABLE, error)
        if isinstance(error, AccessRefused):
            return web.Response(status=status, body=body(error).encode(), content_type="application/json")
        return self.fail(request, status, body(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        if request.path.startswith(push.PREFIX + "/"):
            return push.rendered(request, wire.push_error(message), status)
        return web.Response(status=status, text=message)
