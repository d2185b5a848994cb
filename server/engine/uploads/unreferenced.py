"""Garbage collection of single blobs, after a change that may have removed their last reference."""

import asyncio
from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from server.engine.uploads.uploads import SETTLE_AFTER
from storage.blobs.base import BlobStore
from storage.catalog.base import Catalog

_TRIES = 3

Refers = Callable[[Connection, str], bool]


class UnreferencedBlobs:
    """Removes blobs that nothing refers to any more. Call `drop` once the change that released them is durable."""

    def __init__(self, catalog: Catalog, blobs: BlobStore, refers: Refers) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._refers = refers

    async def drop(self, digests: Iterable[str | None]) -> None:
        """Removes the blobs that nothing needs. A blob that an upload still holds is tried again later."""
        loose = {digest for digest in digests if digest is not None}
        for _ in range(_TRIES):
            if loose:
                loose = await self._catalog.write(self._drop, loose)
            if loose:
                await asyncio.sleep(2 * SETTLE_AFTER)

    def _drop(self, connection: Connection, digests: Iterable[str]) -> set[str]:
        """Removes blobs inside a write, so that no reference can be added. Returns those that are still there."""
        unneeded = {digest for digest in digests if not self._is_needed(connection, digest)}
        for digest in unneeded:
            self._blobs.remove(digest)
        return {digest for digest in unneeded if self._blobs.has(digest)}

    def _is_needed(self, connection: Connection, digest: str) -> bool:
        """Whether a row refers to the blob, or did before this write: until the commit, a crash restores the row."""
        if self._refers(connection, digest):
            return True
        return self._catalog.read_now(self._refers, digest)
