"""Job executions: the imports of files and of posted records, as the clients of FOLIO follow them.

NEW ──▶ FILE_UPLOADED ──▶ PARSING_IN_PROGRESS ──▶ COMMITTED     every record was stored
  └───────────┴──▶ DISCARDED      └─▶ CANCELLED └▶ ERROR        one failed, or the file as a whole

The work is done by ordinary batches and jobs, the rounds of an execution. A file is one round. Posted chunks join the
round that still waits for a worker, or begin a new one. Status and counts are read from the rounds' jobs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.batches.scheduling import NewBatchFile, Plan, Scheduling, add_file, new_batch
from server.engine.clock import Clock
from server.engine.errors import JobExecutionNotFound, JobExecutionRefused
from server.engine.uploads.small_blobs import store_small_blobs
from server.engine.vendors.folio.source_records import TABLE, control_file, reader_for
from server.readers.formats import SOURCE_CHUNK
from server.readers.library.source_records import LARGEST_CHUNK as LARGEST_CHUNK
from storage.catalog.folio import executions as sql
from storage.catalog.folio.execution_rows import (
    CANCELLED,
    DISCARDED,
    ERROR,
    FILE_FAULT,
    FILE_UPLOADED,
    FINAL,
    NEW,
    PARENT,
    RUNNING,
    Chunk,
    NewExecution,
    Subordination,
)
from storage.catalog.folio.execution_rows import Execution as Execution
from storage.catalog.folio.execution_rows import Filters as Filters
from storage.catalog.folio.executions import SORTS as SORTS
from storage.catalog.folio.rows import FileDefinition, UploadDefinition
from storage.catalog.sql import batches
from storage.opening import Storage
from storage.records.base import Row as Row
from storage.records.base import Scalar

T = TypeVar("T")

AT_ONCE = 50  # files whose imports begin in one transaction
API = "folio"


@dataclass(frozen=True, slots=True)
class JobProfile:
    """What is to be done with files."""

    id: str = "e34d7b92-9b83-11eb-a8b3-0242ac130003"
    name: str = "Default - Create instance and SRS MARC Bib"
    data_type: str = "MARC"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """A chunk of records: `content` is the document as it was sent, `last` that no more will come."""

    id: str
    content: bytes
    records: int
    last: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What a client may change of an execution; None leaves it as it is."""

    file_name: str | None = None
    user: str | None = None
    status: str | None = None
    error_status: str | None = None


