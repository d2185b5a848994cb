"""kill -9 in every step of upload, schedule and import: nothing acknowledged is lost, nothing is there twice."""

from collections.abc import Callable
from contextlib import closing

import pytest

from tests.acceptance.imports import API, begin, entries, people, schedule, upload
from tests.support.server_process import Server, Site, encoded, wait_for

MANY = 15_000
SLOW = 4_000


def killed(site: Site, server: Server) -> Server:
    server.kill()
    return site.serve()


def numbers(site: Site) -> list[object]:
    return [row["number"] for row in site.export("entries")]


def test_killed_after_every_answer(site: Site) -> None:
    server = site.serve()
    batch = begin(server)
    server = killed(site, server)
    upload(server, batch, entries(0, 10), "first")
    server = killed(site, server)
    upload(server, batch, entries(10, 10), "second")
    server = killed(site, server)
    schedule(server, batch)
    server = killed(site, server)
    assert site.ended(batch)["batch_state"] == "complete"
    shown = site.show(batch)
    assert [file["name"] for file in shown["files"]] == ["first", "second"]
    assert numbers(site) == list(range(20))
    server.stop()
    site.check()


def test_killed_in_the_middle_of_a_body(site: Site) -> None:
    server = site.serve()
    batch = begin(server)
    kind, body = encoded({"batch": batch, "name": "data"}, entries(0, 200_000))
    with closing(server.connect()) as connection:
        server.begin(connection, f"{API}/file", kind, len(body))
        connection.send(body[: len(body) // 2])
        wait_for("a body on its way", lambda: any(path.stat().st_size > 1_000_000 for path in site.incoming()))
        server = killed(site, server)
    assert site.incoming() == []
    upload(server, batch, entries(0, 5))
    schedule(server, batch)
    assert site.ended(batch)["batch_state"] == "complete"
    assert [file["size"] for file in site.show(batch)["files"]] == [len(entries(0, 5))]
    assert numbers(site) == list(range(5))
    server.stop()
    site.check()


def at_once(site: Site) -> bool:
    return True


def on_its_way(site: Site) -> bool:
    return bool(site.incoming())


def being_published(site: Site) -> bool:
    return any("." in path.name for path in site.incoming()) or published(site)


def published(site: Site) -> bool:
    return any((site.data_dir / "blobs/sha256").glob("??/??/????????*")) and bool(files_of_all(site))


def files_of_all(site: Site) -> int:
    return sum(1 for _ in (site.data_dir / "blobs/sha256").glob("??/??/*"))


@pytest.mark.parametrize("moment", [at_once, on_its_way, being_published])
def test_killed_between_the_end_of_the_body_and_the_answer(site: Site, moment: Callable[[Site], bool]) -> None:
    """The client does not know: the file is either there, whole, or not at all; sending it again is always right."""
    server = site.serve()
    batch = begin(server)
    content = entries(0, 50_000)
    with closing(server.connect()) as connection:
        server.send(connection, f"{API}/file", {"batch": batch, "name": "data"}, content)
        wait_for(moment.__name__, lambda: moment(site))
        server = killed(site, server)
    site.check()
    assert [file["size"] for file in site.show(batch)["files"]] in ([], [len(content)])
    upload(server, batch, content)
    schedule(server, batch)
    assert site.ended(batch)["batch_state"] == "complete"
    assert site.rows("entries") == 50_000
    server.stop()
    site.check()


def test_killed_between_a_schedule_and_its_answer(site: Site) -> None:
    """The client asks again: it is either accepted now, or was before; it runs once."""
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, 10))
    with closing(server.connect()) as connection:
        server.send(connection, f"{API}/schedule", {"batch": batch})
        server = killed(site, server)
    answer = server.post(f"{API}/schedule", {"batch": batch})
    assert answer in ((200, "SCHEDULED"), (400, f"Batch {batch} is not in the 'uploading' state"))
    assert site.ended(batch)["batch_state"] == "complete"
    assert numbers(site) == list(range(10))
    server.stop()
    site.check()


def test_killed_three_times_in_one_import(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY // 2), "first")
    upload(server, batch, entries(MANY // 2, MANY // 2), "second")
    schedule(server, batch)
    for share in (MANY // 10, MANY // 3, MANY * 6 // 10):
        wait_for(f"{share} rows", lambda share=share: site.rows("entries") >= share)  # type: ignore[misc]
        assert site.job(batch)["state"] == "running"
        server = killed(site, server)
    job = site.ended(batch)
    assert (job["batch_state"], job["count_read"], job["count_created"], job["errors"]) == ("complete", MANY, MANY, 0)
    assert numbers(site) == list(range(MANY))
    assert [line.partition(":")[0] for line in site.show(batch)["log"].splitlines()] == ["START", "END"]
    server.stop()
    site.check()


def test_killed_in_a_dry_run(site: Site) -> None:
    site.configure(jobs={"chunk_records": 100})
    server = site.serve()
    batch = begin(server, "slow")
    upload(
        server, batch, people(SLOW, start="no date")
    )  # a message for each record: how far it is is noted with each chunk
    schedule(server, batch, mode="dry-run")
    wait_for("the dry run to get on", lambda: site.job(batch)["count_read"] > 0)
    assert site.job(batch)["state"] == "running"
    server = killed(site, server)
    job = site.ended(batch)
    assert (job["batch_state"], job["count_read"], job["count_created"]) == ("dry-run", SLOW, SLOW)
    assert (site.rows("people"), site.rows("books")) == (0, 0)
    server.stop()
    site.check()


def test_a_job_is_taken_over_at_once_not_when_its_lease_ends(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY))
    schedule(server, batch)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    server = killed(site, server)
    server.log.wait('"job started"', 5)
    assert site.ended(batch)["batch_state"] == "complete"
    server.stop()
    site.check()
