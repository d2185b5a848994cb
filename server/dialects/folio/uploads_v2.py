"""Upload definitions of the later versions, under other names and with more properties."""

from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web

from server.dialects.folio.auth import RequestAuth
from server.dialects.folio.endpoints import JSON, OCTETS, Endpoints, answer, nothing
from server.dialects.folio.uploads_v1 import asked
from server.dialects.folio.wire import job_executions as jobs_wire
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import (
    FolioAssembly,
    FolioNewUploadDefinition,
    FolioNewUploadFile,
    FolioProcessFiles,
)
from server.engine.access.callers import Caller
from server.engine.errors import UploadFailed
from server.engine.vendors.folio.searches import Both, Comparison, Search
from server.engine.vendors.folio.upload_definitions import UploadDefinition, UploadDefinitions
from server.web.body import receive_octets

PREFIX = "/data-import/uploadDefinitions"
ONE = PREFIX + "/{definition}"
FILE = ONE + "/files/{file}"


class UploadsV2Api:
    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    @property
    def _definitions(self) -> UploadDefinitions:
        return self._engine.folio.upload_definitions

    def routes(self) -> Iterable[web.RouteDef]:
        route = self._endpoints.route
        yield route("POST", PREFIX, self.create, "create definition", takes=JSON)
        yield route("GET", PREFIX, self.list, "list definition")
        yield route("GET", ONE, self.get, "get definition")
        yield route("PUT", ONE, self.replace, "update definition", takes=JSON)
        yield route("DELETE", ONE, self.delete, "delete definition")
        yield route("POST", ONE + "/files", self.add_file, "create file definition", takes=JSON)
        yield route("POST", FILE, self.upload, "upload file", takes=OCTETS)
        yield route("DELETE", FILE, self.remove_file, "delete file definition")
        yield route("POST", FILE + "/assembleStorageFile", self.assemble, "assemble file", takes=JSON)
        yield route("POST", ONE + "/processFiles", self.process, "process files", takes=JSON)

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        wire.check_language(request.query)
        files = wire.new_files(await self._endpoints.read(request, FolioNewUploadDefinition))
        return _created(await self._definitions.create(caller, files, check=self._engine.folio.file_extensions.refused))

    async def list(self, request: web.Request, caller: Caller) -> web.Response:
        wire.check_language(request.query)
        offset, limit = wire.page(request.query)
        found, total = await self._definitions.find(caller.tenant, _own(request.query, caller), offset, limit)
        return answer(wire.listed("uploadDefinitions", [wire.definition_v2(one) for one in found], total))

    async def get(self, request: web.Request, caller: Caller) -> web.Response:
        return _answer(await self._definitions.get(caller.tenant, request.match_info["definition"]))

    async def replace(self, request: web.Request, caller: Caller) -> web.Response:
        change = wire.replacement(await self._endpoints.read(request, FolioNewUploadDefinition), keeps_files=True)
        definition = request.match_info["definition"]
        return _answer(await self._definitions.replace(caller, definition, change, process=False))

    async def delete(self, request: web.Request, caller: Caller) -> web.Response:
        await self._definitions.delete(caller.tenant, request.match_info["definition"])
        return nothing()

    async def add_file(self, request: web.Request, caller: Caller) -> web.Response:
        file = wire.new_file(await self._endpoints.read(request, FolioNewUploadFile))
        check = self._engine.folio.file_extensions.refused
        return _created(await self._definitions.add_file(caller, request.match_info["definition"], file, check=check))

    async def upload(self, request: web.Request, caller: Caller) -> web.Response:
        definition, file = request.match_info["definition"], request.match_info["file"]
        await self._definitions.awaited(caller.tenant, definition, file)
        try:
            upload = await receive_octets(self._engine.uploads, request, publish=True)
        except UploadFailed:
            await self._definitions.fail_file(caller.tenant, definition, file)
            raise
        return _answer(await self._definitions.load_file(caller, definition, file, upload))

    async def remove_file(self, request: web.Request, caller: Caller) -> web.Response:
        names = request.match_info
        await self._definitions.remove_file(caller.tenant, names["definition"], names["file"])
        return nothing()

    async def assemble(self, request: web.Request, caller: Caller) -> web.Response:
        """Makes the file of its parts, then deletes the parts."""
        definition, file = request.match_info["definition"], request.match_info["file"]
        wanted = await self._endpoints.read(request, FolioAssembly)
        await self._definitions.awaited(caller.tenant, definition, file)
        staged = await self._engine.folio.staged_uploads.get(caller.tenant, wanted.upload_id, wanted.key)
        upload = await self._engine.folio.staged_uploads.assemble(staged, wanted.tags)
        await self._definitions.load_file(caller, definition, file, upload)
        await self._engine.folio.staged_uploads.forget(staged)
        return nothing()

    async def process(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await self._endpoints.read(request, FolioProcessFiles)
        profile = wire.profile(sent.job_profile_info)
        jobs_wire.known_profile(profile.id)
        await self._definitions.process(caller, request.match_info["definition"], profile)
        return nothing()


def _own(query: wire.Parameters, caller: Caller) -> Search:
    """Returns the search of a request; with a query, users find only their own definitions."""
    search = asked(query)
    if caller.user is None or not query.get("query", "").strip():
        return search
    return replace(search, condition=Both(Comparison("metadata.createdByUserId", "==", caller.user), search.condition))


def _created(definition: UploadDefinition) -> web.Response:
    return answer(wire.definition_v2(definition), 201, location=f"{PREFIX}/{definition.id}")


def _answer(definition: UploadDefinition) -> web.Response:
    return answer(wire.definition_v2(definition))
