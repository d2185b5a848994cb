"""What batches and jobs are as documents with stable keys: the same for commands and for the native API."""

import dataclasses

from server.engine.engine import Engine
from storage.catalog.base import Batch, BatchFile
from storage.queues.base import Job

Document = dict[str, object]


async def batch_document(engine: Engine, identifier: str, *, log_lines: int | None = None) -> Document:
    """All that is known of a batch; of its log at most so many lines."""
    batch = await engine.batches.get(None, identifier)
    job = await engine.jobs.get(batch.job) if batch.job else None
    return batch_summary(batch) | {
        "control": batch.control,
        "properties": dict(batch.properties),
        "files": [file_document(file) for file in await engine.batches.files(batch)],
        "job": job_summary(job) if job else None,
        "log": await log_text(engine, job.id, log_lines) if job else "",
    }


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


async def log_text(engine: Engine, job: str, lines: int | None = None) -> str:
    return "\n".join(line.message for line in await engine.jobs.log(job, limit=lines))
