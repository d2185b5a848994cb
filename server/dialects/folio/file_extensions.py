"""The endpoints for file extensions, data types and the split status."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio.auth import RequestAuth
from server.dialects.folio.endpoints import JSON, Endpoints, answer, nothing
from server.dialects.folio.uploads_v1 import asked
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import FolioNewFileExtension
from server.engine.access.callers import Caller
from server.engine.vendors.folio.file_extensions import DATA_TYPES

PREFIX = "/data-import/fileExtensions"


class ExtensionApi:
    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    def routes(self) -> Iterable[web.RouteDef]:
        route, one = self._endpoints.route, PREFIX + "/{extension}"
        yield route("GET", PREFIX, self.list, "list file extensions")
        yield route("POST", PREFIX, self.create, "create file extension", takes=JSON)
        yield route("POST", PREFIX + "/restore/default", self.restore, "restore file extensions")
        yield route("GET", one, self.get, "get file extension")
        yield route("PUT", one, self.change, "update file extension", takes=JSON)
        yield route("DELETE", one, self.delete, "delete file extension")
        yield route("GET", "/data-import/dataTypes", self.data_types, "list data types")
        yield route("GET", "/data-import/splitStatus", self.split_status, "get split status")

    async def list(self, request: web.Request, caller: Caller) -> web.Response:
        wire.check_language(request.query)
        offset, limit = wire.page(request.query)
        found, total = await self._engine.folio.file_extensions.find(caller.tenant, asked(request.query), offset, limit)
        return answer(wire.listed("fileExtensions", [wire.extension_document(one) for one in found], total))

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        values = wire.extension(await self._endpoints.read(request, FolioNewFileExtension))
        extension = await self._engine.folio.file_extensions.create(caller, values)
        return answer(wire.extension_document(extension), 201, location=f"{PREFIX}/{extension.id}")

    async def restore(self, request: web.Request, caller: Caller) -> web.Response:
        found, total = await self._engine.folio.file_extensions.restore(caller.tenant)
        return answer(wire.listed("fileExtensions", [wire.extension_document(one) for one in found], total))

    async def get(self, request: web.Request, caller: Caller) -> web.Response:
        extension = await self._engine.folio.file_extensions.get(caller.tenant, request.match_info["extension"])
        return answer(wire.extension_document(extension))

    async def change(self, request: web.Request, caller: Caller) -> web.Response:
        values = wire.extension(await self._endpoints.read(request, FolioNewFileExtension))
        extension = await self._engine.folio.file_extensions.change(caller, request.match_info["extension"], values)
        return answer(wire.extension_document(extension))

    async def delete(self, request: web.Request, caller: Caller) -> web.Response:
        await self._engine.folio.file_extensions.delete(caller.tenant, request.match_info["extension"])
        return nothing()

    async def data_types(self, request: web.Request, caller: Caller) -> web.Response:
        return answer({"dataTypes": list(DATA_TYPES), "totalRecords": len(DATA_TYPES)})

    async def split_status(self, request: web.Request, caller: Caller) -> web.Response:
        return answer({"splitStatus": self._engine.folio.upload_definitions.rules.upload_in_parts})
