"""Upload definitions of the first version (vendor's documentation: Data import v1.1)."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio import cql
from server.dialects.folio.auth import RequestAuth
from server.dialects.folio.endpoints import JSON, OCTETS, Endpoints, answer, nothing
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import FolioNewDefinition, FolioNewFile
from server.engine.access.callers import Caller
from server.engine.vendors.folio.searches import Search
from server.engine.vendors.folio.upload_definitions import UploadDefinition, UploadDefinitions
from server.web.body import receive_octets

PREFIX = "/data-import/upload"


class UploadsV1Api:
    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    @property
    def _definitions(self) -> UploadDefinitions:
        return self._engine.folio.upload_definitions

    def routes(self) -> Iterable[web.RouteDef]:
        route, one = self._endpoints.route, PREFIX + "/definition/{definition}"
        yield route("POST", PREFIX + "/definition", self.create, "create definition", takes=JSON)
        yield route("GET", PREFIX + "/definition", self.list, "list definition")
        yield route("POST", PREFIX + "/definition/file", self.add_file, "create file definition", takes=JSON)
        yield route("DELETE", PREFIX + "/definition/file/{file}", self.remove_file, "delete file definition")
        yield route("PUT", one, self.replace, "update definition", takes=JSON)
        yield route("GET", one, self.get, "get definition")
        yield route("POST", PREFIX + "/file", self.upload, "upload file", takes=OCTETS)

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        wire.check_language(request.query)
        files = wire.new_files(await self._endpoints.read(request, FolioNewDefinition))
        return _created(await self._definitions.create(caller, files))

    async def list(self, request: web.Request, caller: Caller) -> web.Response:
        wire.check_language(request.query)
        offset, limit = wire.page(request.query)
        found, total = await self._definitions.find(caller.tenant, asked(request.query), offset, limit)
        return answer(wire.listed("uploadDefinitions", [wire.definition_v1(one) for one in found], total))

    async def get(self, request: web.Request, caller: Caller) -> web.Response:
        return _answer(await self._definitions.get(caller.tenant, request.match_info["definition"]))

    async def replace(self, request: web.Request, caller: Caller) -> web.Response:
        change = wire.replacement(await self._endpoints.read(request, FolioNewDefinition), keeps_files=False)
        return _answer(await self._definitions.replace(caller, request.match_info["definition"], change, process=True))

    async def add_file(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await self._endpoints.read(request, FolioNewFile)
        definition = sent.upload_definition_id or ""
        return _created(await self._definitions.add_file(caller, definition, wire.new_file(sent)))

    async def remove_file(self, request: web.Request, caller: Caller) -> web.Response:
        definition = wire.required(request.query, "uploadDefinitionId")
        await self._definitions.remove_file(caller.tenant, definition, request.match_info["file"])
        return nothing()

    async def upload(self, request: web.Request, caller: Caller) -> web.Response:
        """Receives a file. One that was not announced is refused before its body is read."""
        definition, file = (wire.required(request.query, name) for name in ("uploadDefinitionId", "fileId"))
        await self._definitions.awaited(caller.tenant, definition, file)
        upload = await receive_octets(self._engine.uploads, request, publish=True)
        return _answer(await self._definitions.load_file(caller, definition, file, upload))


def asked(query: wire.Parameters) -> Search:
    text = query.get("query", "")
    return cql.parse(text) if text.strip() else Search()


def _created(definition: UploadDefinition) -> web.Response:
    return answer(wire.definition_v1(definition), 201, location=f"{PREFIX}/definition/{definition.id}")


def _answer(definition: UploadDefinition) -> web.Response:
    return answer(wire.definition_v1(definition))
