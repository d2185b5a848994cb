"""The endpoint CreateBatch: parse, one engine call, render."""

from collections.abc import Iterable

from aiohttp import web

from server.dialects.learningbuilder import wire
from server.engine.engine import Engine
from server.engine.follow_ups.links import batch_page
from server.engine.follow_ups.mail import mail_at_end
from server.engine.vendors.learningbuilder.queue_rows import ROWS
from server.web.auth import Gate, scheme_key
from server.web.body import expect_later, receive_lines
from server.web.links import site_of

PREFIX = "/API/WorkflowImportQueue"
SCOPE = "learningbuilder"
FILE_NAME = "rows.jsonl"  # fileName describes the import; it names no file

CALL = PREFIX + "/CreateBatch"
IN_ANY_CASE = "/{api:(?i:API)}/{workflowimportqueue:(?i:WorkflowImportQueue)}/{createbatch:(?i:CreateBatch)}"


class QueueApi:
    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    def routes(self) -> Iterable[web.RouteDef]:
        for path in (CALL, IN_ANY_CASE):
            yield web.post(path, self.create_batch, expect_handler=expect_later)

    async def create_batch(self, request: web.Request) -> web.Response:
        """Checks the key and the parameters before it reads the body, so that no body is read in vain."""
        key = await self._gate.admit(request, scheme_key(request.headers, wire.SCHEME), SCOPE)
        wanted = wire.create_request(request.query.items())
        self._engine.definitions.process(wanted.process)
        site = site_of(request, self._engine.config.public_url)
        upload, rows = await receive_lines(self._engine.uploads, request, filename=FILE_NAME)
        # never the client's own Host: it could be any address
        known = (self._engine.config.public_url or "").rstrip("/")
        mail = mail_at_end(wanted.file_name, known, wanted.success, wanted.failure)
        batch = await self._engine.batches.submit_rows(
            SCOPE,
            upload,
            process=wanted.process,
            comment=wanted.file_name,
            key=key,
            properties={"creation_path": wanted.creation_path, ROWS: rows},
            after=[mail] if wanted.success or wanted.failure else [],
        )
        link = batch_page(site, batch.identifier)
        return web.Response(text=wire.created(batch.identifier, link), content_type="application/json")
