"""The real server takes LearningBuilder's batches: memory stays flat, a killed server goes on, each row counts once."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import Server, Site, answer_on, wait_for

PATH = "/API/WorkflowImportQueue/CreateBatch?fileName=Load&importProcessId=members&creationPath=LOAD"
PIECE = 500  # rows

MODEL = {
    "name": "example:members",
    "destinations": [
        {
            "name": "member",
            "table": "members",
            "kind": "dictionary",
            "key": ["UniqueId"],
            "names": {"UniqueId": {"required": True}, "Credits": {"type": "integer"}, "Note": {}},
        }
    ],
}
PROCESS = {"id": "members", "model": MODEL["name"], "destination": "member", "read": "json-lines", "write": "upsert"}


@pytest.fixture
def secret(site: Site) -> str:
    site.define("models", "members", MODEL)
    site.define("processes", "members", PROCESS)
    return site.run("keys", "create", "hub", "--scope", "learningbuilder").strip()


def body(rows: int, note: str = "") -> Iterator[bytes]:
    """Every hundredth row has an unknown column."""
    for start in range(0, rows, PIECE):
        made = ({"UniqueId": str(n), "Credits": n, "Note": note} for n in range(start, min(rows, start + PIECE)))
        named = ({**row, "Foo": 1} if row["Credits"] % 100 == 99 else row for row in made)  # type: ignore[operator]
        yield "".join(json.dumps(row) + "\n" for row in named).encode()


def send(server: Server, secret: str, content: Iterator[bytes]) -> str:
    """Sends the body in chunks, without a declared length; returns the batch."""
    with closing(server.connect()) as connection:
        connection.request("POST", PATH, content, {"Authorization": f"apikey {secret}"}, encode_chunked=True)
        status, answer = answer_on(connection)
    assert status == 200, answer
    document = json.loads(answer)
    assert document["queueBatchDetails"] == f"http://{server.address}/admin/batches/{document['queueBatchId']}"
    identifier: str = document["queueBatchId"]
    return identifier


def peak(pid: int) -> int:
    """The most memory a process has held, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def states(site: Site, batch: str, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("batches", "rows", batch, "--json", *more))
    return found


def test_memory_does_not_grow_with_the_body(site: Site, secret: str) -> None:
    server = site.serve()
    site.ended(send(server, secret, body(12_000, "x" * 2000)))  # more than fits into a chunk
    before = peak(server.process.pid), peak(server.worker())
    batch = send(server, secret, body(40_000, "y" * 2000))
    assert site.ended(batch)["batch_state"] == "complete"
    after = peak(server.process.pid), peak(server.worker())
    grown = [late - early for early, late in zip(before, after, strict=True)]
    assert max(grown) < 24, f"the body has 55 MiB more; grown by {grown} MiB from {before}"


def test_a_killed_server_goes_on_and_each_row_counts_once(site: Site, secret: str) -> None:
    server = site.serve()
    batch = send(server, secret, body(20_000))
    wait_for("some rows", lambda: site.rows("members") > 0)
    server.kill()
    server = site.serve()
    assert site.ended(batch)["batch_state"] == "complete"
    counts = site.show(batch)["job"]["counts"]
    assert (counts["read"], counts["created"], counts["failed"]) == (20_000, 19_800, 200)
    assert site.rows("members") == 19_800
    server.stop()
    site.check()


def test_every_row_is_visible_on_the_command_line(site: Site, secret: str) -> None:
    server = site.serve()
    batch = send(server, secret, body(200))
    site.ended(batch)
    rows = states(site, batch, "--after", "97", "--limit", "3")
    assert [(row["record"], row["state"], row["line"]) for row in rows] == [
        (98, "completed", None),
        (99, "failed", 100),
        (100, "completed", None),
    ]
    assert rows[1]["message"].startswith("Unknown column Foo; ")
    assert len(states(site, batch, "--limit", "1000")) == 200
    for text in ("IMPORT_QUEUE_API:LOAD", "Load", batch):
        found = json.loads(site.run("batches", "list", "--search", text, "--json"))
        assert [row["id"] for row in found] == [batch]
    assert json.loads(site.run("batches", "list", "--search", "IMPORT_QUEUE_API:OTHER", "--json")) == []
    assert site.show(batch)["properties"] == {"creation_path": "IMPORT_QUEUE_API:LOAD", "rows": 200}


def test_a_public_address_stands_in_the_link(site: Site, secret: str) -> None:
    site.configure(server={"public_url": "https://import.example.org/"})
    server = site.serve()
    with closing(server.connect()) as connection:
        connection.request("POST", PATH, b"{}", {"Authorization": f"apikey {secret}"})
        status, answer = answer_on(connection)
    document = json.loads(answer)
    assert status == 200
    assert document["queueBatchDetails"] == f"https://import.example.org/admin/batches/{document['queueBatchId']}"
