"""A blob without references is removed once nothing durable needs it, and not before."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from server.engine.uploads.unreferenced import UnreferencedBlobs
from storage.opening import Storage, open_storage


def refers(connection: Connection, digest: str) -> bool:
    found = connection.execute(text("SELECT count(*) FROM needs WHERE digest = :digest"), {"digest": digest})
    return bool(found.scalar())


def prepared(folder: Path) -> tuple[Storage, str]:
    storage = open_storage(folder)
    writer = storage.blobs.writer()
    writer.write(b"bytes that two need")
    digest = writer.publish().digest
    writer.settle()
    storage.catalog.write_now(lambda c: c.execute(text("CREATE TABLE needs (name TEXT, digest TEXT)")))
    for name in ("first", "second"):
        storage.catalog.write_now(add, name, digest)
    return storage, digest


def add(connection: Connection, name: str, digest: str) -> None:
    connection.execute(text("INSERT INTO needs VALUES (:name, :digest)"), {"name": name, "digest": digest})


def drop(connection: Connection, name: str) -> None:
    connection.execute(text("DELETE FROM needs WHERE name = :name"), {"name": name})


async def test_a_deletion_of_the_same_commit_is_not_believed(tmp_path: Path) -> None:
    """A crash before that commit would bring back what needs the blob."""
    storage, digest = await asyncio.to_thread(prepared, tmp_path)
    unreferenced = UnreferencedBlobs(storage.catalog, storage.blobs, refers)
    await storage.catalog.write(drop, "first")

    def delete_and_clean_up(connection: Connection) -> None:
        drop(connection, "second")
        unreferenced._drop(connection, [digest])
        assert storage.blobs.has(digest)
        raise InterruptedError("the process dies before the commit")

    with pytest.raises(InterruptedError):
        await storage.catalog.write(delete_and_clean_up)
    assert await asyncio.to_thread(storage.blobs.has, digest)
    await storage.catalog.write(drop, "second")
    await unreferenced.drop([digest, None])
    assert not await asyncio.to_thread(storage.blobs.has, digest)
    await storage.close()
