"""What is to run later: when, in which time zone, who wants it, how late it is, and the way to call it off."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.engine.vendors.voss.transactions import LoadRequest
from storage.queues.base import NewJob
from tests.support.replay import basic
from tests.wire.admin.house import AdminHouse, MovedClock, Signed, open_admin

DUE = datetime(2099, 6, 20, 22, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def quiet(tmp_path: Path, imports: Path, clock: MovedClock) -> AsyncIterator[AdminHouse]:
    """Nothing runs: what is due waits."""
    async with open_admin(tmp_path / "data", imports, jobs_run=False, clock=clock) as house:
        yield house


async def load(site: Signed, due: datetime | None, timezone: int | None = 0, name: str = "DEMO.xlsx") -> str:
    """Schedules a workbook as a VOSS client does; the id of its transaction."""
    engine = site.engine
    pieces = [b"not opened before its time", b""]

    async def read() -> bytes:
        return pieces.pop(0)

    (key,) = [key for key in await engine.access.keys.list() if key.name == "voss key"]
    await engine.voss.receive(await engine.uploads.receive_octets(read, filename=name), key, None)
    state = await engine.voss.load(LoadRequest(file=name, hierarchy="sys", due=due, timezone=timezone), key)
    return state.transaction.id


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        (0, "2099-06-20 22:30:00 UTC"),
        (120, "2099-06-21 00:30:00 UTC+02:00"),
        (-210, "2099-06-20 19:00:00 UTC-03:30"),
    ],
)
async def test_a_load_is_shown_in_utc_and_in_its_own_time_zone(quiet: AdminHouse, zone: int, local: str) -> None:
    site = await quiet.signed()
    await load(site, DUE, zone)
    page = await site.get("/admin/schedules")
    assert f"2099-06-20 22:30:00 UTC {local} DEMO.xlsx bulk load voss key Cancel" in page.text
    batch = (await site.engine.batches.list())[0]
    assert page.links["DEMO.xlsx"] == f"/admin/batches/{batch.identifier}"
    assert " late " not in page.text


async def test_the_next_five_are_on_the_first_page(quiet: AdminHouse) -> None:
    site = await quiet.signed()
    for day in range(7):
        await load(site, DUE + timedelta(days=day), name=f"day-{day}.xlsx")
    home = await site.get("/admin/")
    assert [day for day in range(7) if f"day-{day}.xlsx" in home.text] == [0, 1, 2, 3, 4]


async def test_a_load_that_is_overdue_is_marked_late(quiet: AdminHouse, clock: MovedClock) -> None:
    site = await quiet.signed()
    await load(site, clock() + timedelta(hours=1))
    clock.move(hours=1, seconds=30)
    page = await site.get("/admin/schedules")
    assert ("Due now" in page.headings, " late " in page.text) == (True, False)
    clock.move(minutes=5)
    assert " late " in (await site.get("/admin/schedules")).text


async def test_a_load_for_at_once_is_no_schedule(quiet: AdminHouse) -> None:
    site = await quiet.signed()
    await load(site, None)
    page = await site.get("/admin/schedules")
    assert "Nothing is scheduled." in page.text
    assert "DEMO.xlsx" not in page.text


async def test_cancelling_is_seen_by_the_client_and_the_schedule_is_gone(quiet: AdminHouse) -> None:
    site = await quiet.signed()
    id = await load(site, DUE)
    (form,) = [form for form in (await site.get("/admin/schedules")).forms if form.action.endswith("/cancel")]
    page = await site.post(form.action)
    assert (page.status, page.to) == (303, "/admin/schedules?notice=schedule-cancelled")
    after = await site.get(page.to)
    assert "The run is canceled." in after.text
    assert "Nothing is scheduled." in after.text
    auth = basic("me", quiet.keys["voss"])
    asked = await site.get(f"/api/tool/Transaction/{id}?hierarchy=sys&format=json", headers=auth)
    told = await site.get(json.loads(asked.body)["data"]["executed_by"], headers=auth)
    assert json.loads(told.body)["data"]["status"] == "Fail"
    assert "Transaction canceled." in told.body
    assert DUE.strftime("%Y-%m-%d") not in (await site.get("/api/data/Schedule/?format=json", headers=auth)).body
    again = await site.post(form.action)
    assert (again.status, "This schedule is gone" in again.text) == (404, True)


async def test_a_job_that_is_not_there_is_said_so(site: Signed) -> None:
    page = await site.post("/admin/schedules/nothing/cancel")
    assert page.status == 404


async def test_a_mail_that_is_tried_again_is_shown_and_can_be_cancelled(quiet: AdminHouse, clock: MovedClock) -> None:
    site = await quiet.signed()
    storage = quiet.engine.storage
    job = await storage.catalog.write(storage.queue.put, NewJob("mail", "errand", max_attempts=4), clock())
    await storage.queue.claim("elsewhere", clock(), 60)
    await storage.queue.release(job.id, "elsewhere", clock() + timedelta(minutes=5), error="the mail server is away")
    page = await site.get("/admin/schedules")
    assert "mail mail, retried (attempt 2 of 4)" in page.text
    assert (await site.post(f"/admin/schedules/{job.id}/cancel")).status == 303
    assert (await site.engine.jobs.get(job.id)).state == "cancelled"


async def test_an_import_for_later_names_the_key_that_made_it(quiet: AdminHouse) -> None:
    site = await quiet.signed()
    storage = quiet.engine.storage
    (key,) = [key for key in await site.engine.access.keys.list() if key.name == "folio key"]
    batch = await site.engine.batches.create("haplo-standard", process="people", comment="Later", key=key)
    await storage.catalog.write(
        storage.queue.put, NewJob("haplo-standard", "dry-run", batch=batch.id, due=DUE), datetime.now(UTC)
    )
    assert "Later dry run folio key Cancel" in (await site.get("/admin/schedules")).text


async def test_many_schedules_come_in_pages_none_twice(quiet: AdminHouse) -> None:
    site = await quiet.signed()
    storage = quiet.engine.storage
    new = [NewJob("mail", "errand", due=DUE + timedelta(seconds=number // 3)) for number in range(120)]
    jobs = await storage.catalog.write(lambda c: [storage.queue.put(c, job, datetime.now(UTC)) for job in new])
    seen: list[str] = []
    path = "/admin/schedules"
    while path:
        page = await site.get(path)
        seen += [form.action.split("/")[3] for form in page.forms if form.action.endswith("/cancel")]
        path = page.links.get("Next page", "")
    assert sorted(seen) == sorted(job.id for job in jobs)
    assert len(seen) == 120


@pytest.mark.parametrize(
    "query", ["after=x", "after=0001-01-01T00:00:00%2B23:59&job=a", "after=9999-12-31T23:59:59-23:59", "job=%00"]
)
async def test_an_address_that_was_tampered_with_is_the_first_page(site: Signed, query: str) -> None:
    assert (await site.get(f"/admin/schedules?{query}")).status == 200
