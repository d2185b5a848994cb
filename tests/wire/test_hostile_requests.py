"""Requests that no honest client sends, to every route: each gets an answer, and none of them is a 500."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from aiohttp import web

from server.app import make_app, make_runner
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.uploads.flow import UploadLimits

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = range(30)
JSON = {"Content-Type": "application/json"}


@dataclass
class House:
    engine: Engine
    app: web.Application
    port: int
    session: aiohttp.ClientSession
    key: str
    log: list[Any]

    def routes(self) -> Iterator[tuple[str, str]]:
        for route in self.app.router.routes():
            assert route.resource is not None
            path = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "1", route.resource.canonical)
            if route.method not in ("HEAD", "*") and not path.endswith("/events"):
                yield route.method, path

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}", "x-okapi-token": self.key, "x-okapi-tenant": "t"}

    async def send(self, raw: bytes) -> bytes:
        """What comes back for these bytes, from a client that then ends its side."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(20):
                writer.write(raw)
                writer.write_eof()
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    def faults(self) -> list[Any]:
        return [line for line in self.log if line["log_level"] in ("error", "critical")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("hostile")
    async with AsyncExitStack() as stack:
        limits = UploadLimits(min_free_bytes=0, max_upload_bytes=1 << 20, max_small_body_bytes=1 << 18)
        opened = open_engine(folder / "data", EngineConfig(imports=folder / "imports", uploads=limits))
        engine = await stack.enter_async_context(opened)
        _, key = await engine.access.keys.create("all", ["admin"])
        app = make_app(engine)
        runner = make_runner(app)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield House(engine, app, runner.addresses[0][1], session, key, [])


@pytest.fixture
def house(module_house: House) -> Iterator[House]:
    with structlog.testing.capture_logs() as lines:
        module_house.log = lines
        yield module_house
    assert module_house.faults() == []


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


BODIES = [
    *map(nested, (101, 255, 1000, 1025, 100_000)),
    b'{"a":' * 300 + b"1" + b"}" * 300,
    b"[" * 5000,
    b"[" + b"0," * 100_000 + b"0]",
    b'{"a": 1e999, "b": -0, "c": 123456789012345678901234567890}',
    b'"\\ud800"',
    b'{"\\u0000": "\\u0000"}',
    b"null",
    b"\xff\xfe{\x00}\x00",
    b"",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_json_of_any_shape(house: House, body: bytes) -> None:
    seen = set()
    for method, path in house.routes():
        if method in ("GET", "DELETE") and len(body) > 1000:
            continue
        url = f"http://127.0.0.1:{house.port}{path}"
        more: Any = {"data": body, "headers": {**house.headers(), **JSON}, "allow_redirects": False}
        async with house.session.request(method, url, **more) as answer:
            await answer.read()
            assert answer.status != 500, f"{method} {path}"
            seen.add(answer.status)
    assert len(seen) > 1


async def test_a_login_without_a_key_is_no_way_in_for_deep_json(house: House) -> None:
    url = f"http://127.0.0.1:{house.port}/authn/login-with-expiry"
    async with house.session.post(url, data=nested(300), headers={**JSON, "x-okapi-tenant": "t"}) as answer:
        assert (answer.status, "nested deeper than 100 levels" in await answer.text()) == (400, True)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_requests(house: House, seed: int) -> None:
    chance = random.Random(seed)
    routes = list(house.routes())
    for _ in range(20):
        raw = request(chance, *chance.choice(routes), house.key)
        answer = await house.send(raw)
        statuses = [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]
        assert 500 not in statuses, raw


def request(chance: random.Random, method: str, path: str, key: str) -> bytes:
    """Mostly well formed, so that it gets far; each part may be spoilt."""
    body = chance.choice([*BODIES[-9:], b"a=b&c=%ff", form(chance), chance.randbytes(200)])
    framing = chance.choice([b"Content-Length: %d" % len(body)] * 4 + ODD_FRAMING)
    headers = [
        framing,
        b"Host: " + chance.choice(HOSTS),
        b"Authorization: Bearer " + key.encode(),
        b"x-okapi-tenant: t",
    ]
    headers += [b"x-okapi-token: " + key.encode()] if chance.random() < 0.5 else []
    headers += chance.sample(HEADERS, chance.randrange(5))
    chance.shuffle(headers)
    target = path.encode() + chance.choice(TARGETS)
    verb = (
        method.encode()
        if chance.random() < 0.8
        else chance.choice([b"GET", b"PUT", b"OPTIONS", b"HEAD", b"BREW", b"CONNECT"])
    )
    raw = verb + b" " + target + b" HTTP/1." + chance.choice([b"1", b"1", b"1", b"0"]) + b"\r\n"
    raw += b"\r\n".join(headers) + b"\r\n\r\n" + body
    return spoilt(chance, raw) if chance.random() < 0.2 else raw


ODD_FRAMING = [
    b"Content-Length: 5",
    b"Content-Length: 99999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    b"Content-Length: -1",
    b"X: y",
]
HOSTS = [b"127.0.0.1", b"", b"a b", b"[::1", b"\xff", b"h:99999", b"evil.example", b"h/../x", b"a" * 2000]
TARGETS = [
    b"",
    b"",
    b"?",
    b"?a=b",
    b"?limit=-1&offset=x",
    b"?limit=99999999999999999999",
    b"/%00",
    b"/%ff",
    b"//",
    b"/..",
    b"?%",
    b"#x",
    b"?hierarchy=sys%0A",
]
HEADERS = [
    b"Content-Type: application/json",
    b"Content-Type: application/x-www-form-urlencoded; charset=klingon",
    b"Content-Type: multipart/form-data; boundary=b",
    b"Content-Type: multipart/form-data; boundary=b; charset=utf-16",
    b"Content-Type: \xff/\xfe",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Expect: 100-continue",
    b"Expect: \xff",
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Connection: close",
    b"Cookie: penstock=\xff; a=b; folioAccessToken=a.b.c",
    b"Origin: null",
    b"Range: bytes=5-1",
    b"Range: bytes=-",
    b"If-Modified-Since: \xff",
    b"If-None-Match: *",
    b"Accept: \xff;q=x",
    b"Last-Event-ID: 0001-01-01T00:00:00+23:59",
    b"Accept-Encoding: \xff",
    b"x-okapi-user-id: \xff",
    b"X-Forwarded-For: \xff",
    b'Forwarded: for="',
    b"Authorization: Basic \xff",
]


def form(chance: random.Random) -> bytes:
    names = ["file", "uploadedfile", "batch", "\xff", "_charset_", "a" * 300]
    more = ["", "; filename=x.xlsx", "; filename=", ";"]
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{chance.choice(names)}"{chance.choice(more)}\r\n\r\nx\r\n'
        for _ in range(chance.randrange(4))
    ]
    return "".join(parts).encode("latin-1") + chance.choice([b"--b--\r\n", b"--b", b""])


def spoilt(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + chance.choice([b"", b"\x00", b"\r\n", b"\xff", b" ", b":"]) + raw[at + chance.randrange(3) :]
