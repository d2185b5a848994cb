"""A whole dialect: `POST /toy/rows?process=ID` imports a body of JSON Lines. The manual shows it."""

from collections.abc import Iterable

from aiohttp import web

from server.engine.access.scopes import Scope
from server.engine.engine import Engine
from server.engine.errors import AccessRefused, EngineError, KeyForbidden, NotFound
from server.mapping.language.processes import Process
from server.web.auth import Gate, bearer_token
from server.web.body import receive_lines
from server.web.description import api_description as api
from server.web.dialect import Example
from server.web.errors import Answer, answer_to

PATH, SCOPE = "/toy/rows", "toy"
REFUSALS = {EngineError: Answer(400), NotFound: Answer(404), AccessRefused: Answer(401), KeyForbidden: Answer(403)}
FAULT = api.Response("A fault.", api.plain("line 1"))
ROWS = api.Operation(
    "addToyRows",
    "POST",
    PATH,
    "Import rows",
    {200: api.Response("The batch's id.", api.plain("q5y0")), **dict.fromkeys((400, 401, 403, 404), FAULT)},
    (api.Parameter("process", "The id of an import process.", required=True, example="people"),),
    api.Body((api.Content(api.OCTETS, api.BYTES, '{"name": "Ada"}\n'),)),
)


class Toy:
    name = "toy"
    prefixes = ("/toy",)
    scopes = (Scope(SCOPE, "the toy API"),)
    description = api.ApiDescription(name, "A toy.", (ROWS,), {name: {"type": "http", "scheme": "bearer"}})

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.post(PATH, self.add)

    def examples(self, process: Process, base: str) -> Iterable[Example]:
        address = f"{base}{PATH}?process={process.id}"
        yield Example("Toy", address, SCOPE, f"curl -H 'Authorization: Bearer KEY' --data-binary @FILE '{address}'")

    async def add(self, request: web.Request) -> web.Response:
        key = await self._gate.admit(request, bearer_token(request.headers), SCOPE)
        process = self._engine.definitions.process(request.query.get("process", "")).id
        upload, _ = await receive_lines(self._engine.uploads, request, filename="rows.jsonl")
        batch = await self._engine.batches.submit_rows(SCOPE, upload, process=process, comment="toy", key=key)
        return web.Response(text=batch.identifier)

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        status, words = answer_to(REFUSALS, error)
        return web.Response(status=status, text=words(error))

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message)
