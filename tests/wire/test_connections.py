"""Connections as real clients use them: bodies that are refused, offers to change the protocol, half-closed clients."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from server.engine.uploads.flow import UploadLimits
from tests.support.replay import House, MakeHouse, Maker, basic

pytestmark = pytest.mark.asyncio(loop_scope="module")

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"


def get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


def post(path: str, length: int, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n".encode()


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {}


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("connections")


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


async def half_closed(house: House, raw: bytes) -> bytes:
    """What a client gets that ends its side first."""
    async with asyncio.timeout(10), house._connected() as (reader, writer):
        writer.write(raw)
        writer.write_eof()
        return await reader.read()


@pytest.mark.parametrize(
    "path", ["/api/haplo-data-import-batch/batch", "/data-import/x", "/nowhere", "/api/tool/BulkLoad/"]
)
async def test_a_refusal_before_the_body_announces_the_close(house: House, path: str) -> None:
    raw = await asyncio.wait_for(house.send(post(path, 100_000, "Expect: 100-continue\r\n")), 10)
    head = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert b"\r\nConnection: close\r\n" in head


async def test_the_next_request_is_never_taken_for_a_body(house: House) -> None:
    """A client that would go on at once on the same connection."""
    raw = post("/data-import/uploadDefinitions", 100_000, "Expect: 100-continue\r\n") + get("/livez")
    answer = await asyncio.wait_for(half_closed(house, raw), 10)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_refusal_is_seen_by_a_client_that_first_sends_everything(house: House) -> None:
    size, piece = 24 * 1024 * 1024, bytes(1024 * 1024)
    async with asyncio.timeout(30), house._connected() as (reader, writer):
        writer.write(post("/api/haplo-data-import-batch/batch", size))
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")


async def test_a_whole_small_body_keeps_the_connection(house: House) -> None:
    raw = post("/api/haplo-data-import-batch/batch", 3) + b"a=b" + get("/livez", "Connection: close\r\n")
    answer = await house.send(raw)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"403", b"200"]


@pytest.mark.parametrize("body", [b"", b"a=b"])
@pytest.mark.parametrize("protocol", ["h2c", "h2c, websocket", "TLS/1.2", "websocket"])
async def test_an_offer_of_another_protocol_loses_no_request(house: House, protocol: str, body: bytes) -> None:
    """The answer says that the connection ends, so the client knows that what followed was not read."""
    offer = H2C.replace("Upgrade: h2c", f"Upgrade: {protocol}")
    first = post("/data-import/x", len(body), offer) + body if body else get("/livez", offer)
    answer = await asyncio.wait_for(house.send(first + get("/readyz")), 10)
    head = answer.split(b"\r\n\r\n")[0]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close" in head


async def test_an_upload_that_offers_another_protocol_arrives_whole(house: House) -> None:
    fields = b"kind=nothing&comment=" + b"x" * 50_000
    key = basic("haplo", house.keys["haplo-batch"])["Authorization"]
    more = f"Authorization: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\n{H2C}"
    answer = await asyncio.wait_for(
        house.send(post("/api/haplo-data-import-batch/batch", len(fields), more) + fields), 10
    )
    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_half_closed_client_is_answered(house: House) -> None:
    assert (await half_closed(house, get("/livez"))).startswith(b"HTTP/1.1 200 OK")
    key = basic("haplo", house.keys["haplo-batch"])["Authorization"]
    more = f"Authorization: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer = await half_closed(house, post("/api/haplo-data-import-batch/batch", 11, more) + b"control=abc")
    assert answer.endswith(b"Control file not found: abc")


async def test_every_request_of_a_half_closed_client_is_answered(house: House) -> None:
    answer = await half_closed(house, get("/livez") * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"Connection: close") == 1


@pytest.mark.parametrize("raw", [b"", b"GET", get("/livez")[:-2]])
async def test_a_client_that_leaves_before_its_request_is_whole_gets_nothing(house: House, raw: bytes) -> None:
    assert await half_closed(house, raw) == b""


@pytest.mark.parametrize("framing", ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"])
async def test_a_client_that_ends_in_the_middle_of_its_body_hears_so(house: House, framing: str) -> None:
    key = basic("haplo", house.keys["haplo-batch"])["Authorization"]
    more = f"Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: {key}\r\n{framing}\r\n"
    head = f"POST /api/haplo-data-import-batch/batch HTTP/1.1\r\n{more}".encode()
    answer = await half_closed(house, head + (b"a=b" if "Length" in framing else b"3\r\na=b\r\n"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"before the body was whole" in answer


@pytest.mark.parametrize("path", [b"/livez", b"/nowhere", b"/api/haplo-data-import-batch/batch"])
@pytest.mark.parametrize("expectation", [b"\xff\xfe", b"200-ok", b"100-continue, \xc3\xa9", b""])
async def test_an_expectation_that_nobody_knows_is_passed_over(house: House, path: bytes, expectation: bytes) -> None:
    raw = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: " + expectation + b"\r\n\r\n"
    assert (await house.send(raw))[9:12] in (b"200", b"404", b"401", b"405")


async def test_a_request_line_that_is_too_long_is_the_clients_fault(house: House) -> None:
    answer = await house.send(get("/livez?" + "x" * 9000))
    assert answer.split()[1] == b"400"


@pytest.mark.asyncio(loop_scope="function")
async def test_the_server_stops_at_once_while_a_refused_body_comes(make_house: MakeHouse) -> None:
    house = await make_house(UploadLimits(min_free_bytes=0))
    async with house._connected() as (reader, writer):
        writer.write(post("/api/haplo-data-import-batch/batch", 1_000_000))
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
        async with asyncio.timeout(5):
            await house.stop()
