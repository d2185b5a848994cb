"""The engine: one object that every dialect, command and page asks, with an attribute for each room or main noun."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.engine.access.keys import Keys
from server.engine.access.secrets import SharedSecrets
from server.engine.access.sessions import Sessions
from server.engine.batches.batches import Batches
from server.engine.batches.failure_causes import Failures
from server.engine.batches.job_events import JobEventStream
from server.engine.batches.jobs import Jobs
from server.engine.batches.listing import BatchListing
from server.engine.batches.schedules import Schedules
from server.engine.batches.scheduling import Scheduling
from server.engine.clock import Clock, utc_now
from server.engine.corrections.corrections import Corrections
from server.engine.definitions.authoring import Authoring
from server.engine.definitions.control_files import ControlFiles
from server.engine.definitions.definitions import Definitions
from server.engine.events import Events
from server.engine.execution.dispatcher import Dispatcher, JobLimits
from server.engine.follow_ups.background_tasks import BackgroundTasks
from server.engine.follow_ups.callbacks import KIND as CALLBACK
from server.engine.follow_ups.callbacks import CallbackRules, Callbacks
from server.engine.follow_ups.mail import KIND as MAIL
from server.engine.follow_ups.mail import Mail, MailServer
from server.engine.operations.background import Background
from server.engine.operations.data_directory import DataDirectory
from server.engine.operations.fsck import Fsck
from server.engine.operations.fsck_process import FsckProcess
from server.engine.operations.overview import Overview
from server.engine.operations.readiness import Readiness
from server.engine.operations.recovery import Recovery
from server.engine.operations.storage_metrics import StorageMetrics
from server.engine.records.browse import TableBrowser
from server.engine.records.pages import RecordQueries
from server.engine.review.proposals import DELETE_FILES, Proposals
from server.engine.review.summaries import Summaries
from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.unreferenced import UnreferencedBlobs
from server.engine.uploads.uploads import Uploads
from server.engine.vendors.folio import source_records
from server.engine.vendors.folio.file_extensions import FileExtensions
from server.engine.vendors.folio.file_jobs import FileJobs
from server.engine.vendors.folio.job_executions import JobExecutions
from server.engine.vendors.folio.job_queries import JobQueries
from server.engine.vendors.folio.staged_uploads import StagedUploads
from server.engine.vendors.folio.upload_definitions import DefinitionRules, UploadDefinitions
from server.engine.vendors.haplo.pushes import Pushes
from server.engine.vendors.learningbuilder.queue_rows import QueueRows
from server.engine.vendors.voss.transactions import TransactionRules, Transactions
from server.engine.worker_process import lifecycle_of, main
from storage.backup import Progress, read_backup
from storage.opening import Storage, open_storage, refers_to
from storage.records.base import RecordStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What an engine is built with besides its storage. `imports` is the folder of models and processes."""

    imports: Path
    uploads: UploadLimits = field(default_factory=UploadLimits)
    jobs: JobLimits = field(default_factory=JobLimits)
    folio: DefinitionRules = field(default_factory=DefinitionRules)
    voss: TransactionRules = field(default_factory=TransactionRules)
    mail: MailServer | None = None
    public_url: str | None = None
    no_auth: bool = False
    clock: Clock = utc_now


@dataclass(frozen=True, slots=True)
class AccessRoom:
    keys: Keys
    sessions: Sessions
    secrets: SharedSecrets


@dataclass(frozen=True, slots=True)
class MonitoringRoom:
    """What people and programs ask about batches and jobs."""

    listing: BatchListing
    failure_causes: Failures
    job_events: JobEventStream
    schedules: Schedules


@dataclass(frozen=True, slots=True)
class RecordRoom:
    """What was imported. `store` holds the rows; its reads block, so they are for commands and threads."""

    browser: TableBrowser
    queries: RecordQueries
    store: RecordStore


@dataclass(frozen=True, slots=True)
class ReviewRoom:
    proposals: Proposals
    summaries: Summaries


@dataclass(frozen=True, slots=True)
class OperationsRoom:
    """How the server and its data directory are."""

    recovery: Recovery
    readiness: Readiness
    overview: Overview
    storage_metrics: StorageMetrics
    data_directory: DataDirectory
    fsck: Fsck
    fsck_process: FsckProcess


@dataclass(frozen=True, slots=True)
class FolioRoom:
    upload_definitions: UploadDefinitions
    staged_uploads: StagedUploads
    job_executions: JobExecutions
    job_queries: JobQueries
    file_extensions: FileExtensions


@dataclass(frozen=True, slots=True)
class Engine:
    """The rooms of the engine over one open storage. Nothing runs by itself until `background.start`."""

    config: EngineConfig
    storage: Storage
    events: Events
    access: AccessRoom
    definitions: Definitions
    authoring: Authoring
    control_files: ControlFiles
    uploads: Uploads
    batches: Batches
    jobs: Jobs
    monitoring: MonitoringRoom
    background: Background
    records: RecordRoom
    corrections: Corrections
    review: ReviewRoom
    operations: OperationsRoom
    folio: FolioRoom
    voss: Transactions
    haplo: Pushes
    learningbuilder: QueueRows
    callbacks: Callbacks

    async def close(self) -> None:
        """Ends what runs and closes what is open, except the storage."""
        await self.monitoring.job_events.close()
        await self.operations.fsck_process.close()
        await self.background.stop()
        self.callbacks.close()
        await self.access.keys.close()
        await self.uploads.close()


