"""Imports one pushed file through one process, and waits for the result (Haplo: push-data REST API)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from server.engine.batches.batches import Batches
from server.engine.batches.jobs import Jobs
from server.engine.batches.scheduling import Plan
from server.engine.uploads.uploads import Upload
from server.mapping.language.processes import Process
from storage.catalog.base import Key, LogLine, Outcome
from storage.queues.base import Job

API = "haplo-push"
FILE_NAME = "body"  # what a control file for a push calls its one file, unless it has DEFAULT
_PRIORITY = 10  # a client waits for the answer


@dataclass(frozen=True, slots=True)
class Change:
    """A row that a record changed; `ref` is its id."""

    kind: str
    destination: str
    ref: int
    new: bool


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a push.

    `applied` and `failures` count records, `errors` are lines of the log, `actions` has the changes of each record that
    made any.
    """

    result: Literal["success", "failure", "error"]
    applied: int
    failures: int
    error_count: int
    errors: Sequence[LogLine]
    actions: Sequence[tuple[int, Sequence[Change]]]


class Pushes:
    """Runs pushes."""

    def __init__(self, batches: Batches, jobs: Jobs) -> None:
        self._batches = batches
        self._jobs = jobs

    async def push(self, process: Process, upload: Upload, *, key: Key | None = None) -> PushResult:
        """Imports the upload through the process, waits for the end and returns the result."""
        async with upload:
            batch = await self._batches.create(API, process=process.id, comment=f"Push to {process.id}", key=key)
            await self._batches.add_file(API, batch.identifier, FILE_NAME, upload)
        plan = Plan(mode="import", priority=_PRIORITY, payload={"detailed": True})
        job = await self._batches.schedule(API, batch.identifier, "import", plan=plan)
        return await self._result(await self._jobs.wait(job.id))

    async def _result(self, job: Job) -> PushResult:
        log = await self._jobs.log(job.id)
        outcomes = await self._jobs.outcomes(job.id)
        failed = job.counts.failed
        return PushResult(
            result="error" if job.state != "done" else "failure" if failed else "success",
            applied=job.counts.read - failed,
            failures=failed,
            error_count=job.errors,
            errors=[line for line in log if line.level == "error"],
            actions=[(outcome.record, changes) for outcome in outcomes if (changes := _changes(outcome))],
        )


def _changes(outcome: Outcome) -> list[Change]:
    changed: Any = (outcome.detail or {}).get("changed", ())
    return [Change(**change) for change in changed]
