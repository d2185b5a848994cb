"""Blobs that somebody has let go of."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from storage.blobs.base import BlobStore
from storage.catalog.base import Catalog

Refers = Callable[[Connection, str], bool]


class Leftovers:
    """Removes blobs that nothing refers to any more; to be told once the change that let them go is durable."""

    def __init__(self, catalog: Catalog, blobs: BlobStore, refers: Refers) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._refers = refers

    async def drop(self, digests: Iterable[str | None]) -> None:
        loose = {digest for digest in digests if digest is not None}
        if loose:
            await self._catalog.write(lambda connection: self._drop(connection, loose))

    def _drop(self, connection: Connection, digests: Iterable[str]) -> None:
        """In the writer's turn, so that nobody can begin to refer to one meanwhile."""
        for digest in digests:
            if not self._refers(connection, digest):
                self._blobs.remove(digest)
