"""The web floor without a real dialect: no exception leaves it, and what is shown is never an inner matter."""

import errno
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server.engine.errors import BatchNotFound, EngineError, RequestInvalid
from server.web.dialect import dialect_for_path
from server.web.errors import catch_errors
from storage.errors import StorageBusy, StorageFull


class Busy(StorageBusy):
    """As a database says that another program holds."""

    retry_after = 7


FAULTS: dict[str, Exception] = {
    "refused": BatchNotFound("x"),
    "full": StorageFull(1, 2),
    "gone": ConnectionResetError("gone"),
    "framing": web.RequestPayloadError("inner words"),
    "bug": RuntimeError("inner words"),
    "bytes": RequestInvalid("Content-Type \udcff is not known"),
    "busy": Busy("catalog.db is locked"),
    "files": OSError(errno.EMFILE, "Too many open files", "incoming/.lock"),
    "too-large": web.HTTPRequestEntityTooLarge(1, 2),
}


class Plain:
    name = "plain"
    prefixes = ("/api/plain",)

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get("/api/plain/{fault}", self.answer)
        yield web.get("/api/plain-sailing/{fault}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        raise FAULTS[request.match_info["fault"]]

    def refuse(self, request: web.Request, error: EngineError) -> web.Response:
        return web.Response(status=400, text=f"refused: {error}")

    def fail(self, request: web.Request, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=f"failed: {message}")


@pytest.fixture
async def client(log: list[Any]) -> AsyncIterator[TestClient[Any, Any]]:
    dialect = Plain()
    app = web.Application(middlewares=[catch_errors([dialect])])
    app.add_routes(dialect.routes())
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/plain/refused", 400, "refused: Batch not found: x"),
        ("/api/plain/full", 400, "refused: not enough disk space: 1 bytes free, 2 must stay free"),
        ("/api/plain/gone", 400, "refused: the client closed the connection before the request was complete"),
        ("/api/plain/framing", 400, "refused: the body is not framed as its headers say"),
        ("/api/plain/bytes", 400, "failed: a header holds bytes that are not UTF-8"),
        ("/api/plain/bug", 500, "failed: something went wrong on the server; its log says what"),
        ("/api/plain/busy", 503, "failed: the server is busy for a moment and has done nothing; try again soon"),
        ("/api/plain/files", 503, "failed: the server is busy for a moment and has done nothing; try again soon"),
        ("/api/plain/too-large", 413, "failed: the request is too large"),
        ("/api/plain", 404, "failed: there is nothing at this path"),
        ("/api/plain/x/y", 404, "failed: there is nothing at this path"),
        ("/api/plain-sailing/refused", 400, "Batch not found: x"),
        ("/elsewhere", 404, "there is nothing at this path"),
    ],
)
async def test_every_exception_has_an_answer(client: TestClient[Any, Any], path: str, status: int, body: str) -> None:
    async with client.get(path) as answer:
        assert (answer.status, await answer.text()) == (status, body)


@pytest.mark.parametrize(("path", "seconds"), [("busy", "7"), ("files", "5")])
async def test_who_finds_the_server_busy_hears_when_to_come_back(
    client: TestClient[Any, Any], log: list[Any], path: str, seconds: str
) -> None:
    async with client.get(f"/api/plain/{path}") as answer:
        assert answer.headers["Retry-After"] == seconds
    assert [(line["event"], line["log_level"], "exc_info" in line) for line in log] == [("busy", "warning", False)]


async def test_a_fault_of_ours_is_logged_with_its_trace_and_shown_to_nobody(
    client: TestClient[Any, Any], log: list[Any]
) -> None:
    async with client.get("/api/plain/bug?secret=1") as answer:
        assert "inner words" not in await answer.text()
    (line,) = log
    assert (line["event"], line["log_level"]) == ("unexpected error", "error")
    assert str(line["exc_info"]) == "inner words"
    assert "secret" not in repr(line)


def test_a_trace_in_json_shows_no_local_variables() -> None:
    script = (
        "import structlog\n"
        "from server.logs import configure_logs\n"
        "configure_logs('json')\n"
        "def fail(key): raise RuntimeError('inner words')\n"
        "try: fail('a' + 'secret')\n"
        "except RuntimeError as error: structlog.get_logger('x').error('unexpected error', exc_info=error)\n"
    )
    log = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert "inner words" in log
    assert "asecret" not in log


def test_a_line_in_json_survives_what_is_no_text() -> None:
    script = (
        "import structlog\n"
        "from server.logs import configure_logs\n"
        "configure_logs('json')\n"
        "structlog.get_logger('x').error('unexpected error', reason='\\udcff')\n"
    )
    log = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert json.loads(log)["reason"] == "\udcff"


async def test_a_wrong_method_names_the_right_one(client: TestClient[Any, Any]) -> None:
    async with client.post("/api/plain/bug") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        assert await answer.text() == "failed: this path does not take POST requests"


def test_the_longest_prefix_speaks() -> None:
    class Inner(Plain):
        prefixes = ("/api/plain/inner",)

    outer, inner = Plain(), Inner()
    assert dialect_for_path([outer, inner], "/api/plain/inner/x") is inner
    assert dialect_for_path([inner, outer], "/api/plain/innermost") is outer
    assert dialect_for_path([inner, outer], "/api") is None
