"""Batches: control files, files and the states they go through. Every promise is one catalog transaction.

uploading ─┐                                  ┌─▶ complete
           ├─▶ scheduled ─▶ running ──────────┼─▶ dry-run
ready ─────┘        └─────────┴─▶ cancelled   └─▶ error
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import orjson
from sqlalchemy import Connection

from server.engine.batches.copying import copy_batch
from server.engine.batches.scheduling import Mode, NewBatchFile, Plan, Scheduling, add_file, new_batch
from server.engine.clock import Clock
from server.engine.definitions.definitions import Definitions
from server.engine.errors import BatchFileNotFound, BatchNotFound, BatchWrongState, ControlInvalid, ControlNotFound
from server.engine.json_shape import MOST_WRITTEN, has_more_values
from server.engine.uploads.small_blobs import store_small_blobs
from server.engine.uploads.uploads import Upload
from server.mapping.language.row_control import row_control
from server.readers.formats import JSON_LINES
from storage.blobs.base import BlobStore
from storage.catalog.base import Batch, BatchFile, BatchState, Catalog, Key, NewBatch
from storage.catalog.sql import batches as sql
from storage.catalog.sql import controls
from storage.errors import BlobMissing
from storage.queues.base import Job

T = TypeVar("T")


class Batches:
    def __init__(
        self, catalog: Catalog, blobs: BlobStore, definitions: Definitions, scheduling: Scheduling, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._definitions = definitions
        self._scheduling = scheduling
        self._clock = clock
        self._kept: set[str] = set()  # control files that batches refer to: their blobs need not be written again

    async def add_control(self, api: str, content: bytes, comment: str) -> str:
        """Stores a control file and gives its digest; raises ControlInvalid, and then nothing is stored."""
        document = await asyncio.to_thread(_control_document, content)
        messages = await asyncio.to_thread(self._definitions.validate_control, document)
        if messages:
            raise ControlInvalid(messages)
        now = self._clock()
        return await self.keep(
            content,
            lambda connection, digest: (
                controls.add(connection, api=api, digest=digest, comment=comment, created=now).digest
            ),
        )

    async def create(
        self,
        api: str,
        *,
        control: str | None = None,
        process: str | None = None,
        comment: str,
        state: BatchState = "uploading",
        key: Key | None = None,
        tenant: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Batch:
        """Creates a batch for a control file that this API has received, or for a process as it is now."""
        new = new_batch(
            api,
            comment,
            self._clock(),
            key,
            state=state,
            process=process,
            control=control,
            tenant=tenant,
            properties=properties,
        )
        if process is None:
            return await self._catalog.write(_add_with_control, new)
        definition = self._definitions.process(process)
        if definition.control_digest in self._kept:
            known = definition.control_digest
            return await self._catalog.write(sql.add, new, known)
        batch = await self.keep(definition.content, lambda connection, digest: sql.add(connection, _with(new, digest)))
        self._kept.add(definition.control_digest)
        return batch

    async def add_file(
        self, api: str, identifier: str, name: str, upload: Upload, *, filename: str | None = None
    ) -> BatchFile:
        """Adds a file while the batch is open for uploads. The upload is consumed, even if the call fails."""
        async with upload:
            batch = await self.get(api, identifier)
            if batch.state != "uploading":
                raise BatchWrongState(identifier, "uploading")
            await upload.publish()
            new = NewBatchFile(name, filename or upload.filename, upload.digest, upload.size)
            file = await self._catalog.write(add_file, batch.id, new, self._clock(), "uploading")
            if file is None:
                raise BatchWrongState(identifier, "uploading")
            await upload.settle()
            return file

    async def submit_rows(
        self,
        api: str,
        upload: Upload,
        *,
        process: str,
        comment: str,
        key: Key | None = None,
        properties: Mapping[str, object] | None = None,
        after: Sequence[Mapping[str, object]] = (),
    ) -> Batch:
        """Creates and schedules, in one transaction, a batch of one file of JSON Lines for a process.

        Unknown columns fail their row, `:Name` columns find one (see `row_control`). `after` is what follows the end of
        the job (see `Lifecycle.follow`). The upload is consumed, even if the call fails.
        """
        async with upload:
            definition = self._definitions.process(process)
            control = row_control(definition.control, self._definitions.models[definition.model], JSON_LINES)
            new = new_batch(api, comment, self._clock(), key, process=process, properties=properties)
            plan = Plan(lane=api, payload={"after": list(after)})
            content = orjson.dumps(control, option=orjson.OPT_SORT_KEYS)
            return await self.submit(new, [("rows", upload)], plan, content)

    async def submit_files(
        self,
        api: str,
        uploads: Sequence[tuple[str, Upload]],
        *,
        process: str,
        comment: str,
        mode: Mode = "import",
        content: bytes | None = None,
    ) -> Batch:
        """Creates and schedules, in one transaction, a batch of files by their names in the control file of a process.

        `content` is the control file, if not the process's own. The uploads are consumed, even if the call fails.
        """
        definition = self._definitions.process(process)
        new = new_batch(api, comment, self._clock(), process=definition.id)
        plan = Plan(mode=mode, lane=api)
        return await self.submit(new, uploads, plan, definition.content if content is None else content)

    async def submit(
        self,
        new: NewBatch,
        uploads: Sequence[tuple[str, Upload]],
        plan: Plan,
        content: bytes,
        also: Callable[[Connection, Batch], None] = lambda _connection, _batch: None,
    ) -> Batch:
        """Creates and schedules a batch with its files by role in one transaction, which runs `also` too.

        `content` is its control file. The uploads are consumed, even if the call fails.
        """
        async with AsyncExitStack() as stack:
            for _, upload in uploads:
                await stack.enter_async_context(upload)
            for _, upload in uploads:
                await upload.publish()

            def commit(connection: Connection, digest: str) -> Batch:
                files = [NewBatchFile(role, upload.filename, upload.digest, upload.size) for role, upload in uploads]
                batch = self._scheduling.schedule_new(connection, _with(new, digest), files, plan)
                also(connection, batch)
                return batch

            batch = await self.keep(content, commit)
            for _, upload in uploads:
                await upload.settle()
            return batch

    async def copy(self, identifier: str, key: Key) -> Batch:
        """Makes a batch with the same control file and files, ready to be run (see `copy_batch`)."""
        return await self._catalog.write(copy_batch, identifier, key, self._clock())

    async def of_job(self, job: Job) -> Batch:
        batch = await self._catalog.read(sql.get, job.batch or 0)
        if batch is None:
            raise BatchNotFound(f"of job {job.id}")
        return batch

    async def schedule(
        self, api: str, identifier: str, mode: Mode, *, wanted: BatchState = "uploading", plan: Plan | None = None
    ) -> Job:
        """Hands the batch to the queue; of two calls at once, one gets BatchWrongState."""
        # clients rely on the order of their batches (Haplo: jobs run one after the other in the background)
        plan = plan or Plan(mode=mode, lane=api)
        return await self._catalog.write(self._schedule, api, identifier, wanted, plan)

    def _schedule(self, connection: Connection, api: str, identifier: str, wanted: BatchState, plan: Plan) -> Job:
        batch = sql.with_identifier(connection, identifier, api)
        if batch is None:
            raise BatchNotFound(identifier)
        if batch.state != wanted:
            raise BatchWrongState(identifier, wanted)
        return self._scheduling.schedule(connection, batch, plan)

    async def get(self, api: str | None, identifier: str) -> Batch:
        batch = await self._catalog.read(sql.with_identifier, identifier, api)
        if batch is None:
            raise BatchNotFound(identifier)
        return batch

    async def list(
        self,
        *,
        api: str | None = None,
        process: str | None = None,
        states: Collection[BatchState] = (),
        text: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Batch]:
        """Returns a page of batches, newest first."""
        return await self._catalog.read(
            sql.find, api=api, process=process, states=states, text=text, before=before, limit=limit
        )

    async def identifiers(self, ids: Collection[int]) -> Mapping[int, str]:
        """Returns the identifiers by which clients know the batches of these numbers."""
        return await self._catalog.read(sql.identifiers, ids)

    async def files(self, batch: Batch) -> Sequence[BatchFile]:
        return await self._catalog.read(sql.files, batch.id)

    async def stored(self, identifier: str, file: int) -> tuple[BatchFile, Path]:
        """Returns a file of a batch, and the path of its bytes."""
        batch = await self.get(None, identifier)
        found = await self._catalog.read(sql.get_file, file)
        if found is None or found.batch != batch.id:
            raise BatchFileNotFound(str(file))
        try:
            return found, await asyncio.to_thread(self._blobs.path, found.digest)
        except BlobMissing:
            raise BatchFileNotFound(f"{file}: its bytes are gone, `penstock fsck` says more") from None

    async def keep(self, content: bytes, commit: Callable[[Connection, str], T]) -> T:
        """Stores small content as a blob, and commits the rows that refer to it."""
        return await store_small_blobs(
            self._blobs, self._catalog, [content], lambda connection, digests: commit(connection, digests[0])
        )


def _control_document(content: bytes) -> object:
    if has_more_values(content, MOST_WRITTEN):
        raise ControlInvalid([f"A control file can have {MOST_WRITTEN:,} values at most"])
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise ControlInvalid([], not_json=True) from None


def _add_with_control(connection: Connection, new: NewBatch) -> Batch:
    if new.control is None or controls.with_digest(connection, new.api, new.control) is None:
        raise ControlNotFound(new.control or "")
    return sql.add(connection, new)


def _with(new: NewBatch, control: str) -> NewBatch:
    return replace(new, control=control)
