"""Stores small contents as blobs, together with the rows that refer to them."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection

from storage.blobs.base import BlobStore, BlobWriter
from storage.catalog.base import Catalog

T = TypeVar("T")
AT_ONCE = 8


async def store_small_blobs(
    blobs: BlobStore, catalog: Catalog, contents: Sequence[bytes], commit: Callable[[Connection, Sequence[str]], T]
) -> T:
    """Stores the contents durably, then calls `commit` with their digests. If that fails, no blob is kept."""
    writers: list[BlobWriter] = []
    try:
        digests = await asyncio.to_thread(_publish, blobs, contents, writers)
        result = await catalog.write(commit, digests)
        await asyncio.to_thread(_settle, writers)
        return result
    finally:
        await asyncio.shield(asyncio.to_thread(_discard, writers))


def _publish(blobs: BlobStore, contents: Sequence[bytes], writers: list[BlobWriter]) -> Sequence[str]:
    """Publishes several blobs at a time, as each spends most of its time waiting for the disk."""

    def publish(content: bytes) -> str:
        writer = blobs.writer()
        writers.append(writer)
        writer.write(content)
        writer.seal()
        return writer.publish().digest

    if len(contents) < 2:
        return [publish(content) for content in contents]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(publish, contents))


def _settle(writers: Sequence[BlobWriter]) -> None:
    for writer in writers:
        writer.settle()


def _discard(writers: Sequence[BlobWriter]) -> None:
    for writer in writers:
        writer.discard()
