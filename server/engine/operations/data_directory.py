"""What a data directory holds, as far as it can be counted quickly."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from server.engine.clock import Clock
from server.engine.operations.single_flight import SingleFlight
from storage.backup import Progress, write_backup
from storage.catalog.preparing import revision
from storage.errors import BlobMissing
from storage.opening import Storage

_COUNT_VALID_FOR = timedelta(minutes=10)
_COUNT_SECONDS = 0.3  # seconds; a folder of millions takes longer to count


@dataclass(frozen=True, slots=True)
class BlobStats:
    number: int
    size: int  # bytes
    counted: datetime


class DataDirectory:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._counting = SingleFlight(self._count_blobs)
        self._blobs: BlobStats | None = None

    @property
    def data_dir(self) -> Path:
        return self._storage.data_dir

    def backup(self, file: Path, progress: Progress) -> int:
        """Writes everything into one file while others work, and returns its size. Blocks while it copies."""
        return write_backup(self._storage.data_dir, self._storage.blobs, file, progress)

    async def revision(self) -> str | None:
        """Returns the catalog's schema revision."""
        return await self._storage.catalog.read(revision)

    async def blobs(self) -> BlobStats | None:
        """Returns a count of the last ten minutes; None while the first count runs."""
        if self._blobs is None or abs(self._clock() - self._blobs.counted) > _COUNT_VALID_FOR:
            with suppress(TimeoutError):
                self._blobs = await self._counting.answer(_COUNT_SECONDS)
        return self._blobs

    async def _count_blobs(self) -> BlobStats:
        number, size = await asyncio.to_thread(self._walk)
        self._blobs = BlobStats(number, size, self._clock())
        return self._blobs

    def _walk(self) -> tuple[int, int]:
        number = size = 0
        for digest in self._storage.blobs.digests():
            with suppress(BlobMissing):  # one may be removed meanwhile
                size += self._storage.blobs.size(digest)
                number += 1
        return number, size
