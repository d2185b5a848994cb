"""The server as a whole: it tells where it listens, stops when told, and finishes what it has begun."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from server.app import make_app, serve
from server.engine.engine import EngineConfig, open_engine


async def started(data_dir: Path, *, no_auth: bool = False) -> tuple[asyncio.Task[None], str]:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with open_engine(data_dir, EngineConfig(imports=data_dir / "imports", no_auth=no_auth)) as engine:
            await serve(make_app(engine), "127.0.0.1", 0, address.set_result)

    return asyncio.create_task(run()), await address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    serving, address = await started(tmp_path)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/livez") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        os.kill(os.getpid(), number)
        await serving
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{address}/livez")


async def test_a_request_in_flight_is_finished(tmp_path: Path) -> None:
    serving, address = await started(tmp_path, no_auth=True)
    body: asyncio.Queue[bytes] = asyncio.Queue()

    async def pieces():  # type: ignore[no-untyped-def]
        while piece := await body.get():
            yield piece

    async with aiohttp.ClientSession(headers={"Content-Type": "application/x-www-form-urlencoded"}) as session:
        url = f"{address}/api/haplo-data-import-batch/batch"
        asking = asyncio.create_task(session.post(url, data=pieces(), expect100=True))  # type: ignore[no-untyped-call]
        body.put_nowait(b"control=")
        while body.qsize():  # the piece is taken once the server has asked for the body
            await asyncio.wait([asking], timeout=0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        body.put_nowait(b"abc")
        body.put_nowait(b"")
        async with await asking as answer:
            assert (answer.status, await answer.text()) == (400, "Control file not found: abc")
    await serving


async def test_reload_reports_a_bad_file_and_keeps_the_old_set(tmp_path: Path, log: list[dict[str, object]]) -> None:
    serving, _ = await started(tmp_path)
    await asyncio.to_thread(_write_bad_model, tmp_path / "imports")
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(60):
        while not any(line["event"] == "definitions reloaded" for line in log):
            await asyncio.wait([serving], timeout=0.01)
    assert [line["event"] for line in log if "definition" in str(line["event"])][:2] == [
        "definition refused",
        "definitions reloaded",
    ]
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


def _write_bad_model(imports: Path) -> None:
    (imports / "models").mkdir(parents=True)
    (imports / "models" / "bad.json").write_text("{")
