"""What a worker process does with an order: gathers the job's parts, runs them, and writes how it ended."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from multiprocessing.connection import Connection as Pipe

import orjson
import structlog

from server.engine.account import Account
from server.engine.bulk import BulkOrder, plan_bulk
from server.engine.clock import Clock, utc_now
from server.engine.definitions import check_control, tables_of
from server.engine.fitting import misfit
from server.engine.ledger import CANCELLED, Ledger, moment
from server.engine.processors import PROCESSORS, Joined
from server.engine.room import check_room
from server.engine.run import Cancelled, Interrupted, Mapper, Run, Source, blocks_of, check_whole_files
from server.engine.samples import Samples
from server.engine.worker import Order, Signals, Verdict, WorkerConfig, serve_orders
from server.logs import configure_logs
from server.mapping.compile import compile_control
from server.mapping.control import ControlFile, parse_control
from server.mapping.flat import plan
from server.mapping.model import Model
from server.mapping.name_rows import read_names
from server.mapping.scope import RunFault
from server.readers import READERS
from server.readers.base import FileBroken
from server.readers.bulk_reader import BulkBook
from server.readers.sniff import HEAD
from server.readers.xlsx_reader import READ_COLUMNS
from storage.catalog.base import BatchFile
from storage.catalog.sql import transactions
from storage.errors import (
    BlobDamaged,
    BlobMissing,
    StatementRefused,
    StorageBusy,
    StorageError,
    StorageFull,
    Superseded,
)
from storage.opening import Storage, open_storage
from storage.queues import jobs
from storage.queues.base import FinalState, Job
from storage.records.base import Checkpoint, Session, Table

IsRead = Callable[[str], bool]  # whether a column is read, by its name

_LOOK_EVERY = 0.2  # seconds between two looks for a cancel
_PULSE_EVERY = 1.0

log = structlog.get_logger("penstock.import")


def main(pipe: Pipe, config: WorkerConfig) -> None:
    """The entry of a worker process."""
    configure_logs(config.log_format)
    opening = Opening(lambda: open_storage(config.data_dir))
    opening.try_early()
    serve_orders(pipe, config, opening)


class Opening:
    """Opens the storage with the first order that finds it free: a lock or a full disk speaks against no job."""

    def __init__(self, opened: Callable[[], Storage]) -> None:
        self._open = opened
        self._performer: Performer | None = None

    def try_early(self) -> None:
        """So that the first order need not wait for it."""
        with suppress(StorageError, OSError):
            self._performer = Performer(self._open())

    def __call__(self, order: Order, signals: Signals) -> Verdict:
        try:
            self._performer = self._performer or Performer(self._open())
        except (StorageError, OSError) as error:
            return Verdict("later", str(error))
        return self._performer(order, signals)


class Performer:
    """Runs one order after the other on one storage. It answers in every case, since its end would end the worker."""

    def __init__(self, storage: Storage, clock: Clock = utc_now) -> None:
        self._storage = storage
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
        job = self._storage.catalog.read_now(lambda connection: jobs.get(connection, order.job))
        if job is None or job.state != "running" or job.owner != order.owner:
            return Verdict("done")
        return _Performance(self._storage, self._clock, order, job, signals).verdict()


def _put_off(error: BaseException) -> Verdict:
    """A lock, a full disk or a lack of descriptors passes, and counts for nothing; other trouble counts as a try."""
    passing = isinstance(error, StorageBusy | StorageFull)
    return Verdict("later" if passing else "retry", str(error) or type(error).__name__)


class _Performance:
    """One job, once."""

    def __init__(self, storage: Storage, clock: Clock, order: Order, job: Job, signals: Signals) -> None:
        self._storage = storage
        self._clock = clock
        self._order = order
        self._job = job
        self._signals = signals
        self._ledger = Ledger(storage.catalog, storage.queue, job, order.owner, clock)
        self._account = Account()
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
            self._account.log(CANCELLED, "warning")
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
            bulk = self._job.payload.get("bulk")
            self._import(self._by_control() if bulk is None else self._by_sheets(BulkOrder.from_payload(bulk), opened))

    def _import(self, work: "_Prepared") -> None:
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
                self._account = Account.restore(begun)
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

    def _do(self, work: "_Prepared", session: Session, begun: Checkpoint | None, samples: Samples | None) -> None:
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

    def _samples(self, work: "_Prepared") -> Samples | None:
        wanted = self._job.payload.get("samples")
        if not isinstance(wanted, int) or work.model is None:
            return None
        return Samples(work.model, self._order.models, wanted, work.misfits())

    def _start(self, work: "_Prepared") -> None:
        self._account.log(self._first_line())
        for message in work.messages:
            self._account.error(message)
        for remark in work.remarks:
            self._account.log(remark)
        self._ledger.start(self._account)
        self._account.settled()

    def _by_control(self) -> "_Prepared":
        document, model = self._control()
        control = parse_control(document)
        program = compile_control(control, model, self._order.models)
        flat = None if program.setup_messages else plan(control, model, self._order.models)
        names = read_names(document)
        mapper = Mapper(program, flat, names)
        tables = tables_of(model, program)
        # a processor may look at every column
        is_read = None if control.record_processor else cache(names.is_read)
        return _Prepared(
            tables,
            lambda: self._sources(control, is_read),
            mapper,
            program.setup_messages,
            model=model,
            misfits=lambda: self._misfits(control),
        )

    def _by_sheets(self, order: BulkOrder, opened: ExitStack) -> "_Prepared":
        """A bulk load says in its sheets what is in them; each block brings its own mapper."""
        (file,) = self._ledger.files()
        self._check(file)
        try:
            book = opened.enter_context(BulkBook(opened.enter_context(self._storage.blobs.open(file.digest))))
        except FileBroken as error:
            raise RunFault(f"{order.filename}: {error}") from error
        planned = plan_bulk(order, book, self._order.models, lambda: self._storage.blobs.open(file.digest))
        self._storage.catalog.write_now(lambda c: transactions.set_plan(c, self._job.id, planned.described))
        valid = f"{order.filename} is a valid bulk load workbook."
        mapper = planned.sources[0].mapper
        assert mapper is not None  # every block has its own
        return _Prepared(planned.tables, lambda: planned.sources, mapper, (), (valid, *planned.remarks))

    def _control(self) -> tuple[Mapping[str, object], Model]:
        """Validated again: the models may have changed since the control file was accepted."""
        if self._job.control is None:
            raise RunFault("the job names no control file")
        self._storage.blobs.verify(self._job.control)
        with self._storage.blobs.open(self._job.control) as file:
            document = orjson.loads(file.read())
        messages = check_control(document, self._order.models)
        if messages:
            raise RunFault(", ".join(messages))
        return document, self._order.models[document["model"]]

    def _sources(self, control: ControlFile, is_read: IsRead | None) -> list[Source]:
        files = self._ledger.files()
        for file in files:
            self._check(file)
        sources = [self._source(control, file, is_read) for file in files]
        if control.record_processor is None:
            return sources
        check_whole_files(sources, self._pause)  # a processor may give records of one file before it reads the next
        joined = PROCESSORS.get(control.record_processor)([(s.name, self._records(s)) for s in sources])
        return [Source(name, Joined(records), {}, BytesIO) for name, records in joined]

    def _source(self, control: ControlFile, file: BatchFile, is_read: IsRead | None) -> Source:
        options = {**control.entry(file.name), READ_COLUMNS: is_read}
        reader = READERS[str(options["read"])]
        return Source(
            file.name,
            reader,
            options,
            lambda: self._storage.blobs.open(file.digest),
            weight=file.size,
            title=file.filename,
        )

    def _misfits(self, control: ControlFile) -> dict[str, str | None]:
        """By file, what its beginning says against its reader. Here, and not in the server: a guess may take long."""
        return {file.name: self._misfit(file, control.entry(file.name)) for file in self._ledger.files()}

    def _misfit(self, file: BatchFile, entry: Mapping[str, object]) -> str | None:
        with self._storage.blobs.open(file.digest) as content:
            return misfit(file.filename or file.name, content.read(HEAD), entry)

    def _records(self, source: Source) -> Iterator[object]:
        for block in blocks_of(source):
            for sentence in block.remarks:
                self._account.remark(source.remark(sentence))
            yield from block.records

    def _check(self, file: BatchFile) -> None:
        """The bytes are those that were received: a disk that changed some must not change what is imported."""
        try:
            self._storage.blobs.verify(file.digest, self._pause)
        except (BlobMissing, BlobDamaged) as error:
            name = file.name if file.filename in (None, "", file.name) else f"{file.name} ({file.filename})"
            raise RunFault(f"{name}: {error}; send the file again, then repeat the import") from error

    def _first_line(self) -> str:
        return f"START: {moment(self._clock())}"

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
            self._account.log(self._first_line())
        self._account.error_line(f"EXCEPTION: Error during import: {message}")
        self._end("failed", message)

    def _end(self, state: FinalState, error: str | None = None) -> None:
        self._account.log(f"END: {moment(self._clock())}")
        try:
            self._ledger.end(self._account, state, error)
        except Superseded:
            return  # whoever has the job now writes its end
        try:
            self._storage.records.forget(self._job.id)
        except StorageError as error:  # the job has ended; the next start of a server drops it
            log.warning("the checkpoint of an ended job was left in place", job=self._job.id, reason=str(error))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a run is made of. `messages` are errors found before the first record, `remarks` only go into the log."""

    tables: Sequence[Table]
    sources: Callable[[], Sequence[Source]]  # asked for once the log has begun
    mapper: Mapper
    messages: Sequence[str]
    remarks: Sequence[str] = ()
    model: Model | None = None  # that of the control file, where there is one
    misfits: Callable[[], Mapping[str, str | None]] = dict
