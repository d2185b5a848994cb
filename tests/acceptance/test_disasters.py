"""Full disks, dying workers, impatient clients: what each of them costs, and what it leaves alone."""

import os
import signal
from contextlib import closing

from tests.acceptance.imports import API, begin, entries, people, schedule, upload
from tests.support.server_process import Site, answer_on, encoded, is_alive, wait_for
from tests.support.turns import Turns

MANY = 15_000
SLOW = 12_000


def test_a_disk_below_its_floor_refuses_uploads_and_says_why(site: Site) -> None:
    server = site.serve()
    batch = begin(server)
    server.stop()
    site.configure(limits={"min_free_bytes": 2**62})
    server = site.serve()
    status, words = server.post(f"{API}/file", {"batch": batch, "name": "data"}, entries(0, 10))
    assert (status, "free" in words) == (507, True), words
    line = server.log.wait('"status":507')
    assert words in line
    assert site.key not in "\n".join(server.log.lines)
    server.stop()
    site.configure()
    server = site.serve()
    upload(server, batch, entries(0, 10))
    server.stop()
    site.check()


def test_a_client_that_falls_silent_is_told_so_and_leaves_nothing(site: Site) -> None:
    site.configure(limits={"idle_seconds": 0.3})
    server = site.serve()
    batch = begin(server)
    kind, body = encoded({"batch": batch, "name": "data"}, entries(0, 100_000))
    with closing(server.connect()) as connection:
        server.begin(connection, f"{API}/file", kind, len(body))
        connection.send(body[: len(body) // 2])
        assert answer_on(connection) == (408, "no bytes came for 0.3 seconds")
    wait_for("the body to be dropped", lambda: not site.incoming())
    assert site.show(batch)["files"] == []
    server.stop()
    site.check()


def test_a_client_that_goes_away_leaves_nothing(site: Site) -> None:
    server = site.serve()
    batch = begin(server)
    kind, body = encoded({"batch": batch, "name": "data"}, entries(0, 100_000))
    with closing(server.connect()) as connection:
        server.begin(connection, f"{API}/file", kind, len(body))
        connection.send(body[: len(body) // 2])
        wait_for("a body on its way", site.incoming)
    wait_for("the body to be dropped", lambda: not site.incoming())
    server.stop()
    site.check()


def test_a_killed_worker_is_replaced_and_its_job_goes_on(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY))
    schedule(server, batch)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    os.kill(server.worker(), signal.SIGKILL)
    assert "ended by signal SIGKILL" in server.log.wait("job will be tried again")
    job = site.ended(batch)
    assert (job["batch_state"], job["count_created"], site.rows("entries")) == ("complete", MANY, MANY)
    server.stop()
    site.check()


def test_a_job_whose_attempts_are_used_up_says_so_and_the_next_one_runs(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50, "attempts": 1})
    site.expected = ["job given up"]
    server = site.serve()
    lost, other = begin(server), begin(server)
    upload(server, lost, entries(0, MANY))
    upload(server, other, entries(0, 10))
    schedule(server, lost)
    schedule(server, other)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    os.kill(server.worker(), signal.SIGKILL)
    assert site.ended(lost)["batch_state"] == "error"
    assert site.ended(other)["batch_state"] == "complete"
    start, reason, end = site.show(lost)["log"].splitlines()
    assert reason == (
        "EXCEPTION: Error during import: given up after 1 attempt: the worker process was ended by signal SIGKILL"
    )
    assert (start[:7], end[:5]) == ("START: ", "END: ")
    server.stop()
    site.check()


def test_a_job_that_needs_too_much_memory_ends_alone(site: Site) -> None:
    site.configure(jobs={"memory_bytes": 384 * 2**20, "attempts": 1})
    site.expected = ["job given up"]
    server = site.serve()
    greedy, modest = begin(server), begin(server)
    grows = b'{"number": 1, "text": [' + b"{}," * 9_999 + b"{}]}\n"  # some thirty times, once it is parsed
    upload(server, greedy, grows * 500)
    upload(server, modest, entries(0, 10))
    schedule(server, greedy)
    schedule(server, modest)
    assert site.ended(greedy)["batch_state"] == "error"
    assert site.ended(modest)["batch_state"] == "complete"
    assert "more memory than [jobs] memory_bytes allows" in site.show(greedy)["log"]
    assert site.rows("entries") == 10
    server.stop()
    site.check()


def test_a_cancelled_import_stops_at_the_edge_of_a_chunk(site: Site) -> None:
    site.configure(jobs={"chunk_records": 5})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY))
    with Turns(site.data_dir) as turns:
        schedule(server, batch)
        wait_for("some rows", lambda: turns.give() or site.rows("entries") >= 10)  # type: ignore[func-returns-value]
        site.run("jobs", "cancel", site.job(batch)["id"])
    job = site.ended(batch)
    assert job["batch_state"] == "cancelled"
    assert job["count_created"] == site.rows("entries")
    assert job["count_created"] % 5 == 0
    assert [line.partition(":")[0] for line in site.show(batch)["log"].splitlines()] == ["START", "CANCELLED", "END"]
    server.stop()
    site.check()


