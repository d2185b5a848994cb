"""/metrics: what a real import leaves in the numbers, who may read them, and what stays bounded."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from server.engine.events import Event, JobBegun, JobLeft, UploadEnded
from server.engine.operations.storage_metrics import StorageMetrics
from storage.errors import DatabaseFailed
from tests.support.replay import House, Maker, basic
from tests.support.watched import API, ROWS, Scrape, as_files, imported, scrape


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {}


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    for name, text in as_files().items():
        (tmp_path / "imports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "imports" / name).write_text(text)
    return tmp_path / "imports"


async def status_of(house: House, headers: Mapping[str, str]) -> int:
    async with house.session.get(f"{house.address}/metrics", headers=headers) as answer:
        assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
        return answer.status


async def scraped_until(house: House, name: str, value: float) -> Scrape:
    """The first scrape with this value; the test's own time limit ends the wait."""
    while True:
        now = await scrape(house)
        if now.value(name) == value:
            return now


async def test_an_import_shows_in_the_numbers(house: House) -> None:
    await imported(house)
    now = await scrape(house)
    file = {"method": "POST", "route": f"{API}/file"}
    assert now.value("penstock_requests_total", **file, status="200") == 1
    assert now.value("penstock_request_duration_seconds_count", **file) == 1
    assert now.value("penstock_request_duration_seconds_bucket", **file, le="+Inf") == 1
    assert now.value("penstock_requests_in_flight") == 1  # the scrape itself
    assert now.value("penstock_uploads_total", result="received") == 1
    assert now.value("penstock_upload_bytes_total") == pytest.approx(len(ROWS), abs=500)  # with the form around it
    assert now.value("penstock_uploads_in_flight") == 0
    assert now.value("penstock_jobs", kind="haplo-standard", mode="import", state="done") == 1
    assert now.value("penstock_records_total", mode="import", status="created") == 2
    assert now.value("penstock_records_total", mode="import", status="failed") == 1
    assert now.value("penstock_records_total", mode="dry-run", status="created") == 0
    assert now.value("penstock_catalog_up") == 1
    assert now.value("penstock_queue_age_seconds") == 0


async def test_the_engine_tells_what_it_does_from_the_body_to_the_end_of_the_job(house: House) -> None:
    told: list[Event] = []
    left = asyncio.Event()

    def hear(event: Event) -> None:
        told.append(event)
        if isinstance(event, JobLeft):
            left.set()

    house.engine.events.listen(hear)
    await imported(house)
    await left.wait()
    upload, begun, *_, end = told
    assert isinstance(upload, UploadEnded)
    assert isinstance(begun, JobBegun)
    assert isinstance(end, JobLeft)
    assert end.after is not None
    assert (end.id, end.after.state, end.after.counts.read) == (begun.job.id, "done", 3)


async def test_the_machine_shows_in_the_numbers(house: House) -> None:
    now = await scrape(house)
    assert (now.value("penstock_disk_free_bytes") or 0) > 2**20
    assert {"catalog.db", "records.db"} <= now.labels("penstock_database_bytes", "file")
    assert (now.value("process_resident_memory_bytes") or 0) > 2**20
    assert (now.value("process_cpu_seconds_total") or 0) > 0
    assert now.labels("penstock_build_info", "version") != set()


async def test_a_dry_run_has_numbers_of_its_own(house: House) -> None:
    await imported(house, "dry-run")
    now = await scrape(house)
    assert now.value("penstock_records_total", mode="dry-run", status="created") == 2
    assert now.value("penstock_records_total", mode="import", status="created") == 0


async def test_records_are_counted_once_over_many_imports_and_scrapes(house: House) -> None:
    for _ in range(3):
        await imported(house)
        await scrape(house)
    now = await scrape(house)
    counted = {
        status: now.value("penstock_records_total", mode="import", status=status)
        for status in ("created", "unchanged", "failed")
    }
    assert counted == {"created": 2, "unchanged": 4, "failed": 3}


async def test_strange_paths_and_methods_make_no_labels(house: House) -> None:
    for method in ("PROPFIND", "MKCOL", "SEARCH", "GET"):
        for number in range(5):
            async with house.session.request(method, f"{house.address}/strange/{number}") as answer:
                assert answer.status == 404
    now = await scrape(house)
    assert now.value("penstock_requests_total", method="other", route="unknown", status="404") == 15
    assert now.value("penstock_requests_total", method="GET", route="unknown", status="404") == 5
    assert now.labels("penstock_requests_total", "method") == {"other", "GET"}


async def test_only_a_key_for_it_opens_the_metrics(house: House) -> None:
    _, native = await house.engine.access.keys.create("scraper", ["native"])
    assert await status_of(house, {}) == 401
    assert await status_of(house, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}) == 401
    assert await status_of(house, basic("", "")) == 401
    assert await status_of(house, {"Authorization": f"Bearer {house.keys['haplo-batch']}"}) == 403
    assert await status_of(house, {"Authorization": f"Bearer {native}"}) == 200
    assert await status_of(house, {"Authorization": f"Bearer {house.keys['admin']}"}) == 200
    assert await status_of(house, basic("prometheus", native)) == 200
    assert await status_of(house, basic(native, "")) == 200


async def test_who_is_signed_in_may_read_the_metrics(house: House) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        form = {"key": house.keys["admin"], "next": "/admin/"}
        signing_in = browser.post(
            f"{house.address}/admin/sign-in", data=form, headers={"Origin": house.address}, allow_redirects=False
        )
        async with signing_in as answer:
            assert answer.status == 303
        async with browser.get(f"{house.address}/metrics") as answer:
            assert answer.status == 200


async def test_the_scraper_may_ask_for_openmetrics(house: House) -> None:
    headers = {
        "Authorization": f"Bearer {house.keys['admin']}",
        "Accept": "application/openmetrics-text; version=1.0.0",
    }
    async with house.session.get(f"{house.address}/metrics", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert (await answer.text()).endswith("# EOF\n")


async def test_an_upload_shows_while_it_comes_and_when_its_sender_goes(house: House) -> None:
    key = basic("haplo", house.keys["haplo-standard"])["Authorization"]
    head = (
        f"POST {API}/file HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head.encode() + b"--xyz\r\n" + b"a" * 1000)
    now = await scraped_until(house, "penstock_upload_bytes_total", 1007)
    assert now.value("penstock_uploads_in_flight") == 1
    assert now.value("penstock_requests_in_flight") == 2
    writer.close()
    now = await scraped_until(house, "penstock_uploads_in_flight", 0)
    assert now.value("penstock_uploads_total", result="interrupted") == 1
    assert now.value("penstock_upload_bytes_total") == 1007


async def test_a_catalog_that_fails_costs_only_its_own_numbers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(self: StorageMetrics, about: object = ()) -> None:
        raise DatabaseFailed("catalog.db", "disk I/O error")

    monkeypatch.setattr(StorageMetrics, "jobs", failing)
    now = await scrape(house)
    assert now.value("penstock_catalog_up") == 0
    assert now.value("penstock_queue_age_seconds") is None
    assert now.families["penstock_jobs"].samples == []
    assert (now.value("penstock_disk_free_bytes") or 0) > 0
