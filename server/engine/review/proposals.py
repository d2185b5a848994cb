"""Imports that people propose on the site: a dry run first, then their decision.

The dry run and the import are two batches with the same control file and the same files. Each names the other.

dry run ─┬─▶ confirmed: the import's batch
         ├─▶ repeated: the batch of another dry run
         └─▶ abandoned: its files are deleted
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection

from server.engine.batches.batches import Batches
from server.engine.batches.copying import COPIED_FROM, link_copy
from server.engine.batches.jobs import Jobs
from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.batches.scheduling import Mode, Plan, Scheduling, new_batch
from server.engine.clock import Clock
from server.engine.definitions.control_files import ControlFiles
from server.engine.definitions.definitions import Definitions, control_read_as
from server.engine.errors import BatchNotFound, ControlNotFound, RequestInvalid
from server.engine.follow_ups.background_tasks import TaskFailed
from server.engine.uploads.unreferenced import UnreferencedBlobs
from server.engine.uploads.uploads import Upload
from storage.catalog.base import Batch, BatchFile, Catalog, Key
from storage.catalog.sql import batches as sql
from storage.catalog.sql import proposals
from storage.catalog.sql.proposals import Decision, ProposalRow
from storage.queues.base import FINAL, Job, JobQueue, NewJob

API = "admin"
DELETE_FILES = "let-go"  # the task that deletes the files of an abandoned proposal, by its name in older queues
SHOWN = 5  # records of each kind
_TRIES = 20

_SAID: dict[Decision, str] = {
    "confirmed": "this import was confirmed already",
    "abandoned": "this import was abandoned",
    "repeated": "this import was checked again; decide about the later check",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """The batch of a dry run, with its job, its decision and its files."""

    batch: Batch
    job: Job
    row: ProposalRow
    files: Sequence[BatchFile]

    @property
    def is_checked(self) -> bool:
        return self.job.state in FINAL

    @property
    def changes(self) -> int:
        """The number of records that would change the tables."""
        counts = self.job.counts
        return counts.created + counts.updated + counts.deleted

    @property
    def can_be_confirmed(self) -> bool:
        return self.row.decision is None and self.job.state == "done" and self.changes > 0


class Proposals:
    """Schedules dry runs and carries out what people decide about them."""

    def __init__(
        self,
        catalog: Catalog,
        queue: JobQueue,
        scheduling: Scheduling,
        batches: Batches,
        jobs: Jobs,
        definitions: Definitions,
        control_files: ControlFiles,
        unreferenced: UnreferencedBlobs,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._queue = queue
        self._scheduling = scheduling
        self._batches = batches
        self._jobs = jobs
        self._definitions = definitions
        self._control_files = control_files
        self._unreferenced = unreferenced
        self._clock = clock

    async def control(self, process: str | None, digest: str | None) -> bytes:
        """Returns the control file of a process as it is now, or one that was sent before."""
        if process is not None:
            return self._definitions.process(process).content
        content = None if digest is None else (await self._control_files.get(digest, limit=1)).content
        if content is None:
            raise ControlNotFound(digest or "")
        return content

    async def propose(
        self, uploads: Sequence[tuple[str, Upload]], content: bytes, *, process: str | None, comment: str, key: Key
    ) -> Batch:
        """Schedules a dry run of files by role, in one transaction. The uploads cannot be used again."""
        new = new_batch(API, comment, self._clock(), key, process=process)
        return await self._batches.submit(
            new, uploads, _plan("dry-run"), content, lambda connection, batch: proposals.add(connection, batch.id)
        )

    async def get(self, identifier: str) -> Proposal:
        """Returns a proposal; raises BatchNotFound for a batch that is not one."""
        return await self._catalog.read(_get, self._queue, identifier)

    async def confirm(self, identifier: str, key: Key) -> Batch:
        """Schedules the import and returns its batch; raises RequestInvalid if there is nothing to confirm."""

        def commit(connection: Connection) -> Batch:
            proposal = _undecided(connection, self._queue, identifier)
            if proposal.job.state != "done":
                raise RequestInvalid("this import was not checked to its end: only what was checked can be confirmed")
            if not proposal.changes:
                raise RequestInvalid("no record of this import would change anything, so there is nothing to confirm")
            return self._follow(connection, proposal, key, "import", "confirmed")

        return await self._catalog.write(commit)

    async def recheck(self, identifier: str, key: Key, otherwise: Mapping[str, str] | None = None) -> Batch:
        """Schedules another dry run of the same files, with the models as they are now.

        `otherwise` has options to read the files with; empty ones stay as they were.
        """
        content = await self._read_otherwise(identifier, otherwise or {})

        def commit(connection: Connection, control: str | None = None) -> Batch:
            proposal = _undecided(connection, self._queue, identifier)
            if not proposal.is_checked:
                raise RequestInvalid("this import is still being checked")
            batch = self._follow(connection, proposal, key, "dry-run", "repeated", control)
            proposals.add(connection, batch.id)
            return batch

        return await (self._catalog.write(commit) if content is None else self._batches.keep(content, commit))

    async def _read_otherwise(self, identifier: str, texts: Mapping[str, str]) -> bytes | None:
        """Returns the control file with other options, None if none is chosen. Raises RequestInvalid."""
        batch = (await self.get(identifier)).batch
        content = await self._control_files.content(batch.control or "") if any(texts.values()) else None
        return content and control_read_as(orjson.loads(content), texts, self._definitions.models)

    async def abandon(self, identifier: str) -> None:
        """Gives the import up: stops the dry run, and queues the task that deletes the files."""

        def commit(connection: Connection) -> Proposal:
            proposal = _undecided(connection, self._queue, identifier)
            now = self._clock()
            proposals.decide(connection, proposal.batch.id, "abandoned", now)
            sql.move(connection, proposal.batch.id, ["dry-run"], "cancelled")
            task = NewJob(kind=DELETE_FILES, mode=BACKGROUND_TASK, batch=proposal.batch.id, max_attempts=_TRIES)
            self._queue.put(connection, replace(task, payload={"job": proposal.job.id}), now)
            return proposal

        proposal = await self._catalog.write(commit)
        if not proposal.is_checked:
            await self._jobs.cancel(proposal.job.id)

    async def delete_files(self, task: Job) -> None:
        """Runs the task after `abandon`: deletes the files once the dry run no longer reads them."""
        batch = task.batch or 0

        def commit(connection: Connection) -> Sequence[object]:
            job = self._queue.get(connection, str(task.payload.get("job")))
            if job is not None and job.state not in FINAL:
                raise TaskFailed("the dry run that reads the files has not stopped yet")
            sql.move(connection, batch, ["dry-run"], "cancelled")
            files = sql.files(connection, batch)
            if files:
                proposals.drop_files(connection, batch, files)
            row = proposals.get(connection, batch)
            return [file.get("digest") for file in row.dropped or ()] if row else []

        digests = await self._catalog.write(commit)
        await self._unreferenced.drop({str(digest) for digest in digests})

    def _follow(
        self,
        connection: Connection,
        proposal: Proposal,
        key: Key,
        mode: Mode,
        decision: Decision,
        control: str | None = None,
    ) -> Batch:
        """Adds the batch that does what was decided, with the same files and, unless another is given, control file."""
        first, now = proposal.batch, self._clock()
        new = new_batch(
            API,
            first.comment,
            now,
            key,
            process=first.process,
            control=control or first.control,
            properties={COPIED_FROM: first.identifier},
        )
        batch = sql.add(connection, new)
        link_copy(connection, first, batch)
        self._scheduling.schedule(connection, batch, _plan(mode))
        proposals.decide(connection, first.id, decision, now, batch.identifier)
        return batch


def _get(connection: Connection, queue: JobQueue, identifier: str) -> Proposal:
    batch = sql.with_identifier(connection, identifier, API)
    row = None if batch is None else proposals.get(connection, batch.id)
    job = None if batch is None or batch.job is None else queue.get(connection, batch.job)
    if batch is None or row is None or job is None:
        raise BatchNotFound(identifier)
    return Proposal(batch, job, row, sql.files(connection, batch.id))


def _undecided(connection: Connection, queue: JobQueue, identifier: str) -> Proposal:
    proposal = _get(connection, queue, identifier)
    if proposal.row.decision is not None:
        raise RequestInvalid(_SAID[proposal.row.decision])
    return proposal


def _plan(mode: Mode) -> Plan:
    """Imports run in the order in which they were confirmed; dry runs wait for no other job."""
    return Plan(mode=mode, lane=API) if mode == "import" else Plan(mode=mode, payload={"samples": SHOWN})
