"""The rows of a batch as a queue: one for each record, with what became of it so far.

Nothing is stored for a record that went well: how far the job has come says that it is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from server.engine.batches.failure_causes import warning_text
from server.engine.batches.jobs import Jobs
from storage.catalog.base import Batch, Outcome
from storage.queues.base import Job, JobState

RowState = Literal["queued", "completed", "failed", "cancelled", "not processed"]
ROWS = "rows"  # the property of a batch that says how many records it has

_BEYOND: Mapping[JobState, RowState] = {"cancelled": "cancelled", "failed": "not processed", "done": "not processed"}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """`record` counts from 0; `line` is known of rows that something is said about."""

    record: int
    state: RowState
    line: int | None = None
    message: str | None = None


class QueueRows:
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def rows(self, batch: Batch, *, after: int = -1, limit: int = 100) -> Sequence[QueueRow]:
        """Returns the rows behind record `after`, each with its outcome so far."""
        job = await self._jobs.get(batch.job) if batch.job else None
        first, last = after + 1, min(after + limit, _length(batch, job) - 1)
        if last < first:
            return []
        stored = await self._jobs.outcomes(job.id, after=after, limit=limit) if job else ()
        outcomes = {outcome.record: outcome for outcome in stored}
        return [_row(record, job, outcomes.get(record)) for record in range(first, last + 1)]


def _length(batch: Batch, job: Job | None) -> int:
    known = batch.properties.get(ROWS)
    return max(known if isinstance(known, int) else 0, job.counts.read if job else 0)


def _row(record: int, job: Job | None, outcome: Outcome | None) -> QueueRow:
    if outcome is not None:
        told = outcome.message or "\n".join(map(warning_text, outcome.warnings or ())) or None
        return QueueRow(record, "failed" if outcome.status == "failed" else "completed", outcome.line, told)
    if job is None or record < job.counts.read:
        return QueueRow(record, "queued" if job is None else "completed")
    return QueueRow(record, _BEYOND.get(job.state, "queued"), message=job.error)
