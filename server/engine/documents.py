"""What batches and jobs are as documents with stable keys: the same for commands and for the native API."""

import dataclasses
from typing import get_args

from server.engine.batches.lifecycle import ERRAND, IMPORTS
from server.engine.batches.log_text import log_text
from server.engine.engine import Engine
from storage.catalog.base import Batch as Batch
from storage.catalog.base import BatchFile, Level
from storage.catalog.base import BatchState as BatchState
from storage.catalog.base import LogLine as LogLine
from storage.catalog.base import Outcome as Outcome
from storage.catalog.base import OutcomeStatus as OutcomeStatus
from storage.queues.base import Job as Job
from storage.queues.base import JobState as JobState

Document = dict[str, object]

BATCH_STATES: tuple[BatchState, ...] = get_args(BatchState)
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
JOB_MODES = (*IMPORTS, ERRAND)
LOG_LEVELS: tuple[Level, ...] = get_args(Level)
OUTCOME_STATUSES: tuple[OutcomeStatus, ...] = get_args(OutcomeStatus)


async def batch_document(engine: Engine, identifier: str, *, log_lines: int | None = None) -> Document:
    """All that is known of a batch; of its log at most so many lines."""
    batch = await engine.batches.get(None, identifier)
    job = await engine.jobs.get(batch.job) if batch.job else None
    return batch_summary(batch) | {
        "control": batch.control,
        "properties": dict(batch.properties),
        "files": [file_document(file) for file in await engine.batches.files(batch)],
        "job": job_summary(job) if job else None,
        "errands": [errand_document(one) for one in await engine.jobs.list(batch=batch.id) if one.mode == ERRAND],
        "log": await whole_log(engine, job.id, log_lines) if job else "",
    }


def errand_document(errand: Job) -> Document:
    """A mail or a callback that follows the end of a batch; its error says why it was not sent, or not yet."""
    return {"id": errand.id, "kind": errand.kind, "state": errand.state, "error": errand.error}


def batch_summary(batch: Batch) -> Document:
    return {
        "id": batch.identifier,
        "api": batch.api,
        "process": batch.process,
        "comment": batch.comment,
        "state": batch.state,
        "errors": batch.errors,
        "created": batch.created,
    }


def file_document(file: BatchFile) -> Document:
    return {"id": file.id, "name": file.name, "filename": file.filename, "digest": file.digest, "size": file.size}


def job_summary(job: Job) -> Document:
    return {
        "id": job.id,
        "state": job.state,
        "mode": job.mode,
        "counts": dataclasses.asdict(job.counts),
        "started": job.started,
        "finished": job.finished,
    }


def job_document(job: Job) -> Document:
    return job_summary(job) | {
        "process": job.process,
        "attempts": job.attempts,
        "errors": job.errors,
        "error": job.error,
        "created": job.created,
    }


def state_in_words(state: str, job: Job | None) -> str:
    """The state for people: an end with failed records, or with values lost, is no plain success."""
    if job is None:
        return state
    counts = job.counts
    parts = [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.with_warnings} with warnings"] if counts.with_warnings else []
    return ", ".join([state, *parts])


async def log_lines(engine: Engine, job: str) -> list[Document]:
    """The log, a document for each line."""
    return [
        {"position": line.position, "created": line.created, "level": line.level, "message": log_text(line)}
        for line in await engine.jobs.log(job)
    ]


async def whole_log(engine: Engine, job: str, lines: int | None = None) -> str:
    """Returns the log as one text, or its first lines."""
    return "\n".join(map(log_text, await engine.jobs.log(job, limit=lines)))
