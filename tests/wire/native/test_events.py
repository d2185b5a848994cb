"""The stream of events: what a listener hears, and what one that comes back has missed."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from server.dialects.native import events
from server.engine.batches import job_events as feed
from server.engine.batches.scheduling import Plan
from server.engine.uploads.flow import UploadLimits
from storage.errors import StorageError
from storage.queues.sqlite import SqliteQueue
from tests.support.replay import House, MakeHouse
from tests.wire.native.house import PATH, bearer, get, imported, next_event, refused, scheduled

ADA, BOB = {"email": "ada@example.org", "name": "Ada"}, {"email": "bob@example.org", "name": "Bob"}


@asynccontextmanager
async def listening(house: House, last: str | None = None, job: str | None = None):  # type: ignore[no-untyped-def]
    headers = bearer(house) | ({} if last is None else {"Last-Event-ID": last})
    url = f"{house.address}{PATH}/events" + ("" if job is None else f"?job={job}")
    async with house.session.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        kind, place, _ = await next_event(answer)
        assert kind == "listening"
        yield answer, place


async def test_the_end_of_an_import_is_told_with_its_counts(house: House) -> None:
    async with listening(house) as (answer, _):
        batch, job = await scheduled(house, ADA, BOB)
        _, place, told = await next_event(answer, "ended")
        shown = await get(house, f"{PATH}/jobs/{job}")
        assert told == shown | {"rate": told["rate"]}
        assert (told["id"], told["batch"], told["state"], told["counts"]["created"]) == (job, batch, "done", 2)
        assert datetime.fromisoformat(place) >= datetime.fromisoformat(told["finished"])


async def test_a_job_that_waits_is_told_and_its_cancel_too(house: House) -> None:
    async with listening(house) as (answer, _):
        _, job = await scheduled(house, ADA, plan=Plan(due=datetime.now(UTC) + timedelta(days=1)))
        assert (await next_event(answer, "queued"))[2]["id"] == job
        await house.engine.jobs.cancel(job)
        _, _, told = await next_event(answer, "ended")
        assert (told["id"], told["state"]) == (job, "cancelled")


async def test_whoever_comes_back_hears_every_end_since(house: House) -> None:
    async with listening(house) as (_, place):
        pass
    done = [(await imported(house, {"email": f"{number}@example.org"}))[1] for number in range(3)]
    async with listening(house, place) as (answer, _):
        told = [await next_event(answer, "ended") for _ in done]
    assert [data["id"] for _, _, data in told] == done
    async with listening(house, told[0][1]) as (answer, _):
        again = [(await next_event(answer, "ended"))[2]["id"] for _ in done[1:]]
        assert set(done[1:]) <= {*again, (await next_event(answer, "ended"))[2]["id"]}


async def test_an_end_between_the_look_back_and_the_watching_is_told_once(house: House) -> None:
    async with listening(house) as (first, place):
        _, job = await scheduled(house, ADA)
        await next_event(first, "ended")
        async with listening(house, place) as (second, _):
            assert (await next_event(second, "ended"))[2]["id"] == job
            _, other = await scheduled(house, BOB)
            assert (await next_event(second, "ended"))[2]["id"] == other


async def test_only_one_job_is_told_where_only_one_is_asked_for(house: House) -> None:
    _, wanted = await scheduled(house, ADA, plan=Plan(due=datetime.now(UTC) + timedelta(days=1)))
    async with listening(house, job=wanted) as (answer, _):
        await imported(house, BOB)
        await house.engine.jobs.cancel(wanted)
        kind, _, told = await next_event(answer)
        assert (kind, told["id"]) == ("ended", wanted)


async def test_however_many_listen_one_watches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look, clock = SqliteQueue.changed, asyncio.get_running_loop().time

    def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(*arguments)

    monkeypatch.setattr(SqliteQueue, "changed", staticmethod(counted))
    async with AsyncExitStack() as stack:
        answers = [(await stack.enter_async_context(listening(house)))[0] for _ in range(8)]
        looks, begun = 0, clock()
        _, job = await scheduled(house, ADA)
        for answer in answers:
            assert (await next_event(answer, "ended"))[2]["id"] == job
        assert looks <= (clock() - begun) / 0.5 + 1


async def test_a_quiet_stream_is_kept_alive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with listening(house) as (answer, _):
        assert await asyncio.wait_for(answer.content.readline(), 60) == b": ping\r\n"


async def test_a_stream_ends_after_a_while_so_that_its_key_is_looked_at_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LONGEST_SECONDS", 0.05)
    async with listening(house) as (answer, _):
        assert await asyncio.wait_for(answer.content.read(), 60) == b""


async def test_more_streams_than_there_may_be_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LISTENERS", 1)
    async with listening(house):
        code, message = await refused(house, f"{PATH}/events", 503)
        assert (code, "close a stream" in message) == ("too_many_streams", True)


async def test_one_key_leaves_places_to_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LISTENERS_OF_ONE", 1)
    async with listening(house):
        code, message = await refused(house, f"{PATH}/events", 503)
        assert (code, "use another key" in message) == ("too_many_streams", True)
        headers = bearer(house, "admin")
        async with house.session.get(f"{house.address}{PATH}/events", headers=headers) as answer:
            assert answer.status == 200


async def test_who_goes_away_leaves_the_place_to_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the next comment would find the client gone."""
    monkeypatch.setattr(feed, "LISTENERS", 1)
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.05)
    for _ in range(3):
        async with listening(house):
            assert len(house.engine.monitoring.job_events._listeners) == 1
        async with asyncio.timeout(60):
            while house.engine.monitoring.job_events._listeners:
                await asyncio.to_thread(house.engine.definitions.tables)  # something else to do


