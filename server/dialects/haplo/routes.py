"""The endpoints of Haplo's two batch import APIs: parse, one engine call, render."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from server.dialects.haplo import wire
from server.engine.access.keys import Key
from server.engine.engine import Engine
from server.engine.errors import KeyMissing, PartMissing, UploadTooLarge
from server.engine.uploads.uploads import Form, SmallForm
from server.web.auth import Gate
from server.web.body import body_of, declared_size, expect_later, receive_form

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
LARGEST_WITHOUT_KEY = 64 * 1024  # of a body that is read to look for a key

FormT = TypeVar("FormT", Form, SmallForm)


class Received(Generic[FormT]):
    """A request: its key, its parameters from query and body together, and its files."""

    def __init__(self, request: web.Request, key: Key, form: FormT) -> None:
        self.key = key
        self.parameters = wire.merged(request.query.items(), form.fields)
        self.form: FormT = form


class ImportApi(ABC):
    """The base of both APIs: create a batch, add files to it, schedule it.

    `scope` is the scope of the keys, and the name under which the engine keeps this API's batches apart.
    """

    prefix: str
    scope: str

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    def routes(self) -> Iterable[web.RouteDef]:
        for name, handler in self.handlers().items():
            yield web.post(f"{self.prefix}/{name}", handler, expect_handler=expect_later)

    def handlers(self) -> dict[str, Handler]:
        return {"batch": self._small(self.batch), "file": self._file, "schedule": self._small(self.schedule)}

    @abstractmethod
    async def batch(self, received: Received[SmallForm]) -> str:
        """Creates a batch, and returns its identifier."""

    async def file(self, received: Received[Form]) -> str:
        wanted = wire.file_request(received.parameters)
        added = await self._engine.batches.add_file(self.scope, wanted.batch, wanted.name, received.form.file())
        return added.digest

    async def schedule(self, received: Received[SmallForm]) -> str:
        wanted = wire.schedule_request(received.parameters)
        await self._engine.batches.schedule(self.scope, wanted.batch, wanted.mode)
        return wire.SCHEDULED

    def _small(self, endpoint: Callable[[Received[SmallForm]], Awaitable[str]]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            return web.Response(text=await endpoint(await self._received(request)))

        return handle

    async def _file(self, request: web.Request) -> web.Response:
        """Adds a file to a batch. The file is written while it arrives, and deleted if the batch does not take it."""
        if request.content_type != MULTIPART:
            await self._received(request)
            raise PartMissing("file")
        key = await self._gate.admit(request, wire.key_in_headers(request.headers), self.scope)
        async with await receive_form(self._engine.uploads, request) as form:
            return web.Response(text=await self.file(Received(request, key, form)))

    async def _received(self, request: web.Request) -> Received[SmallForm]:
        """Authenticates and reads a request. Only an urlencoded body, which may hold the key, is read before."""
        secret = wire.key_in_headers(request.headers)
        if secret is not None or request.content_type != URLENCODED:
            key = await self._gate.admit(request, secret, self.scope)
            return Received(request, key, await self._read_form(request))
        try:
            form = await self._read_form(request, max_bytes=LARGEST_WITHOUT_KEY)
        except UploadTooLarge:
            raise KeyMissing from None
        key = await self._gate.admit(request, form.fields.get(wire.KEY_FIELD), self.scope)
        return Received(request, key, form)

    async def _read_form(self, request: web.Request, max_bytes: int | None = None) -> SmallForm:
        """Reads a small form. A body that is not multipart is read as urlencoded, with any content type."""
        kind = request.headers["Content-Type"] if request.content_type in (MULTIPART, URLENCODED) else URLENCODED
        return await self._engine.uploads.read_form(
            body_of(request), kind, expected=declared_size(request), max_bytes=max_bytes
        )


class BatchApi(ImportApi):
    """Batches made with control files that the client uploads."""

    prefix = "/api/haplo-data-import-batch"
    scope = "haplo-batch"

    def handlers(self) -> dict[str, Handler]:
        return {"control": self._small(self.control), **super().handlers()}

    async def control(self, received: Received[SmallForm]) -> str:
        content = received.form.file().content
        comment = wire.control_comment(received.parameters)
        return await self._engine.batches.add_control(self.scope, content, comment)

    async def batch(self, received: Received[SmallForm]) -> str:
        wanted = wire.batch_request(received.parameters, "control")
        batch = await self._engine.batches.create(
            self.scope, control=wanted.source, comment=wanted.comment, key=received.key
        )
        return batch.identifier


class StandardApi(ImportApi):
    """Batches of import processes that are configured on the server; `kind` names one."""

    prefix = "/api/haplo-data-import-standard-api"
    scope = "haplo-standard"

    async def batch(self, received: Received[SmallForm]) -> str:
        wanted = wire.batch_request(received.parameters, "kind")
        batch = await self._engine.batches.create(
            self.scope, process=wanted.source, comment=wanted.comment, key=received.key
        )
        return batch.identifier
