"""Push-data: one request is one file, imported before the response (vendor's documentation: Push data REST API)."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.haplo import wire
from server.dialects.haplo.errors import PushForbidden, PushRefused
from server.engine.engine import Engine
from server.mapping.language.processes import Process, Push
from server.web.auth import Gate
from server.web.body import expect_later, receive_octets

PREFIX = "/api/push-data"
SCOPE = "haplo-push"
FILE_NAME = "body"  # the name control files know the file by

AS_XML = web.RequestKey("push_as_xml", bool)


class PushApi:
    """The push APIs, each defined by the `push` of an import process and at its own URL."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.route("*", PREFIX + "/{url}", self.push, expect_handler=expect_later)

    async def push(self, request: web.Request) -> web.Response:
        key = await self._gate.admit(request, wire.key_in_headers(request.headers), SCOPE)
        if request.method != "POST":
            raise PushRefused("Only POST requests supported for push data REST APIs.")
        url = request.match_info["url"]
        process, push = self._defined(url)
        request[AS_XML] = push.response == "XML"
        if key.tenants and url not in key.tenants:
            raise PushForbidden(url)
        if not push.enabled:
            raise PushRefused(f"API is disabled: {url}")
        async with await receive_octets(self._engine.uploads, request, filename=FILE_NAME) as upload:
            result = await self._engine.haplo.push(process, upload, key=key)
            return rendered(request, wire.push_reply(result))

    def _defined(self, url: str) -> tuple[Process, Push]:
        for process in self._engine.definitions.processes.values():
            if process.push is not None and process.push.url == url:
                return process, process.push
        raise PushRefused(f"API not defined: {url}")


def rendered(request: web.Request, reply: wire.PushReply, status: int | None = None) -> web.Response:
    """Renders a reply in the format of the API's definition, or in JSON if there is none."""
    status = status or wire.PUSH_STATUS[reply.result]
    text, kind = (
        (wire.push_xml(reply), "application/xml")
        if request.get(AS_XML)
        else (wire.push_json(reply), "application/json")
    )
    return web.Response(status=status, body=text.encode("utf-8", "replace"), content_type=kind)