async def test_a_listener_that_falls_behind_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WAITING", 0)
    async with listening(house) as (answer, place):
        _, job = await scheduled(house, ADA)
        assert await asyncio.wait_for(answer.content.read(), 60) == b""
    monkeypatch.undo()
    async with listening(house, place) as (answer, _):
        assert (await next_event(answer, "ended"))[2]["id"] == job


async def test_a_stop_of_the_server_ends_streams_at_once(house: House) -> None:
    url = f"{house.address}{PATH}/events"
    async with aiohttp.ClientSession() as session, session.get(url, headers=bearer(house)) as answer:
        await next_event(answer, "listening")
        stopped = asyncio.create_task(house.stop())  # type: ignore[arg-type, var-annotated]
        assert await asyncio.wait_for(answer.content.read(), 3) == b""
        await asyncio.wait_for(stopped, 8)


async def test_an_id_that_is_no_event_of_ours_is_refused(house: House) -> None:
    found = await get(house, f"{PATH}/events", 400, **{"Last-Event-ID": "17"})
    assert found["error"]["code"] == "parameter_wrong"
    assert "Last-Event-ID is '17'" in found["error"]["message"]


async def test_a_catalog_that_cannot_be_read_for_a_moment_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = SqliteQueue.changed
    failures = [StorageError("the disk failed"), RuntimeError("something else")]

    def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return look(*arguments)

    async with listening(house) as (answer, _):
        monkeypatch.setattr(SqliteQueue, "changed", staticmethod(failing))
        _, job = await scheduled(house, ADA)
        assert (await next_event(answer, "ended"))[2]["id"] == job
    assert not failures


async def test_a_catalog_that_fails_while_the_past_is_told_ends_the_stream(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_arguments: Any, **_more: Any) -> Any:
        raise StorageError("the disk failed")

    monkeypatch.setattr(SqliteQueue, "ended_since", staticmethod(failing))
    async with listening(house, "2026-03-01T09:30:00Z") as (answer, _):
        assert await asyncio.wait_for(answer.content.read(), 60) == b""


async def test_a_place_is_good_after_a_restart(make_house: MakeHouse, limits: UploadLimits) -> None:
    first = await make_house(limits)
    async with listening(first) as (_, place):
        pass
    _, job = await imported(first, ADA)
    await first.stop()
    async with listening(await make_house(limits), place) as (answer, _):
        assert (await next_event(answer, "ended"))[2]["id"] == job
