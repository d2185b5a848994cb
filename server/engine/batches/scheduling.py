"""How a batch reaches the queue: the batch, its files and its job are written in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from server.engine.access.secrets import new_identifier
from server.engine.clock import Clock
from storage.catalog.base import Batch, BatchFile, BatchState, Key, NewBatch
from storage.catalog.sql import batches
from storage.queues.base import Job, JobQueue, NewJob

Mode = Literal["import", "dry-run"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is to run: from `due` on (None: at once), after earlier jobs of its `lane`.

    `payload` is kept with the job; what it lists under "after" is done once the job has ended (see `Lifecycle.follow`).
    """

    mode: Mode = "import"
    lane: str | None = None
    due: datetime | None = None
    priority: int = 0
    attempts: int | None = None  # None: as often as [jobs] attempts says
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewBatchFile:
    """A file to be added to a batch. `name` is its role in the control file, `filename` what the client called it."""

    name: str
    filename: str | None
    digest: str
    size: int


def new_batch(
    api: str,
    comment: str,
    created: datetime,
    key: Key | None = None,
    *,
    state: BatchState = "uploading",
    process: str | None = None,
    control: str | None = None,
    tenant: str | None = None,
    properties: Mapping[str, object] | None = None,
) -> NewBatch:
    """Returns a batch under a new identifier, to be added to the catalog."""
    return NewBatch(
        identifier=new_identifier(),
        api=api,
        comment=comment,
        created=created,
        state=state,
        process=process,
        control=control,
        created_by=key.id if key and key.id else None,  # without keys everything is done by a key of id 0
        tenant=tenant,
        properties=properties or {},
    )


def add_file(
    connection: Connection, batch: int, file: NewBatchFile, created: datetime, state: BatchState
) -> BatchFile | None:
    """Adds a file to a batch, or returns None when the batch is not in this state."""
    return batches.add_file(
        connection,
        batch,
        name=file.name,
        filename=file.filename,
        digest=file.digest,
        size=file.size,
        created=created,
        state=state,
    )


class Scheduling:
    """Writes batches that run. Each call is a part of its caller's transaction: what it wrote stands once that commits.

    `attempts` is how often a job is tried unless its plan says otherwise.
    """

    def __init__(self, queue: JobQueue, clock: Clock, attempts: int) -> None:
        self._queue = queue
        self._clock = clock
        self._attempts = attempts

    def schedule_new(self, connection: Connection, new: NewBatch, files: Sequence[NewBatchFile], plan: Plan) -> Batch:
        """Adds a batch with its files and its job, and returns the batch as scheduled."""
        batch = batches.add(connection, new)
        for file in files:
            add_file(connection, batch.id, file, new.created, new.state)
        return replace(batch, state="scheduled", job=self.schedule(connection, batch, plan).id)

    def schedule(self, connection: Connection, batch: Batch, plan: Plan) -> Job:
        """Puts a job for the batch into the queue, and moves the batch to scheduled from the state it is in."""
        new = NewJob(
            kind=batch.api,
            mode=plan.mode,
            batch=batch.id,
            process=batch.process,
            control=batch.control,
            lane=plan.lane,
            due=plan.due,
            priority=plan.priority,
            max_attempts=self._attempts if plan.attempts is None else plan.attempts,
            payload=plan.payload,
        )
        job = self._queue.put(connection, new, self._clock())
        batches.move(connection, batch.id, [batch.state], "scheduled", job=job.id)
        return job