def test_stopped_in_the_middle_an_import_pauses_and_later_goes_on_before_the_next(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    first, second = begin(server), begin(server)
    upload(server, first, entries(0, MANY))
    upload(server, second, entries(MANY, 10))
    schedule(server, first)
    schedule(server, second)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    server.stop()
    assert server.events("job paused at a checkpoint")
    paused = site.job(first)
    assert (paused["state"], 0 < site.rows("entries") < MANY) == ("queued", True)
    server = site.serve()
    assert site.ended(second)["batch_state"] == "complete"
    assert site.ended(first)["batch_state"] == "complete"
    assert [row["number"] for row in site.export("entries")] == list(range(MANY + 10))
    server.stop(signal.SIGINT)
    site.check()


def test_a_worker_that_reaches_no_checkpoint_does_not_hold_up_a_stop(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY))
    schedule(server, batch)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    worker = server.worker()
    os.kill(worker, signal.SIGSTOP)
    server.stop()
    assert not is_alive(worker)
    server = site.serve()
    assert site.ended(batch)["batch_state"] == "complete"
    assert [row["number"] for row in site.export("entries")] == list(range(MANY))
    server.stop()
    site.check()


def test_a_paused_import_can_be_cancelled(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    server = site.serve()
    batch = begin(server)
    upload(server, batch, entries(0, MANY))
    schedule(server, batch)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    server.stop()
    site.run("jobs", "cancel", site.job(batch)["id"])
    shown = site.show(batch)
    assert (shown["state"], shown["job"]["state"]) == ("cancelled", "cancelled")
    assert [line.partition(":")[0] for line in shown["log"].splitlines()] == ["START", "CANCELLED", "END"]
    server = site.serve()
    server.stop()
    site.check()


def test_two_servers_on_one_folder_run_each_job_once(site: Site) -> None:
    servers = [site.serve(), site.serve()]
    batches = []
    for number in range(8):
        server = servers[number % 2]
        batches.append(begin(server))
        upload(server, batches[-1], entries(number * 2000, 2000))
        schedule(servers[(number + 1) % 2], batches[-1])
    assert {site.ended(batch)["batch_state"] for batch in batches} == {"complete"}
    started = [line["job"] for server in servers for line in server.events("job started")]
    assert sorted(started) == sorted(site.job(batch)["id"] for batch in batches)
    assert sorted(row["number"] for row in site.export("entries")) == list(range(16_000))
    for server in servers:
        server.stop()
    site.check()


def test_a_living_server_takes_over_from_a_killed_one(site: Site) -> None:
    site.configure(jobs={"chunk_records": 50})
    first, second = site.serve(), site.serve()
    batch = begin(first)
    upload(first, batch, entries(0, MANY))
    schedule(first, batch)
    wait_for("some rows", lambda: site.rows("entries") >= 100)
    runs, waits = (first, second) if first.events("job started") else (second, first)
    runs.kill()
    waits.log.wait('"job started"', 10)
    assert site.ended(batch)["batch_state"] == "complete"
    assert [row["number"] for row in site.export("entries")] == list(range(MANY))
    waits.stop()
    site.check()


def test_a_bad_model_at_a_reload_keeps_the_old_set(site: Site) -> None:
    server = site.serve()
    site.expected = ["definition refused"]
    site.define("processes", "new", {"id": "new", "label": "new"})
    server.process.send_signal(signal.SIGHUP)
    assert "imports/processes/new.json" in server.log.wait("definition refused")
    server.log.wait("definitions reloaded")
    batch = begin(server)
    upload(server, batch, entries(0, 10))
    schedule(server, batch)
    assert site.ended(batch)["count_created"] == 10
    server.stop()
    (site.folder / "imports/processes/new.json").unlink()
    site.check()


def test_an_import_does_not_wait_for_a_dry_run(site: Site) -> None:
    """The dry run stands still in the middle, with all that it holds, and others go on."""
    first = site.serve()
    dry = begin(first, "slow")
    upload(first, dry, people(SLOW))
    schedule(first, dry, mode="dry-run")
    wait_for("the dry run to get on", lambda: site.job(dry)["count_read"] > 0)
    os.kill(first.worker(), signal.SIGSTOP)
    second = site.serve()
    for number in range(3):
        status, words = second.push("entries", entries(number, 1))
        assert status == 200, words
    assert (site.job(dry)["state"], site.rows("entries")) == ("running", 3)
    os.kill(first.worker(), signal.SIGCONT)
    job = site.ended(dry)
    assert (job["batch_state"], job["count_created"]) == ("dry-run", SLOW)
    assert (site.rows("people"), site.rows("books")) == (0, 0)
    first.stop()
    second.stop()
    site.check()


def test_a_dry_run_shows_what_a_commit_would_refuse_and_leaves_nothing(site: Site) -> None:
    server = site.serve()
    batch = begin(server, "once")
    upload(server, batch, entries(1, 2) + entries(2, 1))
    schedule(server, batch, mode="dry-run")
    job = site.ended(batch)
    assert (job["batch_state"], job["count_read"], job["count_created"], job["count_failed"]) == ("dry-run", 3, 2, 1)
    assert "another row already has number 2" in site.show(batch)["log"]
    assert site.rows("onces") == 0
    server.stop()
    site.check()
