"""Files in parts. FOLIO sends clients to S3 for them; here the upload addresses are this server's own."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio.auth import ACTION, RequestAuth
from server.dialects.folio.endpoints import Endpoints, answer
from server.dialects.folio.errors import ParameterWrong
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import LONGEST_TEXT
from server.engine.access.callers import Caller
from server.engine.vendors.folio.staged_uploads import MOST_PARTS, StagedUpload, sign
from server.web.body import expect_later, receive_octets
from server.web.links import site_of

PART = "/data-import/parts/{upload}/{number}"


class PartApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        route = self._endpoints.route
        yield route("GET", "/data-import/uploadUrl", self.first, "get upload url")
        yield route("GET", "/data-import/uploadUrl/subsequent", self.subsequent, "get upload url")
        yield web.put(PART, self.put_part, expect_handler=expect_later)

    async def first(self, request: web.Request, caller: Caller) -> web.Response:
        name = request.query.get("filename") or wire.required(request.query, "fileName")
        if len(name) > LONGEST_TEXT or not name.isprintable():
            raise ParameterWrong("fileName", name[:80], f"be at most {LONGEST_TEXT} printable characters")
        return self._told(request, await self._engine.folio.staged_uploads.begin(caller.tenant, name), 1)

    async def subsequent(self, request: web.Request, caller: Caller) -> web.Response:
        key, upload = (wire.required(request.query, name) for name in ("key", "uploadId"))
        number = wire.number(request.query, "partNumber", least=2, most=MOST_PARTS)
        return self._told(request, await self._engine.folio.staged_uploads.get(caller.tenant, upload, key), number)

    async def put_part(self, request: web.Request) -> web.Response:
        """Receives a part. The signed address is the permission, so it needs no key and no tenant."""
        request[ACTION] = "upload part"
        upload, number = request.match_info["upload"], wire.number(request.match_info, "number", least=1)
        expires, signature = (
            wire.number(request.query, "expires", most=2**53),
            wire.required(request.query, "signature"),
        )
        await self._engine.folio.staged_uploads.admitted(upload, number, expires, signature)
        part = await receive_octets(self._engine.uploads, request, publish=True)
        tag = await self._engine.folio.staged_uploads.put_part(upload, number, part)
        return web.Response(headers={"ETag": f'"{tag}"'})

    def _told(self, request: web.Request, staged: StagedUpload, number: int) -> web.Response:
        expires = self._engine.folio.staged_uploads.until(self._engine.folio.upload_definitions.rules.part_url_seconds)
        url = site_of(request, self._engine.config.public_url) + PART.format(upload=staged.id, number=number)
        signed = f"{url}?expires={expires}&signature={sign(staged, number, expires)}"
        return answer({"url": signed, "key": staged.path, "uploadId": staged.id})
