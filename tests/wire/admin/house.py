"""A server with its admin site on a real socket, and a user who is signed in to it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from server.admin.site import Facts
from server.app import make_app, make_runner
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits
from server.engine.uploads.flow import UploadLimits
from storage.catalog.base import Batch
from storage.queues.base import Job
from tests.wire.admin.pages import Page

SCOPES = ("haplo-batch", "haplo-standard", "folio", "learningbuilder", "voss", "native", "admin")
TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class MovedClock:
    """The time of day, moved by hand."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, **by: float) -> None:
        self._ahead += timedelta(**by)


@dataclass
class Browser:
    """Who visits the site: keeps cookies, adds our Origin and the token of the session, and follows nothing."""

    address: str
    session: aiohttp.ClientSession
    token: str = ""

    async def get(self, path: str, **more: Any) -> Page:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **more: Any) -> Page:
        more.setdefault("headers", {"Origin": self.address})
        return await self.ask("POST", path, data={"csrf": self.token, **(fields or {})}, **more)

    async def send(self, path: str, form: aiohttp.FormData) -> Page:
        """A form with files; the token goes with it."""
        form.add_field("csrf", self.token)
        return await self.ask("POST", path, data=form, headers={"Origin": self.address})

    async def sign_in(self, key: str, next: str = "/admin/") -> Page:
        page = await self.post("/admin/sign-in", {"key": key, "next": next})
        if page.status == 303:
            await self.learn_token()
        return page

    async def learn_token(self) -> None:
        found = TOKEN.search((await self.get("/admin/")).body)
        assert found is not None, "nobody is signed in"
        self.token = found[1]

    async def ask(self, method: str, path: str, **more: Any) -> Page:
        more.setdefault("allow_redirects", False)
        async with self.session.request(method, self.address + path, **more) as answer:
            return Page(answer.status, dict(answer.headers), await answer.text("utf-8", "replace"))


@dataclass
class AdminHouse:
    """`keys` are secrets by scope."""

    engine: Engine
    address: str
    data_dir: Path
    imports: Path
    keys: Mapping[str, str]
    stack: AsyncExitStack

    async def visitor(self) -> Browser:
        """Returns a visitor with an empty cookie jar."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return Browser(self.address, await self.stack.enter_async_context(session))

    async def boss(self) -> Browser:
        browser = await self.visitor()
        assert (await browser.sign_in(self.keys["admin"])).status == 303
        return browser

    async def signed(self) -> "Signed":
        boss = await self.boss()
        return Signed(boss.address, boss.session, boss.token, house=self)


@dataclass
class Signed(Browser):
    """The signed-in visitor, with the house at hand."""

    house: AdminHouse = field(kw_only=True)

    @property
    def engine(self) -> Engine:
        return self.house.engine

    async def batch(
        self, *rows: object, process: str = "people", comment: str = "Example", name: str = "data0"
    ) -> Batch:
        """A batch of the Standard API with one JSON Lines file, not scheduled; a row of bytes is sent as it is."""
        batches = self.engine.batches
        batch = await batches.create("haplo-standard", process=process, comment=comment)
        content = b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)
        pieces = [content, b""]

        async def read() -> bytes:
            return pieces.pop(0)

        upload = await self.engine.uploads.receive_octets(read, filename="people.jsonl")
        await batches.add_file("haplo-standard", batch.identifier, name, upload)
        return await batches.get(None, batch.identifier)

    async def run(self, batch: Batch, mode: str = "import") -> Job:
        """To its end."""
        job = await self.engine.batches.schedule(batch.api, batch.identifier, mode)  # type: ignore[arg-type]
        return await self.engine.jobs.wait(job.id)

    async def imported(self, *rows: object, **more: Any) -> Batch:
        """A batch of these rows whose import has ended."""
        batch = await self.batch(*rows, **more)
        await self.run(batch)
        return await self.engine.batches.get(None, batch.identifier)


@asynccontextmanager
async def open_admin(
    data_dir: Path,
    imports: Path,
    *,
    facts: Facts | None = None,
    limits: UploadLimits | None = None,
    slots: int = 1,
    jobs_run: bool = True,
    **more: Any,
) -> AsyncIterator[AdminHouse]:
    """`more` goes to the engine: clock, no_auth, public_url. Without `jobs_run` what is queued stays queued."""
    async with AsyncExitStack() as stack:
        uploads = limits or UploadLimits(min_free_bytes=0)
        opened = open_engine(
            data_dir, EngineConfig(imports=imports, uploads=uploads, jobs=JobLimits(slots=slots), **more)
        )
        engine = await stack.enter_async_context(opened)
        await asyncio.to_thread(engine.definitions.load)
        keys = {scope: (await engine.access.keys.create(f"{scope} key", [scope]))[1] for scope in SCOPES}
        runner = make_runner(make_app(engine, facts=facts))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        if not jobs_run:
            await engine.background.stop()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield AdminHouse(engine, address, data_dir, imports, keys, stack)
