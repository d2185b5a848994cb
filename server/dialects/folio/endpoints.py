"""What all endpoints of FOLIO's modules share: authentication, media types, bodies and responses in JSON."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from server.dialects.folio.auth import ACTION, RequestAuth
from server.dialects.folio.errors import HeaderWrong
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import Sent, read
from server.engine.access.callers import Caller
from server.web.body import expect_later, read_bytes

JSON = "application/json"
OCTETS = "application/octet-stream"
TEXT = "text/plain"

Endpoint = Callable[[web.Request, Caller], Awaitable[web.Response]]


class Endpoints:
    """Makes routes of endpoints. A refusal says that it was unable to do the `action` of the route."""

    def __init__(self, auth: RequestAuth) -> None:
        self.auth = auth
        self.engine = auth.engine

    def route(
        self, method: str, path: str, endpoint: Endpoint, action: str, *, takes: str | None = None
    ) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            request[ACTION] = action
            caller = await self.auth.admit(request)
            _check_accept(request, (JSON, TEXT))
            if takes is not None:
                _check_content_type(request, takes)
            return await endpoint(request, caller)

        return web.route(method, path, handle, expect_handler=expect_later)

    async def read(self, request: web.Request, cls: type[Sent]) -> Sent:
        return read(await read_bytes(self.engine.uploads, request), cls)


def answer(content: object, status: int = 200, *, location: str | None = None) -> web.Response:
    headers = {} if location is None else {"Location": location}
    return web.Response(status=status, body=wire.document(content), content_type=JSON, headers=headers)


def nothing() -> web.Response:
    return web.Response(status=204)


def _check_content_type(request: web.Request, wanted: str) -> None:
    given = request.headers.get("Content-Type", "")
    if given.partition(";")[0].strip().lower() != wanted:
        raise HeaderWrong(f'Content-type header must be ["{wanted}"] but it is "{given}"')


def _check_accept(request: web.Request, produced: tuple[str, ...]) -> None:
    """Refuses a request whose Accept header names none of the types; without the header, every type is accepted."""
    given = request.headers.get("Accept", "").strip()
    accepted = {part.partition(";")[0].strip().lower() for part in given.split(",")}
    if given and not accepted & {*produced, "*/*", *(f"{kind.partition('/')[0]}/*" for kind in produced)}:
        names = ",".join(f'"{kind}"' for kind in produced)
        raise HeaderWrong(f'Accept header must be [{names}] for this request, but it is "{given}"')
