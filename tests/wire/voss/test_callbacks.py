"""Callbacks: when a load has ended, its client is called, in clear or over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from server.engine.vendors.voss.transactions import TransactionRules
from storage.queues.base import Job
from tests.support.certificates import certified
from tests.wire.voss.house import BulkHouse, MovedClock, countries, open_bulk_house

ONE = countries(("Germany", "DE"))
ANYWHERE = TransactionRules(callbacks="anywhere")


class Listener:
    """What a client listens with."""

    def __init__(self, *answers: int) -> None:
        self.calls: asyncio.Queue[tuple[dict[str, Any], str | None]] = asyncio.Queue()
        self.address = ""
        self._answers = list(answers)

    async def told(self, request: web.Request) -> web.Response:
        await self.calls.put((await request.json(), request.headers.get("Authorization")))
        return web.Response(status=self._answers.pop(0) if self._answers else 200)


@asynccontextmanager
async def listening(*answers: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    """Answers with these status codes, and then with 200."""
    listener = Listener(*answers)
    app = web.Application()
    app.router.add_post("/told", listener.told)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    listener.address = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/told"
    yield listener
    await runner.cleanup()


def meta(listener: Listener) -> dict[str, Any]:
    return {
        "external_id": "3x",
        "external_reference": "Example",
        "callback_url": listener.address,
        "callback_username": "username",
        "callback_password": "password",
    }


async def test_a_callback_at_the_end(tmp_path: Path, bulk_imports: Path) -> None:
    async with listening() as listener, open_bulk_house(tmp_path / "data", bulk_imports, rules=ANYWHERE) as house:
        id = await house.begin(ONE, request_meta=meta(listener))
        async with asyncio.timeout(60):
            body, authorization = await listener.calls.get()
        assert body == {
            "transaction_id": id,
            "href": f"/api/tool/Transaction/{id}",
            "status": "Success",
            "success": True,
            "detail": "[ 1/1 ] succeeded from [ 1 ] sheet in DEMO.xlsx.",
            "message": "1 rows succeeded, 0 rows failed.",
            "external_id": "3x",
            "external_reference": "Example",
        }
        assert authorization == "Basic dXNlcm5hbWU6cGFzc3dvcmQ="
        assert (await house.transaction(id))["request_meta"].keys() == meta(listener).keys() - {"callback_password"}


async def test_a_scheduled_load_is_told_twice_as_planned_and_as_executed(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with (
        listening() as listener,
        open_bulk_house(tmp_path / "data", bulk_imports, rules=ANYWHERE, clock=clock) as house,
    ):
        local = clock() + timedelta(days=2)
        when = {"execute_date": f"{local:%Y-%m-%d}", "execute_time": f"{local:%H:%M:%S}", "execute_timezone": 0}
        id = await house.begin(ONE, request_meta=meta(listener), execute_immediately=False, **when)  # type: ignore[arg-type]
        planned = await told(listener, clock)
        assert (planned["transaction_id"], planned["status"]) == (id, "Success")
        assert planned["detail"].startswith("DEMO.xlsx is scheduled for ")
        clock.move(days=2, seconds=1)
        executed = await told(listener, clock)
        assert executed["transaction_id"] != id
        assert (executed["status"], executed["external_id"]) == ("Success", "3x")
        assert executed["href"] == (await house.transaction(id))["executed_by"]


async def test_a_callback_that_is_not_answered_with_200_comes_again(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with (
        listening(503) as listener,
        open_bulk_house(tmp_path / "data", bulk_imports, rules=ANYWHERE, clock=clock) as house,
    ):
        id = await house.begin(ONE, request_meta=meta(listener))
        first = await told(listener, clock)
        assert await told(listener, clock) == first
        assert (await house.transaction(id))["status"] == "Success"


async def test_a_name_that_leads_to_a_private_address_is_never_called(tmp_path: Path, bulk_imports: Path) -> None:
    async with listening() as listener, open_bulk_house(tmp_path / "data", bulk_imports) as house:
        address = listener.address.replace("127.0.0.1", "localhost")
        id = await house.begin(ONE, request_meta={"callback_url": address})
        await house.ended(id)
        task = next(job for job in await house.engine.jobs.list() if job.mode == "errand")
        refused = await house.engine.jobs.wait(task.id)
        assert refused.state == "failed"
        assert refused.error == "not called: localhost is 127.0.0.1, which is not a public address"
        assert listener.calls.empty()


async def told(listener: Listener, clock: MovedClock) -> dict[str, Any]:
    """The next call, however long the pause before it is."""
    async with asyncio.timeout(60):
        while True:
            with suppress(TimeoutError):
                return (await asyncio.wait_for(listener.calls.get(), 1))[0]
            clock.move(minutes=1)


async def tried(house: BulkHouse) -> Job:
    """The callback's job, once a try of it has failed."""
    async with asyncio.timeout(60):
        while True:
            found = [job for job in await house.engine.jobs.list() if job.mode == "errand" and job.error]
            if found:
                return found[0]
            await asyncio.wait([asyncio.create_task(house.engine.jobs.list())], timeout=0.05)


async def test_a_callback_to_a_server_that_is_trusted(
    tmp_path: Path, bulk_imports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    async with (
        listening(tls=made.context) as listener,
        open_bulk_house(tmp_path / "data", bulk_imports, rules=ANYWHERE) as house,
    ):
        assert listener.address.startswith("https://")
        id = await house.begin(ONE, request_meta=meta(listener))
        async with asyncio.timeout(60):
            body, authorization = await listener.calls.get()
        assert (body["transaction_id"], body["success"]) == (id, True)
        assert authorization == "Basic dXNlcm5hbWU6cGFzc3dvcmQ="


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({}, "unable to get local issuer certificate"),
        ({"address": "192.0.2.7"}, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ({"ended": True}, "certificate has expired"),
    ],
)
async def test_a_server_that_is_not_trusted_is_told_nothing_until_it_is(
    tmp_path: Path, bulk_imports: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], reason: str
) -> None:
    clock, made = MovedClock(), certified(tmp_path, **fault)
    if fault:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    async with (
        listening(tls=made.context) as listener,
        open_bulk_house(tmp_path / "data", bulk_imports, rules=ANYWHERE, clock=clock) as house,
    ):
        with structlog.testing.capture_logs() as log:
            id = await house.begin(ONE, request_meta=meta(listener))
            waiting = await tried(house)
        assert (waiting.state, waiting.attempts) == ("queued", 1)
        assert waiting.error is not None
        assert waiting.error.startswith(f"{listener.address}: its certificate is not trusted: ")
        assert reason in waiting.error
        assert waiting.error.endswith("or to the file that SSL_CERT_FILE names")
        said = [line["reason"] for line in log if line["event"] == "background task failed, will retry"]
        assert said == [waiting.error]
        assert listener.calls.empty()
        assert (await house.transaction(id))["status"] == "Success"
        if not fault:  # the operator follows the advice
            monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
            assert (await told(listener, clock))["transaction_id"] == id
