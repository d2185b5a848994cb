"""Requests and answers as data, and what it takes to replay them against a running server."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from server.app import make_app, make_runner
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.uploads.flow import UploadLimits
from storage.records.base import Row

BOUNDARY = "----penstock-test-boundary"


class File(NamedTuple):
    """A file part of a form; `filename` in bytes, to send names that are not text."""

    content: bytes
    filename: bytes = b"data.json"


class Multipart(dict[str, "str | bytes | File"]):
    """A multipart form, in order."""

    def encoded(self) -> bytes:
        parts = [self._part(name, value) for name, value in self.items()]
        return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()

    def _part(self, name: str, value: "str | bytes | File") -> bytes:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, File):
            head += b'; filename="' + value.filename + b'"\r\nContent-Type: application/octet-stream'
            value = value.content
        content = value.encode() if isinstance(value, str) else value
        return head + b"\r\n\r\n" + content + b"\r\n"


Form = Mapping[str, str] | Multipart | bytes | None


@dataclass(frozen=True)
class Ask:
    """One request. `$name` in the path or in a text of the form stands for a thing of the world."""

    method: str
    path: str
    form: Form = None
    key: str | None = None  # whose key: a scope
    headers: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        texts = [self.path, *self.headers.values()]
        if isinstance(self.form, Mapping):
            texts += [value for value in self.form.values() if isinstance(value, str)]
        return {name for text in texts for name in Template(text).get_identifiers()}


@dataclass(frozen=True)
class Say:
    """The answer: the body is exact."""

    status: int
    body: str
    type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Answer(NamedTuple):
    status: int
    body: str
    type: str
    headers: Mapping[str, str]


Maker = Callable[["House"], Awaitable[str]]


@dataclass
class House:
    """A running server, keys for it, and the things that requests can name."""

    engine: Engine
    address: str
    port: int
    data_dir: Path
    session: aiohttp.ClientSession
    keys: Mapping[str, str]  # by scope
    log: list[Any]
    makers: Mapping[str, Maker]
    stop: Callable[[], Awaitable[None]]

    async def things(self, names: set[str]) -> dict[str, str]:
        """Makes what a request names: each a fresh one, so that rows do not disturb each other."""
        return {name: await self.makers[name](self) for name in sorted(names)}

    async def ask(self, ask: Ask, things: Mapping[str, str] | None = None) -> Answer:
        def fill(text: str) -> str:
            return Template(text).substitute(things or {})

        data, content_type = body_and_type(ask.form, fill)
        headers = {} if ask.key is None else basic("haplo", self.keys[ask.key])
        headers |= {name: fill(value) for name, value in ask.headers.items()}
        if content_type is not None:
            headers.setdefault("Content-Type", content_type)
        url = self.address + fill(ask.path)
        async with self.session.request(ask.method, url, data=data, headers=headers) as answer:
            return Answer(answer.status, await answer.text(), answer.headers["Content-Type"], answer.headers)

    async def send(self, raw: bytes) -> bytes:
        """Bytes on a bare socket, for what no client library would send; all that comes back."""
        async with self._connected() as (reader, writer):
            writer.write(raw)
            return await reader.read()

    async def status_line(self, raw: bytes) -> bytes:
        """The first line that comes back, while the server still waits for the rest of the body."""
        async with self._connected() as (reader, writer):
            writer.write(raw)
            return await reader.readline()

    async def send_when_asked(self, head: bytes, body: bytes, *, leave: bool = False) -> bytes:
        """The body comes once the server asks for it; all that comes back, unless the client leaves then."""
        async with self._connected() as (reader, writer):
            writer.write(head)
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            writer.write(body)
            await writer.drain()
            return b"" if leave else await reader.read()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()

    def one_line_about(self, event: str) -> Mapping[str, Any]:
        lines = [line for line in self.log if line["event"] == event]
        assert len(lines) == 1, lines
        return lines[0]  # type: ignore[no-any-return]

    async def rows(self, table: str) -> list[Row]:
        def read() -> list[Row]:
            return list(self.engine.records.store.rows(table)) if table in self.engine.records.store.tables() else []

        return await asyncio.to_thread(read)

    async def filenames(self, batch: str) -> list[str | None]:
        files = await self.engine.batches.files(await self.engine.batches.get(None, batch))
        return [file.filename for file in files]


class MakeHouse(Protocol):
    async def __call__(self, limits: UploadLimits) -> House: ...


SCOPES = ("haplo-batch", "haplo-standard", "haplo-push", "learningbuilder", "native", "admin")


@asynccontextmanager
async def open_house(
    data_dir: Path, imports: Path, limits: UploadLimits, log: list[Any], makers: Mapping[str, Maker]
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(data_dir, EngineConfig(imports=imports, uploads=limits)))
        await asyncio.to_thread(engine.definitions.load)
        keys = {scope: (await engine.access.keys.create(scope, [scope]))[1] for scope in SCOPES}
        runner = make_runner(make_app(engine))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(engine, f"http://127.0.0.1:{port}", port, data_dir, session, keys, log, makers, stack.aclose)


def request_bytes(
    method: str, path: str, key: str, content_type: str, *, length: int | None = None, expect: bool = False
) -> bytes:
    """The head of a request; without a length, the body comes in chunks."""
    headers = {
        "Host": "127.0.0.1",
        **basic("haplo", key),
        "Content-Type": content_type,
        "Connection": "close",
        **({"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}),
        **({"Expect": "100-continue"} if expect else {}),
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def body_and_type(form: Form, fill: Callable[[str], str]) -> tuple[bytes | None, str | None]:
    if isinstance(form, Multipart):
        filled = Multipart((name, fill(value) if isinstance(value, str) else value) for name, value in form.items())
        return filled.encoded(), f"multipart/form-data; boundary={BOUNDARY}"
    if isinstance(form, Mapping):
        return urlencode({name: fill(value) for name, value in form.items()}).encode(), (  # type: ignore[arg-type]
            "application/x-www-form-urlencoded"
        )
    return form, None
