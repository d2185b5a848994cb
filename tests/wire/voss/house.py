"""A server that speaks VOSS on a real socket, and workbooks to send to it."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import openpyxl
from aiohttp import web

from server.app import make_app, make_runner
from server.dialects.voss import Voss
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits
from server.engine.uploads.flow import UploadLimits
from server.engine.vendors.voss.transactions import TransactionRules
from tests.support.replay import basic

LOAD = "/api/tool/BulkLoad/?hierarchy=sys&method=bulkload_spreadsheet&format=json"
COUNTRIES = ("entity:data/Countries,hierarchy:sys", ("country_name", "iso_code"))


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any


class MovedClock:
    """The time of day, moved by hand."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, **by: float) -> None:
        self._ahead += timedelta(**by)


def workbook(**sheets: Sequence[Sequence[object] | str]) -> bytes:
    """Each sheet a list of rows; a row that is a text is one cell."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title.replace("hash_", "#"))
        for row in rows:
            sheet.append([row] if isinstance(row, str) else list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def countries(*rows: Sequence[object]) -> bytes:
    return workbook(Countries=[*COUNTRIES, *rows])


@dataclass
class BulkHouse:
    engine: Engine
    address: str
    session: aiohttp.ClientSession
    key: str

    async def ask(self, method: str, path: str, document: object = None, **more: Any) -> Answer:
        more.setdefault("headers", basic("anybody", self.key))
        more |= {} if document is None else {"json": document}
        async with self.session.request(method, self.address + path, **more) as answer:
            return Answer(answer.status, await answer.json(), answer.headers)

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    async def upload(self, content: bytes, name: str = "DEMO.xlsx", field: str = "uploadedfile") -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field(field, content, filename=name)
        return await self.ask("POST", "/api/uploadfiles/", data=form)

    async def begin(self, content: bytes, name: str = "DEMO.xlsx", **body: object) -> str:
        """Uploads and schedules a load; the id of its transaction."""
        assert (await self.upload(content, name)).status == 202
        answer = await self.ask("POST", LOAD + "&nowait=true", {"bulkload_file": name, **body})
        assert answer.status == 200, answer.body
        return str(answer.body["transaction_id"])

    async def load(self, content: bytes, name: str = "DEMO.xlsx", **body: object) -> dict[str, Any]:
        """To the end; the transaction."""
        return await self.ended(await self.begin(content, name, **body))

    async def ended(self, id: str) -> dict[str, Any]:
        found = await self.engine.voss.find(id, (await self.engine.access.keys.list())[0])
        await self.engine.jobs.wait(found.state.job.id)
        return await self.transaction(id)

    async def transaction(self, id: str, query: str = "") -> dict[str, Any]:
        return dict((await self.get(f"/api/tool/Transaction/{id}?hierarchy=sys&format=json{query}"))["data"])

    async def rows_of(self, transaction: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        """The transactions of the rows."""
        return list((await self.get(transaction["rows"]["href"] + "?format=json" + query))["data"]["sub_transactions"])

    async def table(self, name: str) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            found = self.engine.records.store.rows(name) if name in self.engine.records.store.tables() else ()
            return [
                {"id": row.id, **{k: v for k, v in row.values.items() if k[0] != "_" and v is not None}}
                for row in found
            ]

        return await asyncio.to_thread(read)


@asynccontextmanager
async def open_bulk_house(
    data_dir: Path,
    imports: Path,
    *,
    rules: TransactionRules | None = None,
    clock: Callable[[], datetime] | None = None,
    chunk: int = 2000,
) -> AsyncIterator[BulkHouse]:
    async with AsyncExitStack() as stack:
        more = {} if clock is None else {"clock": clock}
        limits = JobLimits(chunk_records=chunk)
        uploads = UploadLimits(min_free_bytes=0)
        config = EngineConfig(imports=imports, uploads=uploads, jobs=limits, voss=rules or TransactionRules(), **more)  # type: ignore[arg-type]
        opened = open_engine(data_dir, config)
        engine = await stack.enter_async_context(opened)
        await asyncio.to_thread(engine.definitions.load)
        key = (await engine.access.keys.create("AnyUser", ["voss"]))[1]
        runner = make_runner(make_app(engine, (Voss,)))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield BulkHouse(engine, f"http://127.0.0.1:{runner.addresses[0][1]}", session, key)