class JobExecutions:
    def __init__(self, storage: Storage, scheduling: Scheduling, clock: Clock) -> None:
        self._storage = storage
        self._catalog = storage.catalog
        self._scheduling = scheduling
        self._clock = clock

    # what becomes of the files of upload definitions

    def announce(self, connection: Connection, caller: Caller, parent: str, files: Sequence[FileDefinition]) -> None:
        alone = len(files) == 1 and files[0].job == parent
        if not alone and not sql.exists(connection, parent):
            sql.add(connection, self._new(caller, parent, parent, "PARENT_MULTIPLE", status=PARENT))
        for file in files:
            if file.job is not None:
                kind: Subordination = "PARENT_SINGLE" if alone else "CHILD"
                sql.add(connection, self._new(caller, file.job, parent, kind, file_name=file.name))

    def loaded(self, connection: Connection, file: FileDefinition) -> None:
        self._mark(connection, [file], FILE_UPLOADED)

    def discard(self, connection: Connection, files: Sequence[FileDefinition]) -> None:
        self._mark(connection, files, DISCARDED)

    async def process(
        self, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition], profile: JobProfile
    ) -> None:
        """A file in a format without a reader ends in ERROR at once. Others write between a few files and the next."""
        for first in range(0, len(files), AT_ONCE):
            await self._process(caller, definition, files[first : first + AT_ONCE], profile)

    async def _process(
        self, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition], profile: JobProfile
    ) -> None:
        reads = {file.id: reader_for(profile.data_type, file.name) for file in files}
        readable = [file for file in files if reads[file.id]]
        contents = [control_file(file.job or "", caller.tenant, reads[file.id] or "") for file in readable]

        def begin(connection: Connection, controls: Sequence[str]) -> None:
            self._know(connection, caller, definition, files)
            for file, control in zip(readable, controls, strict=True):
                self._begin(connection, caller.tenant, file, control, profile)
            for file in files:
                if not reads[file.id]:
                    self._refuse_format(connection, file, profile)

        await store_small_blobs(self._storage.blobs, self._catalog, contents, begin)

    def _know(
        self, connection: Connection, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition]
    ) -> None:
        """Adds job executions for files that were announced without one."""
        unknown = [file for file in files if file.job is not None and not sql.exists(connection, file.job)]
        if unknown and definition.meta_job is not None:
            self.announce(connection, caller, definition.meta_job, unknown)

    def _begin(
        self, connection: Connection, tenant: str, file: FileDefinition, control: str, profile: JobProfile
    ) -> None:
        if file.job is None or file.digest is None or sql.has_rounds(connection, file.job):
            return
        now = self._clock()
        content = NewBatchFile("file", file.name, file.digest, file.size or 0)
        self._new_round(connection, tenant, file.job, control, file.name, content)
        begun = {"status": RUNNING, "started": now, "whole": True, "profile": _profile(profile)}
        sql.change(connection, file.job, begun)

    def _refuse_format(self, connection: Connection, file: FileDefinition, profile: JobProfile) -> None:
        now = self._clock()
        failed = {"status": ERROR, "error_status": FILE_FAULT, "started": now, "completed": now, "whole": True}
        sql.change(connection, file.job or "", {**failed, "profile": _profile(profile)})

    def _mark(self, connection: Connection, files: Sequence[FileDefinition], status: str) -> None:
        sql.mark(connection, [file.job for file in files if file.job is not None], status, self._clock())

    def _new(
        self,
        caller: Caller,
        id: str,
        parent: str,
        subordination: Subordination,
        *,
        status: str = NEW,
        file_name: str | None = None,
        source_type: str = "FILES",
        profile: Mapping[str, object] | None = None,
    ) -> NewExecution:
        return NewExecution(
            id=id,
            tenant=caller.tenant,
            parent=parent,
            subordination=subordination,
            created=self._clock(),
            source_type=source_type,
            status=status,
            file_name=file_name,
            user=caller.user,
            profile=profile,
        )

    def _new_round(
        self,
        connection: Connection,
        tenant: str,
        execution: str,
        control: str,
        comment: str,
        file: NewBatchFile,
        lane: str | None = None,
    ) -> int:
        properties = {"jobExecutionId": execution}
        new = new_batch(API, comment, self._clock(), control=control, tenant=tenant, properties=properties)
        batch = self._scheduling.schedule_new(connection, new, [file], Plan(lane=lane))
        sql.add_round(connection, execution, batch.id)
        return batch.id

    # executions that clients make and feed themselves

    async def create(
        self,
        caller: Caller,
        *,
        source_type: str,
        names: Sequence[str] = (),
        parent: str | None = None,
        profile: Mapping[str, object] | None = None,
    ) -> Sequence[Execution]:
        """The parent first, where it is one of its own."""
        if source_type == "FILES" and not names:
            raise JobExecutionRefused("Received files must not be empty")
        return await self._catalog.write(self._create, caller, source_type, names, parent, profile)

    def _create(
        self,
        connection: Connection,
        caller: Caller,
        source_type: str,
        names: Sequence[str],
        parent: str | None,
        profile: Mapping[str, object] | None,
    ) -> Sequence[Execution]:
        def new(subordination: Subordination, under: str | None, name: str | None, status: str = NEW) -> Execution:
            id = str(uuid4())
            made = self._new(
                caller, id, under or id, subordination, status=status, file_name=name, source_type=source_type,
                profile=profile,
            )  # fmt: skip
            sql.add(connection, made)
            return _known(connection, caller.tenant, id)

        if parent is not None:
            _known(connection, caller.tenant, parent)
            return [new("CHILD", parent, name) for name in (names or (None,))]
        if len(names) < 2:
            return [new("PARENT_SINGLE", None, names[0] if names else None)]
        several = new("PARENT_MULTIPLE", None, None, PARENT)
        return [several, *(new("CHILD", several.id, name) for name in names)]

    async def add_records(self, tenant: str, id: str, posted: Posted) -> None:
        """Durable when it returns; imported once, in the order of the chunks. The id of a chunk may be used once."""
        contents = [control_file(id, tenant, SOURCE_CHUNK), *([posted.content] if posted.records else [])]
        await store_small_blobs(
            self._storage.blobs,
            self._catalog,
            contents,
            lambda connection, digests: self._add_records(connection, tenant, id, posted, digests),
        )

    def _add_records(
        self, connection: Connection, tenant: str, id: str, posted: Posted, digests: Sequence[str]
    ) -> None:
        execution = _known(connection, tenant, id)
        if execution.status in (PARENT, CANCELLED, DISCARDED):
            raise JobExecutionRefused(f"JobExecution {id} takes no records: its status is {execution.status}")
        if sql.has_chunk(connection, id, posted.id):
            raise JobExecutionRefused(
                f"Records with id '{posted.id}' were received before; each chunk needs its own id"
            )
        now = self._clock()
        batch = self._take_in(connection, execution, posted, digests, now) if posted.records else None
        sql.add_chunk(connection, Chunk(id, posted.id, batch, posted.records, now))
        values: dict[str, object] = {"status": RUNNING, "started": execution.started or now}
        values["whole"] = execution.whole or posted.last
        if posted.total is not None:
            values["expected"] = posted.total
        sql.change(connection, id, values)

    def _take_in(
        self, connection: Connection, execution: Execution, posted: Posted, digests: Sequence[str], now: datetime
    ) -> int:
        control, content = digests
        file = NewBatchFile(posted.id, None, content, len(posted.content))
        batch = sql.open_round(connection, execution.id)
        if batch is None:
            comment, lane = f"Records of job execution {execution.hr_id}", f"{API}:{execution.id}"
            return self._new_round(connection, execution.tenant, execution.id, control, comment, file, lane)
        add_file(connection, batch, file, now, "scheduled")
        return batch

    async def update(self, tenant: str, id: str, change: Update) -> Execution:
        return await self._catalog.write(self._update, tenant, id, change)

    def _update(self, connection: Connection, tenant: str, id: str, change: Update) -> Execution:
        execution = _known(connection, tenant, id)
        if change.status is not None and change.status != execution.status:
            if PARENT in (change.status, execution.status):
                raise JobExecutionRefused(f"The status of JobExecution {id} may not change from or to {PARENT}")
            self._set_status(connection, execution, change.status, change.error_status)
        named = {"file_name": change.file_name, "user": change.user}
        values = {key: value for key, value in named.items() if value is not None}
        if values:
            sql.change(connection, id, values)
        return _known(connection, tenant, id)

    def _set_status(self, connection: Connection, execution: Execution, status: str, fault: str | None) -> None:
        ended = self._clock() if status in FINAL else None
        sql.change(connection, execution.id, {"status": status, "error_status": fault, "completed": ended})
        if status == CANCELLED:
            self._cancel_jobs(connection, execution.id)

    def _cancel_jobs(self, connection: Connection, id: str) -> None:
        for each in sql.jobs_of(connection, id):
            job = self._storage.queue.cancel(connection, each, self._clock())
            if job is not None and job.state == "cancelled" and job.batch is not None:
                batches.move(connection, job.batch, ["scheduled"], "cancelled")

    async def set_profile(self, tenant: str, id: str, profile: Mapping[str, object]) -> Execution:
        """Once in the life of an execution."""

        def change(connection: Connection) -> Execution:
            execution = _known(connection, tenant, id)
            if execution.profile is not None:
                known = execution.profile.get("id")
                raise JobExecutionRefused(f"JobExecution already associated to JobProfile with id '{known}'")
            sql.change(connection, id, {"profile": dict(profile)})
            return _known(connection, tenant, id)

        return await self._catalog.write(change)

    async def cancel(self, tenant: str, id: str) -> None:
        """Ends it, its rows stay; one that has ended stays as it is."""

        def change(connection: Connection) -> None:
            execution = _known(connection, tenant, id)
            if execution.status not in (*FINAL, PARENT):
                self._set_status(connection, execution, CANCELLED, None)

        await self._catalog.write(change)

    async def delete(self, tenant: str, ids: Sequence[str]) -> set[str]:
        """Those that were there; they are not shown any more, their rows stay."""
        return await self._catalog.write(sql.delete, tenant, ids, self._clock())

    # what has come of them

    async def get(self, tenant: str, id: str) -> Execution:
        return await self._catalog.read(_known, tenant, id)

    async def children(self, tenant: str, id: str, offset: int, limit: int) -> tuple[Sequence[Execution], int]:
        def query(connection: Connection) -> tuple[Sequence[Execution], int]:
            _known(connection, tenant, id)
            return sql.children(connection, tenant, id, offset, limit)

        return await self._catalog.read(query)

    async def find(self, tenant: str, filters: Filters, offset: int, limit: int) -> tuple[Sequence[Execution], int]:
        return await self._catalog.read(sql.find, tenant, filters, offset, limit)

    async def profiles(self, tenant: str) -> Sequence[Mapping[str, object]]:
        return await self._catalog.read(sql.profiles, tenant)

    async def users(self, tenant: str) -> Sequence[str]:
        return await self._catalog.read(sql.users, tenant)

    async def records(
        self,
        tenant: str,
        id: str,
        *,
        only_failed: bool = False,
        order: str = "order",
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[Sequence[Row], int]:
        """One page of the rows of an execution, and how many there are in all."""
        where: dict[str, Scalar] = {"job": id, "tenant": tenant}
        filled = ("error",) if only_failed else ()

        def query() -> tuple[Sequence[Row], int]:
            store = self._storage.records
            page = store.select(
                TABLE, where, filled=filled, order=(order,), descending=descending, offset=offset, limit=limit
            )  # fmt: skip
            return page, store.matching(TABLE, where, filled=filled)

        return await asyncio.to_thread(query)

    async def record(self, tenant: str, row: int) -> Row | None:
        where: dict[str, Scalar] = {"tenant": tenant, "id": row}
        found = await asyncio.to_thread(lambda: self._storage.records.select(TABLE, where, limit=1))
        return found[0] if found else None


def _known(connection: Connection, tenant: str, id: str) -> Execution:
    execution = sql.get(connection, tenant, id)
    if execution is None:
        raise JobExecutionNotFound(id)
    return execution


def _profile(profile: JobProfile) -> dict[str, object]:
    return {"id": profile.id, "name": profile.name, "dataType": profile.data_type, "hidden": profile.hidden}
