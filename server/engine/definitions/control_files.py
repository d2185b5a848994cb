"""Reads control files that clients sent, and the batches made with them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from server.engine.errors import ControlNotFound
from storage.blobs.base import BlobStore
from storage.catalog.base import Batch, Catalog, ControlFile
from storage.catalog.sql import controls, usage
from storage.errors import BlobMissing

MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class ControlPage:
    """`used` counts the batches of each digest, up to MOST_COUNTED. The next page has the ids below `further`."""

    entries: Sequence[ControlFile]
    used: Mapping[str, int]
    further: int | None


@dataclass(frozen=True, slots=True)
class StoredControl:
    """One control file under all its comments. A process's control file has none: no client sent it.

    `content` is None where the bytes are gone. The next page of batches has the ids below `further`.
    """

    digest: str
    entries: Sequence[ControlFile]
    content: bytes | None
    batches: Sequence[Batch]
    further: int | None


class ControlFiles:
    def __init__(self, catalog: Catalog, blobs: BlobStore) -> None:
        self._catalog = catalog
        self._blobs = blobs

    async def page(self, *, before: int | None = None, limit: int = 50) -> ControlPage:
        """Returns a page of control files, newest first."""

        def read(connection: Connection) -> ControlPage:
            found = controls.find(connection, before=before, limit=limit + 1)
            entries = found[:limit]
            used = usage.count_with_control(connection, {entry.digest for entry in entries}, MOST_COUNTED)
            return ControlPage(entries, used, entries[-1].id if len(found) > limit else None)

        return await self._catalog.read(read)

    async def get(self, digest: str, *, before: int | None = None, limit: int = 20) -> StoredControl:
        """Returns a control file with a page of its batches, newest first."""

        def read(connection: Connection) -> tuple[list[ControlFile], list[Batch], bool]:
            entries = usage.entries_of_control(connection, digest)
            found = usage.with_control(connection, digest, before=before, limit=limit + 1)
            known = bool(entries or found or usage.with_control(connection, digest, limit=1))
            return entries, found, known

        entries, found, known = await self._catalog.read(read)
        if not known:
            raise ControlNotFound(digest)
        further = found[limit - 1].id if len(found) > limit else None
        return StoredControl(digest, entries, await self.content(digest), found[:limit], further)

    async def content(self, digest: str) -> bytes | None:
        return await asyncio.to_thread(self._read, digest)

    async def latest_of(self, processes: Sequence[str]) -> Mapping[str, Batch]:
        """Returns the newest batch of each process that has one."""
        return await self._catalog.read(usage.latest_of_processes, processes)

    def _read(self, digest: str) -> bytes | None:
        try:
            return self._blobs.path(digest).read_bytes()
        except (BlobMissing, OSError):
            return None
