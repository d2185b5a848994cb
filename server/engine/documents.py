"""Batches and jobs as documents with stable keys: the same for commands and for the native API."""

import dataclasses
from datetime import datetime
from typing import Annotated, Any, cast, get_args

from pydantic import Field
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from server.engine.batches.lifecycle import BACKGROUND_TASK, IMPORTS
from server.engine.batches.log_text import log_text
from server.engine.engine import Engine
from storage.catalog.base import Batch as Batch
from storage.catalog.base import BatchFile
from storage.catalog.base import BatchState as BatchState
from storage.catalog.base import Level as Level
from storage.catalog.base import LogLine as LogLine
from storage.catalog.base import Outcome as Outcome
from storage.catalog.base import OutcomeStatus as OutcomeStatus
from storage.queues.base import Job as Job
from storage.queues.base import JobState as JobState

# values in documents; those of a certain form have an example for descriptions

Count = Annotated[int, Field(ge=0)]
Moment = Annotated[datetime, Field(examples=["2026-03-01T09:30:00Z"])]
Digest = Annotated[
    str,
    Field(pattern="^[0-9a-f]{64}$", examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]),
]
BatchId = Annotated[str, Field(examples=["q5y0c1sz0xg2p3bd6v3rj8mwfk"])]
JobId = Annotated[str, Field(examples=["0195f1a2-7c3e-7b1a-8f00-3d1c5a9e4b21"])]

BATCH_STATES: tuple[BatchState, ...] = get_args(BatchState)
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
OUTCOME_STATUSES: tuple[OutcomeStatus, ...] = get_args(OutcomeStatus)


class CountsDocument(TypedDict):
    read: Count
    created: Count
    updated: Count
    unchanged: Count
    deleted: Count
    failed: Count
    skipped: Count
    with_warnings: Count


class JobSummary(TypedDict):
    id: JobId
    state: JobState
    mode: Annotated[str, Field(json_schema_extra={"enum": [*IMPORTS, BACKGROUND_TASK]})]
    counts: CountsDocument
    started: Moment | None
    finished: Moment | None


class JobFields(JobSummary):
    """What is shown of a job everywhere."""

    process: str | None
    attempts: Count
    errors: Count
    error: str | None
    created: Moment


class FileDocument(TypedDict):
    id: int
    name: str
    filename: str | None
    digest: Digest
    size: Count


class TaskDocument(TypedDict):
    """A mail or a callback that follows the end of a batch; `error` says why it was not sent, or not yet."""

    id: JobId
    kind: str
    state: JobState
    error: str | None


class BatchSummary(TypedDict):
    id: BatchId
    api: str
    process: str | None
    comment: str
    state: BatchState
    errors: Count
    created: Moment


class BatchDocument(BatchSummary):
    """A batch with its files, its latest job, and the beginning of that job's log."""

    control: Digest | None
    properties: dict[str, Any]
    files: list[FileDocument]
    job: JobSummary | None
    errands: list[TaskDocument]
    log: str


async def batch_document(engine: Engine, identifier: str, *, log_lines: int | None = None) -> BatchDocument:
    """Returns all that is known of a batch, with at most `log_lines` lines of its log."""
    batch = await engine.batches.get(None, identifier)
    job = await engine.jobs.get(batch.job) if batch.job else None
    return {
        **batch_summary(batch),
        "control": batch.control,
        "properties": dict(batch.properties),
        "files": [file_document(file) for file in await engine.batches.files(batch)],
        "job": job_summary(job) if job else None,
        "errands": [
            task_document(one) for one in await engine.jobs.list(batch=batch.id) if one.mode == BACKGROUND_TASK
        ],
        "log": await whole_log(engine, job.id, log_lines) if job else "",
    }


def task_document(task: Job) -> TaskDocument:
    return {"id": task.id, "kind": task.kind, "state": task.state, "error": task.error}


def batch_summary(batch: Batch) -> BatchSummary:
    return {
        "id": batch.identifier,
        "api": batch.api,
        "process": batch.process,
        "comment": batch.comment,
        "state": batch.state,
        "errors": batch.errors,
        "created": batch.created,
    }


def file_document(file: BatchFile) -> FileDocument:
    return {"id": file.id, "name": file.name, "filename": file.filename, "digest": file.digest, "size": file.size}


def job_summary(job: Job) -> JobSummary:
    return {
        "id": job.id,
        "state": job.state,
        "mode": job.mode,
        "counts": cast(CountsDocument, dataclasses.asdict(job.counts)),
        "started": job.started,
        "finished": job.finished,
    }


def job_document(job: Job) -> JobFields:
    return {
        **job_summary(job),
        "process": job.process,
        "attempts": job.attempts,
        "errors": job.errors,
        "error": job.error,
        "created": job.created,
    }


def state_in_words(state: str, job: Job | None) -> str:
    """Returns the state for people; an end with failed records or lost values differs from a plain success."""
    if job is None:
        return state
    counts = job.counts
    parts = [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.with_warnings} with warnings"] if counts.with_warnings else []
    return ", ".join([state, *parts])


async def log_lines(engine: Engine, job: str) -> list[dict[str, object]]:
    """Returns the log of a job, a document for each line."""
    return [
        {"position": line.position, "created": line.created, "level": line.level, "message": log_text(line)}
        for line in await engine.jobs.log(job)
    ]


async def whole_log(engine: Engine, job: str, lines: int | None = None) -> str:
    """Returns the log as one text, or its first lines."""
    return "\n".join(map(log_text, await engine.jobs.log(job, limit=lines)))
