"""A run's hand in the catalog: its log, what became of its records, how far it is, and its end.

The end of a job and the state of its batch are written together, where the work was committed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from server.engine.account import Account
from server.engine.clock import Clock
from server.engine.transaction_states import execute_schedule
from storage.catalog.base import Batch, BatchFile, BatchState, Catalog, Level, LogLine
from storage.catalog.sql import batches, journal, proposals
from storage.errors import Superseded
from storage.queues import jobs as sql
from storage.queues.base import Counts, FinalState, Job, JobQueue, NewJob

ERRAND = "errand"  # the mode of jobs that the server does itself: mail, callbacks
IMPORTS = ("import", "dry-run")  # the modes of jobs that worker processes do
CANCELLED = "CANCELLED: the import was stopped on request; what it had committed stays"
_PROGRESS_EVERY = 0.5  # seconds between two notes of how far a run without messages is


class Ledger:
    """The catalog as one job's worker uses it; every write fails with Superseded once the job has another owner."""

    def __init__(self, catalog: Catalog, queue: JobQueue, job: Job, owner: str, clock: Clock) -> None:
        self._catalog = catalog
        self._queue = queue
        self._job = job
        self._owner = owner
        self._clock = clock
        self._noted: datetime | None = None

    def begin(self) -> None:
        now = self._clock()

        def begin(connection: Connection) -> None:
            _move_batch(connection, self._job, "running")
            execute_schedule(connection, self._job, now)

        self._write_own(begin)

    def files(self) -> list[BatchFile]:
        batch = self._job.batch
        return [] if batch is None else self._catalog.read_now(lambda c: batches.files_for_run(c, batch))

    def batch(self) -> Batch | None:
        batch = self._job.batch
        return None if batch is None else self._catalog.read_now(lambda c: batches.get(c, batch))

    def batch_identifier(self) -> str | None:
        """What clients call the batch."""
        batch = self.batch()
        return None if batch is None else batch.identifier

    def is_cancelled(self) -> bool:
        job = self._catalog.read_now(lambda connection: sql.get(connection, self._job.id))
        return job is None or job.cancel_requested

    def account(self) -> Account:
        """As far as the job is known to have come, for a run that ends before it could look at its checkpoint."""
        job, lines = self._catalog.read_now(lambda c: (sql.get(c, self._job.id), journal.log(c, self._job.id)))
        counted = job or self._job
        account = Account(
            errors=counted.errors, position=lines[-1].position + 1 if lines else 0, fraction=counted.fraction
        )
        account.counts.update(asdict(counted.counts))
        return account

    def start(self, account: Account) -> None:
        """The first lines of a run from the beginning; an earlier one that committed nothing has said nothing."""
        now = self._clock()

        def begin_anew(connection: Connection) -> None:
            journal.forget_from(connection, self._job.id, 0, 0)
            self._put(connection, account, now)

        self._catalog.write_now(begin_anew)
        self._noted = now

    def keep(self, account: Account) -> None:
        """Writes what waits in the account; does nothing when nothing does and the last note is fresh."""
        now = self._clock()
        fresh = self._noted is not None and (now - self._noted).total_seconds() < _PROGRESS_EVERY
        if fresh and not account.lines and not account.outcomes:
            return
        self._catalog.write_now(lambda connection: self._put(connection, account, now))
        self._noted = now

    def forget_after(self, record: int, position: int) -> None:
        """Drops what a chunk said that never committed; it will be done again."""
        self._write_own(lambda connection: journal.forget_from(connection, self._job.id, record, position))

    def show(self, found: Mapping[str, object]) -> None:
        """What a dry run saw, for the proposal that its batch is."""
        batch = self._job.batch
        if batch is not None:
            self._write_own(lambda connection: proposals.show(connection, batch, found))

    def end(self, account: Account, state: FinalState, error: str | None = None) -> None:
        now = self._clock()
        if state == "done":
            account.fraction = 1.0

        def finish(connection: Connection) -> None:
            self._put(connection, account, now)
            self._queue.finish(
                connection,
                self._job.id,
                self._owner,
                state,
                now,
                counts=Counts(**account.counts),
                errors=account.errors,
                error=error,
            )
            _move_batch(connection, self._job, batch_state(state, self._job.mode), errors=account.errors)
            follow(self._queue, connection, self._job, now)

        self._catalog.write_now(finish)

    def _put(self, connection: Connection, account: Account, now: datetime) -> None:
        lines = [LogLine(position, level, message, now) for position, level, message in account.lines]
        journal.append_log(connection, self._job.id, lines)
        journal.put_outcomes(connection, self._job.id, account.outcomes)
        counts = Counts(**account.counts)
        if not self._queue.progress(connection, self._job.id, self._owner, counts, account.errors, account.fraction):
            raise Superseded(self._job.id)

    def _write_own(self, operation: Callable[[Connection], None]) -> None:
        def write(connection: Connection) -> None:
            job = sql.get(connection, self._job.id)
            if job is None or (job.state, job.owner) != ("running", self._owner):
                raise Superseded(self._job.id)
            operation(connection)

        self._catalog.write_now(write)


def batch_state(state: FinalState, mode: str) -> BatchState:
    """What a batch becomes when its job has ended."""
    if state == "done":
        return "dry-run" if mode == "dry-run" else "complete"
    return "error" if state == "failed" else "cancelled"


def follow(queue: JobQueue, connection: Connection, job: Job, now: datetime) -> None:
    """Puts the errands that wait for this job's end, in the transaction that writes the end: each exactly once.

    `payload["after"]` lists them: {"kind", "payload", "attempts"}; an errand's payload gets the id of the ended job as
    `job`.
    """
    after: Any = job.payload.get("after", ())
    for errand in after:
        payload = {**errand.get("payload", {}), "job": job.id}
        new = NewJob(kind=errand["kind"], mode=ERRAND, batch=job.batch, payload=payload)
        queue.put(connection, replace(new, max_attempts=errand.get("attempts", new.max_attempts)), now)


def abandon(queue: JobQueue, connection: Connection, job: Job, now: datetime) -> None:
    """Writes the end of a job that was given up: log lines and the state of its batch."""
    execute_schedule(connection, job, now)
    _say_last(connection, job, "error", f"EXCEPTION: Error during import: {job.error}", now)
    _move_batch(connection, job, batch_state("failed", job.mode), errors=job.errors)
    follow(queue, connection, job, now)


def call_off(queue: JobQueue, connection: Connection, job: Job, now: datetime) -> None:
    """Writes the end of a job that was cancelled while nobody ran it; it may have begun before."""
    execute_schedule(connection, job, now)
    _say_last(connection, job, "warning", CANCELLED, now)
    _move_batch(connection, job, batch_state("cancelled", job.mode))
    follow(queue, connection, job, now)


def _say_last(connection: Connection, job: Job, level: Level, words: str, now: datetime) -> None:
    said = journal.log(connection, job.id)
    position = said[-1].position + 1 if said else 0
    lines = [LogLine(position, level, words, now), LogLine(position + 1, "info", f"END: {moment(now)}", now)]
    journal.append_log(connection, job.id, lines)


def moment(now: datetime) -> str:
    """A time as the vendor's log shows it (Haplo): JavaScript's text of a date, in UTC."""
    return f"{now:%a %b %d %Y %H:%M:%S} GMT+0000 (UTC)"


def _move_batch(connection: Connection, job: Job, to: BatchState, *, errors: int | None = None) -> None:
    if job.batch is not None:
        batches.move(connection, job.batch, ["scheduled", "running"], to, errors=errors)
