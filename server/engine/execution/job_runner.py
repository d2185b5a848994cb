"""What a worker process does with an order: gathers the job's parts, runs them, and writes how it ended."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import structlog

from server.engine.batches.lifecycle import STOPPED, Lifecycle
from server.engine.clock import Clock, utc_now
from server.engine.definitions.table_width import check_room
from server.engine.execution.job_journal import Ledger
from server.engine.execution.preparation import JobContext, Prepare, Prepared
from server.engine.execution.run import Cancelled, Interrupted, Run
from server.engine.execution.samples import Samples
from server.engine.execution.tally import Account
from server.engine.execution.worker import Order, Signals, Verdict
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

_LOOK_EVERY = 0.2  # seconds between two looks for a cancel
_PULSE_EVERY = 1.0

log = structlog.get_logger("penstock.import")


class Opening:
    """Opens the storage with the first order that finds it free: a lock or a full disk speaks against no job."""

    def __init__(self, opened: Callable[[], "JobRunner"]) -> None:
        self._open = opened
        self._runner: JobRunner | None = None

    def try_early(self) -> None:
        """So that the first order need not wait for it."""
        with suppress(StorageError, OSError):
            self._runner = self._open()

    def __call__(self, order: Order, signals: Signals) -> Verdict:
        try:
            self._runner = self._runner or self._open()
        except (StorageError, OSError) as error:
            return Verdict("later", str(error))
        return self._runner(order, signals)


class JobRunner:
    """Runs one order after the other on one storage. It answers in every case, since its end would end the worker."""

    def __init__(
        self, storage: Storage, lifecycle: Lifecycle, preparers: Mapping[str | None, Prepare], clock: Clock = utc_now
    ) -> None:
        self._storage = storage
        self._lifecycle = lifecycle
        self._preparers = preparers
        self._clock = clock

    def __call__(self, order: Order, signals: Signals) -> Verdict:
        try:
            return self._perform(order, signals)
        except Exception as error:  # not the job's own: the catalog cannot be read, or its end not be written
            known = self._storage.translated(error)
            if not isinstance(known, StorageError):
                log.exception("the end of an import could not be written", job=order.job)
            return _put_off(known)

    def _perform(self, order: Order, signals: Signals) -> Verdict:
        job = self._storage.catalog.read_now(self._storage.queue.get, order.job)
        if job is None or job.state != "running" or job.owner != order.owner:
            return Verdict("done")
        ledger = Ledger(self._storage.catalog, self._lifecycle, job, order.owner, self._clock)
        prepare = self._preparers[next((kind for kind in self._preparers if kind in job.payload), None)]
        return JobRun(self._storage, self._clock, order, job, signals, ledger, prepare).verdict()


def _put_off(error: BaseException) -> Verdict:
    """A lock, a full disk or a lack of descriptors passes, and counts for nothing; other trouble counts as a try."""
    passing = isinstance(error, StorageBusy | StorageFull)
    return Verdict("later" if passing else "retry", str(error) or type(error).__name__)


class JobRun:
    """One job, once."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        order: Order,
        job: Job,
        signals: Signals,
        ledger: Ledger,
        prepare: Prepare,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._order = order
        self._job = job
        self._signals = signals
        self._ledger = ledger
        self._prepare = prepare
        self._account = Account(clock=clock)
        self._looked = self._pulsed = 0.0

    def verdict(self) -> Verdict:
        try:
            self._ledger.begin()
            self._run()
            self._end("done")
        except Interrupted:
            return Verdict("interrupted")
        except Superseded:
            return Verdict("done")
        except Cancelled:
            self._account.log(STOPPED, "warning", kind="cancelled")
            self._end("cancelled")
        except RunFault as error:
            self._fail(str(error))
        except MemoryError:
            self._fail("the import needed more memory than [jobs] memory_bytes allows")
        except (BlobMissing, BlobDamaged, StatementRefused) as error:
            self._fail(str(error))
        except Exception as error:
            return self._unexpected(self._storage.translated(error))
        return Verdict("done")

    def _unexpected(self, error: BaseException) -> Verdict:
        if isinstance(error, StorageError):
            return _put_off(error)
        log.error("import failed", job=self._job.id, exc_info=error)
        self._fail(f"{type(error).__name__}: {error}")
        return Verdict("done")

    def _run(self) -> None:
        with ExitStack() as opened:
            self._import(self._prepare(self._context(), opened))

    def _context(self) -> JobContext:
        return JobContext(
            self._storage,
            self._job,
            self._order.models,
            self._ledger.files,
            self._check,
            self._pause,
            lambda sentence: self._account.remark(sentence),  # the account may be another one by then
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
                self._account = Account.restore(begun, self._clock)
                number = (begun.position or {}).get("number")
                self._ledger.forget_after(number if isinstance(number, int) else 0, self._account.position)
            samples = self._samples(work)
            try:
                self._do(work, session, begun, samples)
            finally:
                if samples is not None:
                    self._ledger.show(samples.found())
        finally:
            session.close()

    def _do(self, work: Prepared, session: Session, begun: Checkpoint | None, samples: Samples | None) -> None:
        run = Run(
            sources=work.sources(),
            mapper=work.mapper,
            session=session,
            account=self._account,
            keep=self._ledger.keep,
            pause=self._pause,
            chunk_records=self._order.chunk_records,
            detailed=bool(self._job.payload.get("detailed")),
            samples=samples,
            batch=self._ledger.batch_identifier(),
        )
        run(begun)

    def _samples(self, work: Prepared) -> Samples | None:
        wanted = self._job.payload.get("samples")
        if not isinstance(wanted, int) or work.model is None:
            return None
        return Samples(work.model, self._order.models, wanted, work.misfits())

    def _start(self, work: Prepared) -> None:
        self._account.start()
        for message in work.messages:
            self._account.error(message)
        for remark in work.remarks:
            self._account.log(remark)
        self._ledger.start(self._account)
        self._account.settled()

    def _check(self, file: BatchFile) -> None:
        """The bytes are those that were received: a disk that changed some must not change what is imported."""
        try:
            self._storage.blobs.verify(file.digest, self._pause)
        except (BlobMissing, BlobDamaged) as error:
            name = file.name if file.filename in (None, "", file.name) else f"{file.name} ({file.filename})"
            raise RunFault(f"{name}: {error}; send the file again, then repeat the import") from error

    def _pause(self) -> None:
        """At a chunk's edge: tells the parent that we live, and hears whether to stop."""
        if self._signals.stop.is_set():
            raise Interrupted
        now = time.monotonic()
        if now - self._pulsed > _PULSE_EVERY:
            self._pulsed = now
            self._signals.pulse(self._account.counts["read"])
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            if self._ledger.is_cancelled():
                raise Cancelled

    def _fail(self, message: str) -> None:
        if not self._account.begun:  # nothing of this run has been said: go on from what an earlier one said
            self._account = self._ledger.account()
        if not self._account.begun:
            self._account.start()
        self._account.fail(message)
        self._end("failed", message)

    def _end(self, state: FinalState, error: str | None = None) -> None:
        self._account.end()
        try:
            self._ledger.end(self._account, state, error)
        except Superseded:
            return  # whoever has the job now writes its end
        try:
            self._storage.records.forget(self._job.id)
        except StorageError as error:  # the job has ended; the next start of a server drops it
            log.warning("the checkpoint of an ended job was left in place", job=self._job.id, reason=str(error))