def build_engine(storage: Storage, config: EngineConfig) -> Engine:
    """Builds every room, the lower ones first."""
    catalog, queue, blobs, clock = storage.catalog, storage.queue, storage.blobs, config.clock
    events = Events()
    lifecycle = lifecycle_of(queue)
    unreferenced = UnreferencedBlobs(catalog, blobs, refers_to)
    definitions = Definitions(config.imports, built_in=(source_records.MODEL,))
    control_files = ControlFiles(catalog, blobs)
    uploads = Uploads(blobs, config.uploads, events=events)
    scheduling = Scheduling(queue, clock, config.jobs.attempts)
    batches = Batches(catalog, blobs, definitions, scheduling, clock)
    jobs = Jobs(catalog, lifecycle, clock)
    voss = Transactions(catalog, scheduling, lifecycle, jobs, clock, config.voss)
    proposals = Proposals(catalog, queue, scheduling, batches, jobs, definitions, control_files, unreferenced, clock)
    mail = Mail(batches, jobs, config.mail)
    callbacks = Callbacks(voss.told, CallbackRules(config.voss.callbacks == "anywhere"))
    follow_ups = BackgroundTasks(
        storage,
        clock,
        {MAIL: mail, CALLBACK: callbacks, DELETE_FILES: proposals.delete_files},
        {MAIL: mail.place, CALLBACK: callbacks.place},
    )

    def dispatcher() -> Dispatcher:
        return Dispatcher(
            storage, definitions, config.jobs, clock, worker=main, lifecycle=lifecycle, ended=jobs.ended, events=events
        )

    background = Background(dispatcher, follow_ups)
    return Engine(
        config=config,
        storage=storage,
        events=events,
        access=_access(storage, config),
        definitions=definitions,
        authoring=Authoring(definitions, clock),
        control_files=control_files,
        uploads=uploads,
        batches=batches,
        jobs=jobs,
        monitoring=_monitoring(storage, clock, jobs),
        background=background,
        records=_records(storage, definitions, jobs),
        corrections=Corrections(catalog, blobs),
        review=ReviewRoom(proposals, Summaries(catalog, definitions, control_files)),
        operations=_operations(storage, clock, events, definitions, uploads, background),
        folio=FolioRoom(
            UploadDefinitions(catalog, unreferenced, clock, config.folio, FileJobs(storage, scheduling, clock)),
            StagedUploads(catalog, blobs, uploads, unreferenced, clock),
            JobExecutions(storage, scheduling, clock),
            JobQueries(storage),
            FileExtensions(catalog, clock, storage.free_bytes),
        ),
        voss=voss,
        haplo=Pushes(batches, jobs),
        learningbuilder=QueueRows(jobs),
        callbacks=callbacks,
    )


def _access(storage: Storage, config: EngineConfig) -> AccessRoom:
    catalog, clock = storage.catalog, config.clock
    return AccessRoom(
        Keys(catalog, clock, everybody=config.no_auth),
        Sessions(catalog, clock, config.folio.access_seconds, config.folio.refresh_seconds),
        SharedSecrets(catalog, clock),
    )


def _monitoring(storage: Storage, clock: Clock, jobs: Jobs) -> MonitoringRoom:
    catalog, queue = storage.catalog, storage.queue
    return MonitoringRoom(
        BatchListing(catalog, queue, storage.blobs),
        Failures(catalog),
        JobEventStream(catalog, queue, clock),
        Schedules(catalog, queue, jobs, clock),
    )


def _records(storage: Storage, definitions: Definitions, jobs: Jobs) -> RecordRoom:
    store = storage.records
    return RecordRoom(TableBrowser(store, storage.catalog, definitions, jobs), RecordQueries(store, definitions), store)


def _operations(
    storage: Storage, clock: Clock, events: Events, definitions: Definitions, uploads: Uploads, background: Background
) -> OperationsRoom:
    return OperationsRoom(
        recovery=Recovery(storage, uploads),
        readiness=Readiness(storage, definitions, uploads, background),
        overview=Overview(storage, clock, events, uploads.limits.min_free_bytes),
        storage_metrics=StorageMetrics(storage, clock),
        data_directory=DataDirectory(storage, clock),
        fsck=Fsck(storage, definitions),
        fsck_process=FsckProcess(storage.data_dir, lambda: list(definitions.tables().values()), clock),
    )


def restore(file: Path, data_dir: Path, progress: Progress) -> None:
    """Makes a data directory from a backup (`penstock restore`). Blocks while it copies."""
    read_backup(file, data_dir, progress)


@asynccontextmanager
async def open_engine(data_dir: Path, config: EngineConfig) -> AsyncIterator[Engine]:
    """Opens the storage of a data directory and an engine on it, and closes both."""
    storage = await asyncio.to_thread(open_storage, data_dir, min_free_bytes=config.uploads.min_free_bytes)
    try:
        engine = build_engine(storage, config)
        try:
            yield engine
        finally:
            await engine.close()
    finally:
        await storage.close()
