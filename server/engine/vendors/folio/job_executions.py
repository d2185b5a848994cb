"""Job executions: the imports of files and of posted records, as the clients of FOLIO follow them.

NEW ──▶ FILE_UPLOADED ──▶ PARSING_IN_PROGRESS ──▶ COMMITTED     every record was stored
  └───────────┴──▶ DISCARDED      └─▶ CANCELLED └▶ ERROR        one failed, or the file as a whole

The work is done by ordinary batches and jobs, the rounds of an execution. A file is one round. Posted chunks join the
round that still waits for a worker, or begin a new one. Status and counts are read from the rounds' jobs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.batches.scheduling import NewBatchFile, Scheduling, add_file
from server.engine.clock import Clock
from server.engine.errors import JobExecutionRefused
from server.engine.uploads.small_blobs import store_small_blobs
from server.engine.vendors.folio.job_rounds import API, get_or_raise, new_execution, new_round
from server.engine.vendors.folio.source_records import control_file
from server.readers.formats import SOURCE_CHUNK
from server.readers.library.source_records import LARGEST_CHUNK as LARGEST_CHUNK
from storage.catalog.folio import executions as sql
from storage.catalog.folio.execution_rows import (
    CANCELLED,
    DISCARDED,
    FINAL,
    NEW,
    PARENT,
    RUNNING,
    Chunk,
    Subordination,
)
from storage.catalog.folio.execution_rows import Execution as Execution
from storage.catalog.sql import batches
from storage.opening import Storage


@dataclass(frozen=True, slots=True)
class Posted:
    """A chunk of records. `content` is the document as it was sent; `last` is true where no more records will come."""

    id: str
    content: bytes
    records: int
    last: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The properties of an execution that a client may change; None keeps the present value."""

    file_name: str | None = None
    user: str | None = None
    status: str | None = None
    error_status: str | None = None


class JobExecutions:
    """Executions that clients create and feed with posted records."""

    def __init__(self, storage: Storage, scheduling: Scheduling, clock: Clock) -> None:
        self._storage = storage
        self._catalog = storage.catalog
        self._scheduling = scheduling
        self._clock = clock

    async def create(
        self,
        caller: Caller,
        *,
        source_type: str,
        names: Sequence[str] = (),
        parent: str | None = None,
        profile: Mapping[str, object] | None = None,
    ) -> Sequence[Execution]:
        """Creates the executions and returns them, a parent of several files first."""
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
            made = new_execution(
                caller,
                self._clock(),
                id,
                under or id,
                subordination,
                status=status,
                file_name=name,
                source_type=source_type,
                profile=profile,
            )
            sql.add(connection, made)
            return get_or_raise(connection, caller.tenant, id)

        if parent is not None:
            get_or_raise(connection, caller.tenant, parent)
            return [new("CHILD", parent, name) for name in (names or (None,))]
        if len(names) < 2:
            return [new("PARENT_SINGLE", None, names[0] if names else None)]
        several = new("PARENT_MULTIPLE", None, None, PARENT)
        return [several, *(new("CHILD", several.id, name) for name in names)]

    async def add_records(self, tenant: str, id: str, posted: Posted) -> None:
        """Accepts a chunk; it is durable when the call returns. Chunks are imported once each, in order of arrival.

        Raises JobExecutionRefused for the id of an earlier chunk.
        """
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
        execution = get_or_raise(connection, tenant, id)
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
            return new_round(
                connection, self._scheduling, now, execution.tenant, execution.id, control, comment, file, lane
            )
        add_file(connection, batch, file, now, "scheduled")
        return batch

    async def update(self, tenant: str, id: str, change: Update) -> Execution:
        return await self._catalog.write(self._update, tenant, id, change)

    def _update(self, connection: Connection, tenant: str, id: str, change: Update) -> Execution:
        execution = get_or_raise(connection, tenant, id)
        if change.status is not None and change.status != execution.status:
            if PARENT in (change.status, execution.status):
                raise JobExecutionRefused(f"The status of JobExecution {id} may not change from or to {PARENT}")
            self._set_status(connection, execution, change.status, change.error_status)
        named = {"file_name": change.file_name, "user": change.user}
        values = {key: value for key, value in named.items() if value is not None}
        if values:
            sql.change(connection, id, values)
        return get_or_raise(connection, tenant, id)

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
        """Sets the profile of an execution that has none; raises JobExecutionRefused for any other."""

        def change(connection: Connection) -> Execution:
            execution = get_or_raise(connection, tenant, id)
            if execution.profile is not None:
                known = execution.profile.get("id")
                raise JobExecutionRefused(f"JobExecution already associated to JobProfile with id '{known}'")
            sql.change(connection, id, {"profile": dict(profile)})
            return get_or_raise(connection, tenant, id)

        return await self._catalog.write(change)

    async def cancel(self, tenant: str, id: str) -> None:
        """Cancels an execution that has not ended. Rows that were stored stay."""

        def change(connection: Connection) -> None:
            execution = get_or_raise(connection, tenant, id)
            if execution.status not in (*FINAL, PARENT):
                self._set_status(connection, execution, CANCELLED, None)

        await self._catalog.write(change)

    async def delete(self, tenant: str, ids: Sequence[str]) -> set[str]:
        """Hides the executions and returns the ids that existed. Rows that were stored stay."""
        return await self._catalog.write(sql.delete, tenant, ids, self._clock())
