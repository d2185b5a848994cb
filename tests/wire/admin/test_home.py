"""Home: what runs, what waits, what failed, what comes, and how full the disk is."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from server.engine.clock import utc_now
from server.engine.events import Events, JobLeft, JobRead
from server.engine.operations.overview import RecordRates
from server.engine.uploads.flow import UploadLimits
from storage.queues.base import Counts, FinalState, Job
from tests.wire.admin.house import MovedClock, Signed, open_admin

ADA, BOB = {"email": "ada@example.org"}, {"email": "bob@example.org"}
WRONG = {"email": "nobody"}


async def claimed(site: Signed, seconds_ago: float = 0) -> Job:
    """The next job, as a worker elsewhere would have it."""
    storage = site.engine.storage
    job = await storage.queue.claim("elsewhere", utc_now() - timedelta(seconds=seconds_ago), 3600)
    assert job is not None
    return job


async def note(site: Signed, job: Job, read: int, fraction: float | None) -> None:
    storage = site.engine.storage
    counts = Counts(read=read, created=read)
    assert await storage.catalog.write(storage.queue.progress, job.id, "elsewhere", counts, 0, fraction)


async def finish(site: Signed, job: Job, state: FinalState, error: str | None) -> None:
    storage = site.engine.storage
    await storage.catalog.write(storage.queue.finish, job.id, "elsewhere", state, utc_now(), error=error)


async def test_an_empty_house_says_what_to_do_first(site: Signed) -> None:
    page = await site.get("/admin/")
    assert "Nothing has come in yet" in page.headings
    assert {"New import", "Keys", "/docs"} <= page.links.keys()
    await site.imported(ADA)
    assert "Nothing has come in yet" not in (await site.get("/admin/")).headings


async def test_a_house_without_processes_begins_with_those(tmp_path: Path) -> None:
    async with open_admin(tmp_path / "data", tmp_path / "nothing") as house:
        page = await (await house.signed()).get("/admin/")
        assert page.links["model"] == "/admin/models"


async def test_what_runs_shows_its_progress_its_pace_and_the_time_left(tmp_path: Path, imports: Path) -> None:
    clock = MovedClock()
    async with open_admin(tmp_path / "data", imports, jobs_run=False, clock=clock) as house:
        site = await house.signed()
        batch = await site.batch(ADA, comment="Members of <b>May</b>")
        await site.engine.batches.schedule(batch.api, batch.identifier, "import")
        job = await claimed(site, seconds_ago=-1)
        await note(site, job, 4000, 0.25)
        clock.move(seconds=101)
        page = await site.get("/admin/")
        assert 'value="0.2500"' in page.body
        assert "25 % 4 000 records read, 40 a second, 5 min" in page.text
        assert "Members of <b>May</b> haplo-standard, people" in page.text
        assert page.links["Members of <b>May</b>"] == f"/admin/batches/{batch.identifier}"
        await note(site, job, 5000, None)
        page = await site.get("/admin/")
        assert " left" not in page.text
        assert "<progress aria-label=" in page.body
        assert "%" not in page.text


async def test_a_batch_that_runs_shows_the_time_left(tmp_path: Path, imports: Path) -> None:
    clock = MovedClock()
    async with open_admin(tmp_path / "data", imports, jobs_run=False, clock=clock) as house:
        site = await house.signed()
        batch = await site.batch(ADA)
        clock.move(seconds=-600)
        await site.engine.batches.schedule(batch.api, batch.identifier, "import")
        job = await claimed(site, seconds_ago=600)
        for fraction, shown in [(0.5, True), (None, False)]:
            await note(site, job, 4000, fraction)
            text = (await site.get(f"/admin/batches/{batch.identifier}")).text
            assert ("Time left about 10 min" in text) is shown


async def test_what_waits_is_counted_and_the_oldest_is_timed(tmp_path: Path, imports: Path) -> None:
    clock = MovedClock()
    async with open_admin(tmp_path / "data", imports, jobs_run=False, clock=clock) as house:
        site = await house.signed()
        assert "0 imports Nothing is queued." in (await site.get("/admin/")).text
        for _ in range(2):
            batch = await site.batch(ADA)
            await site.engine.batches.schedule(batch.api, batch.identifier, "import")
        clock.move(minutes=3)
        assert "2 imports The oldest has waited 3 min 0 s." in (await site.get("/admin/")).text


async def test_failed_records_are_shown_with_the_first_reason(site: Signed) -> None:
    batch = await site.imported(ADA, WRONG, comment="Odd")
    page = await site.get("/admin/")
    assert page.links["1 of 2 records"] == f"/admin/batches/{batch.identifier}/failed"
    assert "Invalid email address for input field email: nobody" in page.text
    assert (await site.engine.jobs.get(batch.job or "")).fraction == 1.0


async def test_what_went_well_is_not_among_the_failed(site: Signed) -> None:
    await site.imported(ADA, BOB)
    page = await site.get("/admin/")
    assert "Nothing has failed." in page.text
    assert "Example haplo-standard, people done 2 0" in page.text


async def test_a_job_that_failed_is_shown_with_its_error(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, jobs_run=False) as house:
        site = await house.signed()
        batch = await site.batch(ADA)
        await site.engine.batches.schedule(batch.api, batch.identifier, "dry-run")
        await finish(site, await claimed(site, seconds_ago=-1), "failed", "the sky fell\n" + "far " * 100)
        page = await site.get("/admin/")
        assert "haplo-standard, people, dry run failed the sky fell" in page.text


async def test_ten_of_many_are_shown_newest_first(site: Signed) -> None:
    for number in range(12):
        await site.imported(ADA, comment=f"number {number:02}")
    page = await site.get("/admin/")
    shown = [number for number in range(12) if f"number {number:02}" in page.text]
    assert shown == list(range(2, 12))
    assert page.text.index("number 11") < page.text.index("number 02")


@pytest.mark.parametrize(
    ("share", "words"),
    [(2.0, "Uploads are refused: they must leave"), (0.7, "Nearly full: below"), (0.1, "uploads are refused.")],
)
async def test_a_disk_that_fills_is_said_before_it_is_full(
    tmp_path: Path, imports: Path, share: float, words: str
) -> None:
    floor = int(shutil.disk_usage(tmp_path).free * share)
    async with open_admin(tmp_path / "data", imports, limits=UploadLimits(min_free_bytes=floor)) as house:
        page = await (await house.signed()).get("/admin/")
        assert words in page.text
        assert ("Nearly" in page.text) == (share == 0.7)


async def test_mistakes_in_the_imports_folder_are_told(site: Signed, imports: Path) -> None:
    (imports / "models" / "people.json").write_text("{")
    page = await site.post("/admin/system/reload")
    assert page.status == 303
    home = await site.get("/admin/")
    assert "The imports folder has " in home.text


def test_the_pace_is_of_late_and_forgotten_at_the_end() -> None:
    events, now = Events(), [0.0]
    paces = RecordRates(events, lambda: now[0])
    assert paces("a") is None
    for second in range(60):
        now[0] = float(second)
        events.tell(JobRead("a", second * (10 if second < 30 else 100)))
    assert paces("a") == pytest.approx(100)
    events.tell(JobLeft("a", None))
    assert paces("a") is None
