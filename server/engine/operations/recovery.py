"""What a start does first: it removes what dead processes left, and reports rows that no known job wrote."""

import asyncio

import structlog

from server.engine.operations.fsck import UNKNOWN_JOB, is_known
from server.engine.uploads.uploads import Uploads
from storage.errors import StorageError
from storage.opening import Storage
from storage.queues.base import FINAL

log = structlog.get_logger("penstock.engine")


class Recovery:
    def __init__(self, storage: Storage, uploads: Uploads) -> None:
        self._storage = storage
        self._uploads = uploads

    async def run(self) -> int:
        """Returns how many bodies, left in flight by a dead process, were removed."""
        await asyncio.to_thread(self._storage.presence.sweep)
        await asyncio.to_thread(self._forget_ended)
        await asyncio.to_thread(self._report_strangers)
        return await self._uploads.sweep(self._storage.referenced)

    def _forget_ended(self) -> None:
        """Drops checkpoints of ended jobs: a process may die between the two. A checkpoint that stays does no harm."""
        ids = self._storage.records.begun()
        queue = self._storage.queue
        found = self._storage.catalog.read_now(lambda connection: [queue.get(connection, id) for id in ids])
        try:
            for job in found:
                if job is not None and job.state in FINAL:
                    self._storage.records.forget(job.id)
        except StorageError as error:
            log.warning("checkpoints of ended jobs were left in place", reason=str(error))

    def _report_strangers(self) -> None:
        """Looks only at the newest row of each table; `penstock fsck` looks at all."""
        for table in self._storage.records.tables():
            job = self._storage.records.last_writer(table)
            if job is not None and not is_known(self._storage, job):
                log.error("rows of an unknown job", table=table, job=job, reason=f"this job {UNKNOWN_JOB}")
