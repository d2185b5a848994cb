"""Lists batches for pages, each with its latest job."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.blobs.base import BlobStore
from storage.catalog.base import Batch as Batch
from storage.catalog.base import BatchFile as BatchFile
from storage.catalog.base import BatchState as BatchState
from storage.catalog.base import Catalog, LogLine
from storage.catalog.base import Level as Level
from storage.catalog.sql import batch_search, journal
from storage.catalog.sql.batch_search import WINDOW as WINDOW
from storage.catalog.sql.batch_search import Searched as Searched
from storage.catalog.sql.batch_search import Wanted as Wanted
from storage.errors import BlobMissing
from storage.queues.base import FINAL as FINAL
from storage.queues.base import Job as Job
from storage.queues.base import JobQueue

LOG_WINDOW = 20_000


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of batches. `jobs` are by the number of their batch; the rest is as in `batch_search.Searched`."""

    batches: Sequence[Batch]
    jobs: Mapping[int, Job]
    further: int | None
    looked: int | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """`further` is the position behind which the next page begins; `looked` counts the lines searched, if not all."""

    lines: Sequence[LogLine]
    further: int | None
    looked: int | None


class BatchListing:
    def __init__(self, catalog: Catalog, queue: JobQueue, blobs: BlobStore) -> None:
        self._catalog = catalog
        self._queue = queue
        self._blobs = blobs

    async def batches(self, wanted: Wanted, *, before: int | None = None, limit: int = 50) -> BatchPage:
        def read(connection: Connection) -> BatchPage:
            found = batch_search.search(connection, wanted, before, limit)
            jobs = _jobs_of(connection, self._queue, found.batches)
            return BatchPage(found.batches, jobs, found.further, found.looked)

        return await self._catalog.read(read)

    async def jobs_of(self, batches: Collection[Batch]) -> Mapping[int, Job]:
        """The jobs of batches, by the number of the batch: a state alone does not say how an import went."""
        return await self._catalog.read(_jobs_of, self._queue, batches)

    async def matching(self, wanted: Wanted, *, before: int | None = None, limit: int = 50) -> Searched:
        """Returns the same page as `batches`, without the jobs."""
        return await self._catalog.read(batch_search.search, wanted, before, limit)

    async def control(self, batch: Batch) -> bytes | None:
        """Returns the control file of a batch; None where it has none, or its bytes are gone."""
        return None if batch.control is None else await asyncio.to_thread(self._read, batch.control)

    def _read(self, digest: str) -> bytes | None:
        try:
            with self._blobs.open(digest) as file:
                return file.read()
        except BlobMissing:
            return None

    async def apis(self) -> Sequence[str]:
        """Returns the APIs that have batches."""
        return await self._catalog.read(batch_search.apis)

    async def log(
        self, job: str, *, after: int = -1, limit: int = 200, text: str | None = None, level: Level | None = None
    ) -> LogPage:
        """Returns log lines behind position `after` that hold the text; it searches at most `LOG_WINDOW` lines."""

        def read(connection: Connection) -> LogPage:
            if text is None and level is None:
                lines = journal.log(connection, job, after=after, limit=limit + 1)
                return LogPage(lines[:limit], lines[limit - 1].position if len(lines) > limit else None, None)
            end = journal.window_end(connection, job, after, LOG_WINDOW)
            lines = journal.search_log(connection, job, after=after, to=end, text=text, level=level, limit=limit + 1)
            if len(lines) > limit:
                return LogPage(lines[:limit], lines[limit - 1].position, None)
            return LogPage(lines, end, None if end is None else LOG_WINDOW)

        return await self._catalog.read(read)


def _jobs_of(connection: Connection, queue: JobQueue, batches: Collection[Batch]) -> Mapping[int, Job]:
    found = {batch.id: queue.get(connection, batch.job) for batch in batches if batch.job}
    return {id: job for id, job in found.items() if job is not None}
