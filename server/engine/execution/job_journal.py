"""A run's hand in the catalog: its log, what became of its records, how far it is, and its end.

The end of a job and the state of its batch are written together, where the work was committed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection

from server.engine.batches.lifecycle import Lifecycle
from server.engine.clock import Clock
from server.engine.execution.tally import Account
from storage.catalog.base import Batch, BatchFile, Catalog
from storage.catalog.sql import batches, journal, proposals
from storage.errors import Superseded
from storage.queues.base import Counts, FinalState, Job

_PROGRESS_EVERY = 0.5  # seconds between two notes of how far a run without messages is


class Ledger:
    """The catalog as one job's worker uses it; every write fails with Superseded once the job has another owner."""

    def __init__(self, catalog: Catalog, lifecycle: Lifecycle, job: Job, owner: str, clock: Clock) -> None:
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._queue = lifecycle.queue
        self._job = job
        self._owner = owner
        self._clock = clock
        self._noted: datetime | None = None

    def begin(self) -> None:
        now = self._clock()
        self._write_own(lambda connection: self._lifecycle.start(connection, self._job, now))

    def files(self) -> list[BatchFile]:
        batch = self._job.batch
        return [] if batch is None else self._catalog.read_now(batches.files_for_run, batch)

    def batch(self) -> Batch | None:
        batch = self._job.batch
        return None if batch is None else self._catalog.read_now(batches.get, batch)

    def batch_identifier(self) -> str | None:
        """What clients call the batch."""
        batch = self.batch()
        return None if batch is None else batch.identifier

    def is_cancelled(self) -> bool:
        job = self._catalog.read_now(self._queue.get, self._job.id)
        return job is None or job.cancel_requested

    def account(self) -> Account:
        """As far as the job is known to have come, for a run that ends before it could look at its checkpoint."""
        job, position = self._catalog.read_now(
            lambda c: (self._queue.get(c, self._job.id), journal.next_position(c, self._job.id))
        )
        counted = job or self._job
        account = Account(errors=counted.errors, position=position, fraction=counted.fraction, clock=self._clock)
        account.counts.update(asdict(counted.counts))
        return account

    def start(self, account: Account) -> None:
        """The first lines of a run from the beginning; an earlier one that committed nothing has said nothing."""
        now = self._clock()

        def begin_anew(connection: Connection) -> None:
            journal.forget_from(connection, self._job.id, 0, 0)
            self._put(connection, account)

        self._catalog.write_now(begin_anew)
        self._noted = now

    def keep(self, account: Account) -> None:
        """Writes what waits in the account; does nothing when nothing does and the last note is fresh."""
        now = self._clock()
        fresh = self._noted is not None and (now - self._noted).total_seconds() < _PROGRESS_EVERY
        if fresh and not account.lines and not account.outcomes:
            return
        self._catalog.write_now(self._put, account)
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
            self._put(connection, account)
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
            self._lifecycle.end(connection, self._job, state, now, errors=account.errors)

        self._catalog.write_now(finish)

    def _put(self, connection: Connection, account: Account) -> None:
        journal.append_log(connection, self._job.id, account.lines)
        journal.put_outcomes(connection, self._job.id, account.outcomes)
        counts = Counts(**account.counts)
        if not self._queue.progress(connection, self._job.id, self._owner, counts, account.errors, account.fraction):
            raise Superseded(self._job.id)

    def _write_own(self, operation: Callable[[Connection], None]) -> None:
        def write(connection: Connection) -> None:
            job = self._queue.get(connection, self._job.id)
            if job is None or (job.state, job.owner) != ("running", self._owner):
                raise Superseded(self._job.id)
            operation(connection)

        self._catalog.write_now(write)
