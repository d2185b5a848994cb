"""The engine: one object a dialect, a command or a page talks to."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from server.engine.access.keys import Keys
from server.engine.access.sessions import Sessions
from server.engine.batches.batches import Batches
from server.engine.batches.copying import Copying
from server.engine.batches.failure_causes import Failures
from server.engine.batches.job_events import Feed
from server.engine.batches.jobs import Jobs
from server.engine.batches.listing import Browsing
from server.engine.batches.schedules import Schedules
from server.engine.clock import Clock, utc_now
from server.engine.corrections.corrections import Reissue
from server.engine.definitions.authoring import Authoring
from server.engine.definitions.control_files import ControlFiles
from server.engine.definitions.definitions import Definitions
from server.engine.events import Events
from server.engine.execution.dispatcher import Dispatcher, JobLimits
from server.engine.follow_ups.callbacks import KIND as CALLBACK
from server.engine.follow_ups.callbacks import CallbackRules, Callbacks
from server.engine.follow_ups.follow_ups import Errands
from server.engine.follow_ups.mail import KIND as MAIL
from server.engine.follow_ups.mail import Mail, MailServer
from server.engine.operations.data_directory import Holdings
from server.engine.operations.fsck import STRANGE, Finding, check, is_known
from server.engine.operations.fsck_process import Inspection
from server.engine.operations.overview import Overview
from server.engine.operations.readiness import Readiness
from server.engine.operations.storage_metrics import Figures
from server.engine.records.browse import Catalogue
from server.engine.records.pages import Records
from server.engine.review.proposals import LET_GO, Proposals
from server.engine.review.summaries import Summaries
from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.unreferenced import Leftovers
from server.engine.uploads.uploads import Uploads
from server.engine.vendors.folio import source_records
from server.engine.vendors.folio.file_extensions import FileExtensions
from server.engine.vendors.folio.job_executions import JobExecutions
from server.engine.vendors.folio.staged_uploads import StagedUploads
from server.engine.vendors.folio.upload_definitions import DefinitionRules, UploadDefinitions
from server.engine.vendors.haplo.pushes import Pushes
from server.engine.vendors.learningbuilder.queue_rows import QueueRow, rows_of
from server.engine.vendors.voss.transactions import TransactionRules, Transactions
from server.engine.worker_process import lifecycle_of, main
from storage.backup import Progress, read_backup, write_backup
from storage.catalog.base import Batch
from storage.catalog.sql import secrets
from storage.errors import StorageError
from storage.opening import Storage, open_storage, refers_to
from storage.queues.base import FINAL
from storage.records.base import Row

log = structlog.get_logger("penstock.engine")


class Engine:
    """Made on an open storage. Nothing runs in the background until `start_dispatcher`."""

    def __init__(
        self,
        storage: Storage,
        *,
        imports: Path,
        uploads: UploadLimits | None = None,
        jobs: JobLimits | None = None,
        definitions: DefinitionRules | None = None,
        transactions: TransactionRules | None = None,
        mail: MailServer | None = None,
        public_url: str | None = None,
        no_auth: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        self.public_url = public_url
        self._storage = storage
        self._clock = clock
        self._limits = jobs or JobLimits()
        self._dispatcher: Dispatcher | None = None
        self._lifecycle = lifecycle_of(storage.queue)
        self._leftovers = Leftovers(storage.catalog, storage.blobs, refers_to)
        self.definitions = Definitions(imports, built_in=(source_records.MODEL,))
        self.keys = Keys(storage.catalog, clock, everybody=no_auth)
        self.events = Events()
        self.uploads = Uploads(storage.blobs, uploads, events=self.events)
        self.batches = Batches(
            storage.catalog, storage.queue, storage.blobs, self.definitions, clock, self._limits.attempts
        )
        self.jobs = Jobs(storage.catalog, self._lifecycle, clock)
        self._build_for_imports(transactions or TransactionRules(), mail)
        self._build_for_uploads_in_steps(definitions or DefinitionRules())
        self._build_for_pages()
        self._build_for_operators()

    def _build_for_imports(self, loads: TransactionRules, mail: MailServer | None) -> None:
        """Runs of every kind, and what follows them."""
        storage, clock = self._storage, self._clock
        self.pushes = Pushes(self.batches, self.jobs)
        self.transactions = Transactions(
            storage.catalog, self._lifecycle, self.jobs, clock, loads, self._limits.attempts
        )
        self._callbacks = Callbacks(self.transactions.told, CallbackRules(loads.callbacks == "anywhere"))
        mails = Mail(self.batches, self.jobs, mail)
        places = {MAIL: mails.place, CALLBACK: self._callbacks.place}
        self.errands = Errands(storage, clock, {MAIL: mails, CALLBACK: self._callbacks}, places)
        self.schedules = Schedules(storage.catalog, storage.queue, self.jobs, clock)
        self.control_files = ControlFiles(storage.catalog, storage.blobs)
        self.proposals = Proposals(
            storage.catalog,
            storage.queue,
            self.batches,
            self.jobs,
            self.definitions,
            self.control_files,
            self._leftovers,
            clock,
            self._limits.attempts,
        )
        self.errands.add(LET_GO, self.proposals.let_go)

    def _build_for_uploads_in_steps(self, rules: DefinitionRules) -> None:
        """Files that are announced, sent, perhaps in parts, and processed later."""
        storage, clock, leftovers = self._storage, self._clock, self._leftovers
        self.job_executions = JobExecutions(storage, clock, self._limits.attempts)
        self.upload_definitions = UploadDefinitions(storage.catalog, leftovers, clock, rules, self.job_executions)
        self.staged_uploads = StagedUploads(storage.catalog, storage.blobs, self.uploads, leftovers, clock)
        self.file_extensions = FileExtensions(storage.catalog, clock, storage.free_bytes)
        self.sessions = Sessions(storage.catalog, clock, rules.access_seconds, rules.refresh_seconds)

    def _build_for_pages(self) -> None:
        """What people look at, and write about imports."""
        storage, clock = self._storage, self._clock
        self.authoring = Authoring(self.definitions, clock)
        self.catalogue = Catalogue(storage.records, storage.catalog, self.definitions, self.jobs)
        self.browsing = Browsing(storage.catalog, storage.queue, storage.blobs)
        self.copying = Copying(storage.catalog, clock)
        self.failures = Failures(storage.catalog)
        self.reissue = Reissue(storage.catalog, storage.blobs)
        self.feed = Feed(storage.catalog, storage.queue, clock)
        self.records = Records(storage.records, self.definitions)
        self.summaries = Summaries(storage.catalog, self.definitions, self.control_files)

    def _build_for_operators(self) -> None:
        """How the server is."""
        storage, clock = self._storage, self._clock
        self.figures = Figures(storage, clock)
        self.readiness = Readiness(storage, self.definitions, self.uploads, self.errands, lambda: self._dispatcher)
        self.overview = Overview(storage, clock, self.events, self.uploads.limits.min_free_bytes)
        self.holdings = Holdings(storage, clock)
        self.inspection = Inspection(storage.data_dir, lambda: list(self.definitions.tables().values()), clock)

    async def sweep(self) -> int:
        """Removes what a dead process left in flight; how many bodies."""
        await asyncio.to_thread(self._storage.presence.sweep)
        await asyncio.to_thread(self._forget_ended)
        await asyncio.to_thread(self._tell_strangers)
        return await self.uploads.sweep(self._storage.referenced)

    def _forget_ended(self) -> None:
        """Whoever ended a job may have died before its checkpoint was dropped; one that stays does no harm."""
        ids = self._storage.records.begun()
        queue = self._storage.queue
        found = self._storage.catalog.read_now(lambda connection: [queue.get(connection, id) for id in ids])
        try:
            for job in found:
                if job is not None and job.state in FINAL:
                    self._storage.records.forget(job.id)
        except StorageError as error:
            log.warning("checkpoints of ended jobs were left in place", reason=str(error))

    def _tell_strangers(self) -> None:
        """Only the newest row of each table is looked at: `penstock fsck` looks at all."""
        for table in self._storage.records.tables():
            job = self._storage.records.last_writer(table)
            if job is not None and not is_known(self._storage, job):
                log.error("rows of an unknown job", table=table, job=job, reason=f"this job {STRANGE}")

    def start_dispatcher(self) -> None:
        self._dispatcher = Dispatcher(
            self._storage,
            self.definitions,
            self._limits,
            self._clock,
            worker=main,
            lifecycle=self._lifecycle,
            ended=self.jobs.ended,
            events=self.events,
        )
        self._dispatcher.start()
        self.errands.start()
        self.readiness.stopping = False

    async def stop_dispatcher(self) -> None:
        if self._dispatcher is not None:
            await self.errands.stop()
            await self._dispatcher.stop()
            self._dispatcher = None

    async def secret(self, name: str) -> bytes:
        """Random bytes that all processes on this data directory share, made when first asked for."""
        now = self._clock()
        return await self._storage.catalog.write(secrets.get_or_make, name, now)

    async def queue_rows(self, batch: Batch, *, after: int = -1, limit: int = 100) -> Sequence[QueueRow]:
        """One for each record of a batch, with what became of it so far; `after` is the last of the page before."""
        return await rows_of(self.jobs, batch, after, limit)

    def tables(self) -> Sequence[str]:
        return self._storage.records.tables()

    def columns(self, table: str) -> Sequence[str]:
        return self._storage.records.columns(table)

    def count(self, table: str) -> int:
        return self._storage.records.count(table)

    def rows(self, table: str, *, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        """Blocks while it reads: for commands, and for threads."""
        return self._storage.records.rows(table, after=after, limit=limit)

    def check(self, *, deep: bool) -> Iterator[Finding]:
        """Every blob, row and reference (`penstock fsck`). Blocks while it reads."""
        return check(self._storage, self.definitions.tables().values(), deep=deep)

    def backup(self, file: Path, progress: Progress) -> int:
        """Everything into one file while others work (`penstock backup`); its size. Blocks while it copies."""
        return write_backup(self._storage.data_dir, self._storage.blobs, file, progress)

    async def close(self) -> None:
        await self.feed.close()
        await self.inspection.close()
        await self.stop_dispatcher()
        self._callbacks.close()
        await self.keys.close()
        await self.uploads.close()


def restore(file: Path, data_dir: Path, progress: Progress) -> None:
    """A data directory from a backup (`penstock restore`). Blocks while it copies."""
    read_backup(file, data_dir, progress)


@asynccontextmanager
async def open_engine(
    data_dir: Path,
    *,
    imports: Path,
    uploads: UploadLimits | None = None,
    jobs: JobLimits | None = None,
    definitions: DefinitionRules | None = None,
    transactions: TransactionRules | None = None,
    mail: MailServer | None = None,
    public_url: str | None = None,
    no_auth: bool = False,
    clock: Clock = utc_now,
) -> AsyncIterator[Engine]:
    """Opens the storage of a data directory and an engine on it, and closes both."""
    floor = (uploads or UploadLimits()).min_free_bytes
    storage = await asyncio.to_thread(open_storage, data_dir, min_free_bytes=floor)
    try:
        engine = Engine(
            storage,
            imports=imports,
            uploads=uploads,
            jobs=jobs,
            definitions=definitions,
            transactions=transactions,
            mail=mail,
            public_url=public_url,
            no_auth=no_auth,
            clock=clock,
        )
        try:
            yield engine
        finally:
            await engine.close()
    finally:
        await storage.close()
