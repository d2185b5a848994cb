"""Runs a job in a worker process: prepares it, runs it, and writes how it ended."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import structlog

from server.engine.batches.lifecycle import STOPPED, Lifecycle
from server.engine.clock import Clock, utc_now
from server.engine.definitions.table_width import check_room
from server.engine.execution.job_journal import JobJournal
from server.engine.execution.preparation import JobContext, Prepare, Prepared
from server.engine.execution.run import Cancelled, Interrupted, Run
from server.engine.execution.samples import Samples
from server.engine.execution.tally import RunTally
from server.engine.execution.worker import JobOrder, JobSignals, WorkerResult
from server.mapping.model.scope import RunFault
from storage.catalog.base import BatchFile
from storage.errors import (
    BlobDamaged,
    BlobMissing,
    StatementRefused,
    StorageBusy,
    StorageError,
    StorageFull,
    Superseded,
)
from storage.opening import Storage
from storage.queues.base import FinalState, Job
from storage.records.base import Checkpoint, Session

_CANCEL_CHECK_SECONDS = 0.2
_HEARTBEAT_SECONDS = 1.0

log = structlog.get_logger("penstock.import")


class LazyJobRunner:
    """Opens the storage for the first order that can have it. A lock or a full disk counts against no job."""

    def __init__(self, opened: Callable[[], "JobRunner"]) -> None:
        self._open = opened
        self._runner: JobRunner | None = None

    def try_early(self) -> None:
        """Opens the storage ahead of the first order, if it can be opened."""
        with suppress(StorageError, OSError):
            self._runner = self._open()

    def __call__(self, order: JobOrder, signals: JobSignals) -> WorkerResult:
        try:
            self._runner = self._runner or self._open()
        except (StorageError, OSError) as error:
            return WorkerResult("later", str(error))
        return self._runner(order, signals)


class JobRunner:
    """Runs one order after another on one storage. It never raises, since that would end the worker process."""

    def __init__(
        self, storage: Storage, lifecycle: Lifecycle, preparers: Mapping[str | None, Prepare], clock: Clock = utc_now
    ) -> None:
        self._storage = storage
        self._lifecycle = lifecycle
        self._preparers = preparers
        self._clock = clock

    def __call__(self, order: JobOrder, signals: JobSignals) -> WorkerResult:
        try:
            return self._run_order(order, signals)
        except Exception as error:  # not the job's fault: the catalog cannot be read or written
            known = self._storage.translated(error)
            if not isinstance(known, StorageError):
                log.exception("the end of an import could not be written", job=order.job)
            return _put_off(known)

    def _run_order(self, order: JobOrder, signals: JobSignals) -> WorkerResult:
        job = self._storage.catalog.read_now(self._storage.queue.get, order.job)
        if job is None or job.state != "running" or job.owner != order.owner:
            return WorkerResult("done")
        journal = JobJournal(self._storage.catalog, self._lifecycle, job, order.owner, self._clock)
        prepare = self._preparers[next((kind for kind in self._preparers if kind in job.payload), None)]
        return JobRun(self._storage, self._clock, order, job, signals, journal, prepare).result()


def _put_off(error: BaseException) -> WorkerResult:
    """Defers the job. Passing trouble, such as a lock, a full disk or a lack of descriptors, costs no attempt."""
    passing = isinstance(error, StorageBusy | StorageFull)
    return WorkerResult("later" if passing else "retry", str(error) or type(error).__name__)


class JobRun:
    """One run of one job."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        order: JobOrder,
        job: Job,
        signals: JobSignals,
        journal: JobJournal,
        prepare: Prepare,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._order = order
        self._job = job
        self._signals = signals
        self._journal = journal
        self._prepare = prepare
        self._tally = RunTally(clock=clock)
        self._last_cancel_check = self._last_heartbeat = 0.0

    def result(self) -> WorkerResult:
        """Runs the job and returns how it ended."""
        try:
            self._journal.begin()
            self._run()
            self._end("done")
        except Interrupted:
            return WorkerResult("interrupted")
        except Superseded:
            return WorkerResult("done")
        except Cancelled:
            self._tally.log(STOPPED, "warning", kind="cancelled")
            self._end("cancelled")
        except RunFault as error:
            self._fail(str(error))
        except MemoryError:
            self._fail("the import needed more memory than [jobs] memory_bytes allows")
        except (BlobMissing, BlobDamaged, StatementRefused) as error:
            self._fail(str(error))
        except Exception as error:
            return self._unexpected(self._storage.translated(error))
        return WorkerResult("done")

    def _unexpected(self, error: BaseException) -> WorkerResult:
        if isinstance(error, StorageError):
            return _put_off(error)
        log.error("import failed", job=self._job.id, exc_info=error)
        self._fail(f"{type(error).__name__}: {error}")
        return WorkerResult("done")

    def _run(self) -> None:
        with ExitStack() as opened:
            self._import(self._prepare(self._context(), opened))

    def _context(self) -> JobContext:
        return JobContext(
            self._storage,
            self._job,
            self._order.models,
            self._journal.files,
            self._check,
            self._pause,
            lambda sentence: self._tally.remark(sentence),  # not bound early: a restored tally replaces it
        )

    def _import(self, work: Prepared) -> None:
        dry = self._job.mode == "dry-run"
        tables = work.tables
        check_room(self._storage.records.columns, tables, self._order.models)
        if not dry:
            self._storage.records.ensure(tables)
        session = self._storage.records.session(self._job.id, tables, dry_run=dry)
        try:
            begun = session.checkpoint()
            if begun is None:
                self._start(work)
            else:
                self._tally = RunTally.restore(begun, self._clock)
                number = (begun.position or {}).get("number")
                self._journal.forget_after(number if isinstance(number, int) else 0, self._tally.position)
            samples = self._samples(work)
            try:
                self._do(work, session, begun, samples)
            finally:
                if samples is not None:
                    self._journal.store_samples(samples.found())
        finally:
            session.close()

    def _do(self, work: Prepared, session: Session, begun: Checkpoint | None, samples: Samples | None) -> None:
        run = Run(
            sources=work.sources(),
            mapper=work.mapper,
            session=session,
            tally=self._tally,
            write_journal=self._journal.write,
            pause=self._pause,
            chunk_records=self._order.chunk_records,
            detailed=bool(self._job.payload.get("detailed")),
            samples=samples,
            batch=self._journal.batch_identifier(),
        )
        run(begun)

    def _samples(self, work: Prepared) -> Samples | None:
        wanted = self._job.payload.get("samples")
        if not isinstance(wanted, int) or work.model is None:
            return None
        return Samples(work.model, self._order.models, wanted, work.misfits())

    def _start(self, work: Prepared) -> None:
        self._tally.start()
        for message in work.messages:
            self._tally.error(message)
        for remark in work.remarks:
            self._tally.log(remark)
        self._journal.start(self._tally)
        self._tally.clear_pending()

    def _check(self, file: BatchFile) -> None:
        """Checks that the file still has the bytes that were received: damage to the disk must not be imported."""
        try:
            self._storage.blobs.verify(file.digest, self._pause)
        except (BlobMissing, BlobDamaged) as error:
            name = file.name if file.filename in (None, "", file.name) else f"{file.name} ({file.filename})"
            raise RunFault(f"{name}: {error}; send the file again, then repeat the import") from error

    def _pause(self) -> None:
        """Sends a heartbeat; raises Interrupted or Cancelled if the run is to stop. Called between chunks."""
        if self._signals.stop.is_set():
            raise Interrupted
        now = time.monotonic()
        if now - self._last_heartbeat > _HEARTBEAT_SECONDS:
            self._last_heartbeat = now
            self._signals.heartbeat(self._tally.counts["read"])
        if now - self._last_cancel_check > _CANCEL_CHECK_SECONDS:
            self._last_cancel_check = now
            if self._journal.is_cancelled():
                raise Cancelled

    def _fail(self, message: str) -> None:
        if not self._tally.has_begun:  # this run has logged nothing: continue the log of an earlier one
            self._tally = self._journal.stored_tally()
        if not self._tally.has_begun:
            self._tally.start()
        self._tally.fail(message)
        self._end("failed", message)

    def _end(self, state: FinalState, error: str | None = None) -> None:
        self._tally.end()
        try:
            self._journal.end(self._tally, state, error)
        except Superseded:
            return  # the worker that owns the job now writes its end
        try:
            self._storage.records.forget(self._job.id)
        except StorageError as error:  # the next start of a server deletes it
            log.warning("the checkpoint of an ended job was left in place", job=self._job.id, reason=str(error))
