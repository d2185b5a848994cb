"""Writes a run to the catalog: its log, the outcomes of its records, its progress and its end.

The end of a job and the state of its batch are written together, where the work was committed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection

from server.engine.batches.lifecycle import Lifecycle
from server.engine.clock import Clock
from server.engine.execution.tally import RunTally
from storage.catalog.base import Batch, BatchFile, Catalog
from storage.catalog.sql import batches, journal, proposals
from storage.errors import Superseded
from storage.queues.base import Counts, FinalState, Job

_PROGRESS_SECONDS = 0.5  # between two updates of the progress of a run without messages


class JobJournal:
    """The catalog as one job's worker uses it; each write raises Superseded once another worker owns the job."""

    def __init__(self, catalog: Catalog, lifecycle: Lifecycle, job: Job, owner: str, clock: Clock) -> None:
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._queue = lifecycle.queue
        self._job = job
        self._owner = owner
        self._clock = clock
        self._last_write: datetime | None = None

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
        """Returns the identifier by which clients know the batch."""
        batch = self.batch()
        return None if batch is None else batch.identifier

    def is_cancelled(self) -> bool:
        job = self._catalog.read_now(self._queue.get, self._job.id)
        return job is None or job.cancel_requested

    def stored_tally(self) -> RunTally:
        """Returns the tally as the catalog has it, for a run that ends before it can read its checkpoint."""
        job, position = self._catalog.read_now(
            lambda c: (self._queue.get(c, self._job.id), journal.next_position(c, self._job.id))
        )
        counted = job or self._job
        tally = RunTally(errors=counted.errors, position=position, fraction=counted.fraction, clock=self._clock)
        tally.counts.update(asdict(counted.counts))
        return tally

    def start(self, tally: RunTally) -> None:
        """Writes the first lines of a run from the beginning, over those of a run that committed nothing."""
        now = self._clock()

        def begin_anew(connection: Connection) -> None:
            journal.forget_from(connection, self._job.id, 0, 0)
            self._put(connection, tally)

        self._catalog.write_now(begin_anew)
        self._last_write = now

    def write(self, tally: RunTally) -> None:
        """Writes what is pending in the tally, and the progress, unless that was written a moment ago."""
        now = self._clock()
        is_fresh = self._last_write is not None and (now - self._last_write).total_seconds() < _PROGRESS_SECONDS
        if is_fresh and not tally.lines and not tally.outcomes:
            return
        self._catalog.write_now(self._put, tally)
        self._last_write = now

    def forget_after(self, record: int, position: int) -> None:
        """Deletes lines and outcomes of a chunk that did not commit; the run does that chunk again."""
        self._write_own(lambda connection: journal.forget_from(connection, self._job.id, record, position))

    def store_samples(self, found: Mapping[str, object]) -> None:
        """Stores the samples of a dry run with its batch, for the person who reviews the import."""
        batch = self._job.batch
        if batch is not None:
            self._write_own(lambda connection: proposals.store_samples(connection, batch, found))

    def end(self, tally: RunTally, state: FinalState, error: str | None = None) -> None:
        now = self._clock()
        if state == "done":
            tally.fraction = 1.0

        def finish(connection: Connection) -> None:
            self._put(connection, tally)
            self._queue.finish(
                connection,
                self._job.id,
                self._owner,
                state,
                now,
                counts=Counts(**tally.counts),
                errors=tally.errors,
                error=error,
            )
            self._lifecycle.end(connection, self._job, state, now, errors=tally.errors)

        self._catalog.write_now(finish)

    def _put(self, connection: Connection, tally: RunTally) -> None:
        journal.append_log(connection, self._job.id, tally.lines)
        journal.put_outcomes(connection, self._job.id, tally.outcomes)
        counts = Counts(**tally.counts)
        if not self._queue.progress(connection, self._job.id, self._owner, counts, tally.errors, tally.fraction):
            raise Superseded(self._job.id)

    def _write_own(self, operation: Callable[[Connection], None]) -> None:
        def write(connection: Connection) -> None:
            job = self._queue.get(connection, self._job.id)
            if job is None or (job.state, job.owner) != ("running", self._owner):
                raise Superseded(self._job.id)
            operation(connection)

        self._catalog.write_now(write)
