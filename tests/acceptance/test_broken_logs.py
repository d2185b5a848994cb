"""A server whose log cannot be written goes on with everything else."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import pytest

from tests.acceptance.imports import begin, entries, schedule, upload
from tests.support.server_process import PENSTOCK, Server, Site, wait_for


@contextmanager
def broken_log(how: str) -> Iterator[int]:
    if how == "full disk":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    yield descriptor
    os.close(descriptor)


def ready(server: Server) -> str:
    with urllib.request.urlopen(f"http://{server.address}/readyz", timeout=10) as answer:
        return answer.read().decode()  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["full disk", "reader that died"])
def test_imports_and_errands_go_on_without_a_log(site: Site, how: str) -> None:
    with broken_log(how) as descriptor:
        server = site.serve(stderr=descriptor)
        batches = [begin(server) for _ in range(3)]
        for batch in batches:
            upload(server, batch, entries(0, 10))
            schedule(server, batch)
        assert [site.ended(batch)["batch_state"] for batch in batches] == ["complete"] * 3
        os.kill(server.worker(), signal.SIGKILL)
        late = begin(server)
        upload(server, late, entries(0, 10))
        schedule(server, late)
        assert site.ended(late)["batch_state"] == "complete"
        assert "lines could not be written" in ready(server)
        server.stop()
    assert site.rows("entries") == 40


def test_stdout_that_nobody_reads_ends_no_server(site: Site) -> None:
    command = [PENSTOCK, "serve", "--port", "0", "--log-format", "json", "--data-dir", str(site.data_dir)]
    with open("/dev/full", "w") as full:
        server = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=site.folder)  # type: ignore[arg-type]
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "stdout not writable" in line)
        with urllib.request.urlopen(json.loads(line)["address"] + "/livez", timeout=10) as answer:
            assert answer.status == 200
        server.terminate()
        server.stderr.read()
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def test_signals_that_tools_send_to_everybody_end_nothing(site: Site) -> None:
    server = site.serve()
    _load(site, server, 0)  # from then on the worker is at work, and has said which signals it takes
    worker = server.worker()
    for pid in (server.process.pid, worker):
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            os.kill(pid, number)
    os.kill(worker, signal.SIGHUP)
    os.kill(server.process.pid, signal.SIGHUP)
    server.log.wait("definitions reloaded")
    _load(site, server, 10)
    assert server.worker() == worker


def _load(site: Site, server: Server, there: int) -> None:
    batch = begin(server)
    upload(server, batch, entries(there, 10))
    schedule(server, batch)
    wait_for("the import", lambda: site.rows("entries") == there + 10)


def test_the_log_begins_with_what_is_in_force_and_ends_with_the_stop(site: Site) -> None:
    site.configure(jobs={"slots": 2}, limits={"max_upload_bytes": 12345})
    server = site.serve()
    server.log.wait("server started")
    server.stop()
    first = server.events("server started")[0]
    assert (first["data_dir"], first["slots"], first["max_upload_bytes"]) == (str(site.data_dir), 2, 12345)
    assert first["address"] == f"http://{server.address}"
    assert first["version"] == version("penstock")
    assert "server stopped" in server.log.lines[-1]
