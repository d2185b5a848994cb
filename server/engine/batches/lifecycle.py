"""Starts and ends of jobs: what changes in the catalog besides the queue, in the same transaction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.catalog.base import BatchState, LogLine
from storage.catalog.sql import batches, journal
from storage.queues.base import FinalState, Job, JobQueue, NewJob

BACKGROUND_TASK = (
    "errand"  # the mode of the server's own jobs, mail and callbacks; its value is in the database and the API
)
IMPORTS = ("import", "dry-run")  # the modes of jobs that worker processes do
STOPPED = "the import was stopped on request; what it had committed stays"

Hook = Callable[[Connection, Job, datetime], None]


class Lifecycle:
    """Writes what follows from a job's start or end: the state of its batch, log lines, and follow-up tasks.

    `dequeued` is called for each job that leaves the queue, started or not, so that a vendor's tables can follow.
    """

    def __init__(self, queue: JobQueue, dequeued: Hook = lambda connection, job, now: None) -> None:
        self.queue = queue
        self._dequeued = dequeued

    def start(self, connection: Connection, job: Job, now: datetime) -> None:
        _move_batch(connection, job, "running")
        self._dequeued(connection, job, now)

    def end(self, connection: Connection, job: Job, state: FinalState, now: datetime, *, errors: int | None) -> None:
        """Writes the end of a job that a worker brought to its end."""
        _move_batch(connection, job, batch_state(state, job.mode), errors=errors)
        self.follow(connection, job, now)

    def give_up(self, connection: Connection, job: Job, now: datetime) -> None:
        """Writes the end of a job that no worker brought to its end: `job.error` says why."""
        self._dequeued(connection, job, now)
        _log_end(connection, job, LogLine(0, "error", str(job.error), now, "exception"))
        self.end(connection, job, "failed", now, errors=job.errors)

    def cancel(self, connection: Connection, job: Job, now: datetime) -> None:
        """Writes the end of a job that was cancelled while it was queued; it may have run before."""
        self._dequeued(connection, job, now)
        _log_end(connection, job, LogLine(0, "warning", STOPPED, now, "cancelled"))
        self.end(connection, job, "cancelled", now, errors=None)

    def follow(self, connection: Connection, job: Job, now: datetime) -> None:
        """Queues the tasks that wait for this job's end, in the transaction that writes the end: each exactly once.

        `payload["after"]` lists them: {"kind", "payload", "attempts"}. The payload of a task gets the id of the ended
        job as `job`.
        """
        after: Any = job.payload.get("after", ())
        for task in after:
            payload = {**task.get("payload", {}), "job": job.id}
            new = NewJob(kind=task["kind"], mode=BACKGROUND_TASK, batch=job.batch, payload=payload)
            self.queue.put(connection, replace(new, max_attempts=task.get("attempts", new.max_attempts)), now)


def batch_state(state: FinalState, mode: str) -> BatchState:
    """Returns the state of a batch whose job has ended."""
    if state == "done":
        return "dry-run" if mode == "dry-run" else "complete"
    return "error" if state == "failed" else "cancelled"


def _log_end(connection: Connection, job: Job, reason: LogLine) -> None:
    """Appends the reason for the end and the last line to the job's log."""
    position = journal.next_position(connection, job.id)
    end = LogLine(position + 1, "info", "", reason.created, "end")
    journal.append_log(connection, job.id, [replace(reason, position=position), end])


def _move_batch(connection: Connection, job: Job, to: BatchState, *, errors: int | None = None) -> None:
    if job.batch is not None:
        batches.move(connection, job.batch, ["scheduled", "running"], to, errors=errors)
