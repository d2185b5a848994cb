"""The steps of an import as a client of the Standard API takes them, and what it sends."""

import json

from tests.support.server_process import Server

API = "/api/haplo-data-import-standard-api"


def begin(server: Server, kind: str = "load") -> str:
    status, batch = server.post(f"{API}/batch", {"kind": kind, "comment": "An import"})
    assert status == 200, batch
    return batch


def upload(server: Server, batch: str, content: bytes, name: str = "data") -> None:
    status, digest = server.post(f"{API}/file", {"batch": batch, "name": name}, content)
    assert status == 200, digest


def schedule(server: Server, batch: str, **mode: str) -> None:
    assert server.post(f"{API}/schedule", {"batch": batch, **mode}) == (200, "SCHEDULED")


def people(count: int, **more: object) -> bytes:
    """Records that take the long way, each with rows that depend on its own: some thousands a second."""
    books = [{"title": f"Book {n}"} for n in range(3)]
    records = (
        {"first": "Ada", "last": f"Moss {n}", "e-mail": f"{n}@example.org", "books": books, **more}
        for n in range(count)
    )
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def entries(first: int, count: int) -> bytes:
    return b"".join(
        json.dumps({"number": n, "text": f"entry {n}"}).encode() + b"\n" for n in range(first, first + count)
    )
