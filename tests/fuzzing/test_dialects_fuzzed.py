"""A short run of `scripts/fuzz dialects`, with the same requests each time: no change of a request meets a fault."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from tests.fuzzing.fuzz_dialects import Fuzzed, furnish, run

REQUESTS = 120
PATIENCE = 200  # seconds, where the machine is busy


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    site = furnish(tmp_path_factory.mktemp("fuzzed") / "site")
    try:
        yield Fuzzed(site)
    finally:
        for server in site.servers:
            server.kill()


def test_changed_requests_and_files_meet_no_fault(fuzzed: Fuzzed, tmp_path: Path) -> None:
    assert run(fuzzed, Random(9), PATIENCE, tmp_path, REQUESTS) == (set(), REQUESTS)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", "answered 500: b'no'"),
        (b"", "no answer: RemoteDisconnected"),
    ],
)
def test_a_fault_would_be_seen(fuzzed: Fuzzed, monkeypatch: pytest.MonkeyPatch, answer: bytes, fault: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(fuzzed, "address", listener.getsockname())
        thread = Thread(target=_answer_once, args=(listener, answer))
        thread.start()
        found = fuzzed.ask(b"GET / HTTP/1.1\r\n\r\n")
        thread.join()
    assert len(found) == 1
    assert found[0].startswith(fault)


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with closing(connection):
        connection.recv(1 << 16)
        connection.sendall(answer)
