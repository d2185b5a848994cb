"""Blobs that somebody has let go of."""

import asyncio
from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from server.engine.uploads.uploads import SETTLE_AFTER
from storage.blobs.base import BlobStore
from storage.catalog.base import Catalog

_TRIES = 3

Refers = Callable[[Connection, str], bool]


class UnreferencedBlobs:
    """Removes blobs that nothing refers to any more; to be told once the change that let them go is durable."""

    def __init__(self, catalog: Catalog, blobs: BlobStore, refers: Refers) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._refers = refers

    async def drop(self, digests: Iterable[str | None]) -> None:
        """A blob that an upload has yet to settle is tried again once it will have."""
        loose = {digest for digest in digests if digest is not None}
        for _ in range(_TRIES):
            if loose:
                loose = await self._catalog.write(self._drop, loose)
            if loose:
                await asyncio.sleep(2 * SETTLE_AFTER)

    def _drop(self, connection: Connection, digests: Iterable[str]) -> set[str]:
        """In the writer's turn, so that nobody begins to refer to one meanwhile. Gives those that are still there."""
        unneeded = {digest for digest in digests if not self._is_needed(connection, digest)}
        for digest in unneeded:
            self._blobs.remove(digest)
        return {digest for digest in unneeded if self._blobs.has(digest)}

    def _is_needed(self, connection: Connection, digest: str) -> bool:
        """Also by what others have deleted in this turn: until the commit, a crash brings it back."""
        if self._refers(connection, digest):
            return True
        return self._catalog.read_now(self._refers, digest)
