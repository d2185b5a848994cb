"""Jobs waiting for a worker: put, claim, extend, finish, release, wait.

A job runs under a lease: its owner extends the lease while it works, and loses the job when it stops doing so. Each
process that claims jobs measures the time since an extension by its own monotonic clock: the time of day may jump.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import Connection, Select

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
FinalState = Literal["done", "failed", "cancelled"]
FINAL: tuple[FinalState, ...] = ("done", "failed", "cancelled")

LONGEST_PAUSE = timedelta(hours=8)  # before a job that was begun is tried again

_UNIX_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records of a job. read = the sum of all the others, once the job has ended.

    `with_warnings` is beside that sum: how many of those created, updated or unchanged lost a value on the way.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    skipped: int = 0
    with_warnings: int = 0


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be put. `due` is when it may start, None means at once. A caller may choose `id` with `new_job_id`.

    At once is not a time: such a job is `due` when it was `created`, and a clock that is set back does not delay it.

    Jobs of one `lane` run one after the other, in the order they were put.
    """

    kind: str
    mode: str
    batch: int | None = None
    process: str | None = None
    control: str | None = None
    lane: str | None = None
    priority: int = 0
    due: datetime | None = None
    max_attempts: int = 3
    payload: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    kind: str
    batch: int | None
    process: str | None
    control: str | None
    mode: str
    state: JobState
    lane: str | None
    priority: int
    due: datetime
    attempts: int
    max_attempts: int
    owner: str | None
    lease_until: datetime | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    cancel_requested: bool
    counts: Counts
    errors: int
    error: str | None
    payload: Mapping[str, object]
    fraction: float | None = None  # of its input that it has read, 0 to 1; None where it is not known


class DueCursor(NamedTuple):
    """The place where a page of coming jobs ended."""

    due: datetime
    id: str


class Waiting(NamedTuple):
    """How many jobs are due and wait, counted up to a limit, and since when the first of them is due."""

    number: int
    oldest: datetime | None


class Abandoned(Protocol):
    """Called with a job that was given up: it is `failed` already, in the same transaction."""

    def __call__(self, connection: Connection, job: Job) -> None: ...


def nobody_is_dead(owner: str) -> bool:
    """Returns False: for callers that judge owners by their leases alone."""
    return False


def ignore_abandoned(connection: Connection, job: Job) -> None:
    """Does nothing: for callers that change nothing else when a job is given up."""


class JobReads(Protocol):
    """What is in the queue, as the caller's transaction sees it. An index answers each, however long the queue is.

    With `modes`, only jobs of one of these modes are looked at.

    * `get` returns a job, or None.
    * `find` returns a page of jobs, newest first; `before` is the id of the last of the page before.
    * `running` returns jobs that run, oldest start first.
    * `waiting` counts the queued jobs that are due, `most` at most, and says since when the first of them is.
    * `coming` returns queued jobs that are due later, by time; `after` is where the page before ended.
    * `late` returns queued jobs that were put for a later time, which has come; by time.
    * `ended_lately` returns ended jobs, most recent first; `failed_lately` those of them that failed, or had failed
      records.
    * `ended_since` returns jobs that ended then or later, in the order they ended; `after` is the last of the page
      before, and `since` its end.
    * `changed` returns the jobs that run, jobs whose state is not the `known` one among those made or ended since then,
      and jobs that are known to run and do so no more; in the order they were made.
    * `number_by_sort` returns how many jobs there are by state, mode and kind.
    * `next_due` returns when the next queued job may start.
    * `ids_in` makes a query of the ids of jobs in these states, for conditions on other tables of the transaction.
    """

    def get(self, connection: Connection, job: str) -> Job | None: ...

    def find(
        self,
        connection: Connection,
        *,
        batch: int | None = None,
        process: str | None = None,
        kind: str | None = None,
        mode: str | None = None,
        states: Collection[JobState] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> list[Job]: ...

    def running(self, connection: Connection, modes: Collection[str], limit: int | None = None) -> list[Job]: ...

    def waiting(self, connection: Connection, modes: Collection[str], now: datetime, most: int) -> Waiting: ...

    def coming(
        self, connection: Connection, now: datetime, limit: int, after: DueCursor | None = None
    ) -> list[Job]: ...

    def late(self, connection: Connection, now: datetime, limit: int) -> list[Job]: ...

    def ended_lately(self, connection: Connection, modes: Collection[str], limit: int) -> list[Job]: ...

    def failed_lately(self, connection: Connection, modes: Collection[str], limit: int) -> list[Job]: ...

    def ended_since(
        self,
        connection: Connection,
        modes: Collection[str],
        since: datetime,
        after: str | None = None,
        limit: int = 200,
    ) -> list[Job]: ...

    def changed(
        self, connection: Connection, modes: Collection[str], since: datetime, known: Mapping[str, str]
    ) -> list[Job]: ...

    def number_by_sort(self, connection: Connection) -> dict[tuple[str, str, str], int]: ...

    def next_due(self, connection: Connection) -> datetime | None: ...

    def ids_in(self, states: Collection[JobState]) -> Select[Any]: ...


class JobQueue(JobReads, Protocol):
    """The time of day is always handed in; no method asks what time it is.

    * `put` adds a job in the caller's transaction: it exists if and only if that transaction commits.
    * `claim` hands out the job with the highest priority, then the earliest due, then the oldest, among those due. Jobs
      put at once, and those put off for longer than LONGEST_PAUSE, are due at once: the clock was set back.
    * With `modes`, only jobs of one of these modes are handed out, or given up. `longest_pause` says how long those who
      claim such jobs put them off at most.
    * Jobs of one lane run one after the other: none is handed out while another of its lane runs, or has begun, waits
      to go on and was put before it.
    * A claimed job belongs to its owner until the lease ends; no other claim gets it before that. A lease ends where
      claims have seen it stand unextended for its length in seconds, by the monotonic clock. A claim counts for
      a few seconds at most: a process that was stopped itself does not believe that all others were.
    * A running job whose lease has ended, or whose owner `dead_owner` says is dead, is handed out again.
    * `attempts` counts failed tries: times that a living owner began the job and did not bring it to
      its end. A claim counts as one; `release` with `counted=False` takes it back. A job taken over from an owner that
      died, or that lost its lease, is handed out without a new one: its owner's end is not the job's fault.
    * A queued job whose attempts are used up is not handed out: it becomes `failed` with a sentence in `error`, and
      `abandoned` is called with it in the same transaction.
    * A job whose cancel was requested is handed out again like any other; its new owner sees `cancel_requested`.
    * `extend` moves the end of the lease and says whether the job is still the owner's; it works after the lease has
      ended as long as no other worker has claimed the job.
    * `progress` records counts, errors and the fraction that is read; a job that reads further than it ever did has
      its earlier attempts forgiven.
      `finish` ends the job in a final state. Both are part of the caller's transaction and work only for the owner;
      they say whether the job was still the owner's.
    * `release` gives a job back to be claimed from `due` on, None for at once; with `counted=False` the attempt is not
      counted.
      `error` says why; it is part of the sentence of a job that is given up.
    * `cancel` ends a queued job at once, and asks the owner of a running one to stop; it returns the job as it is then,
      or None when there is none. A job in a final state is left as it is.
    * `wait` returns when a job may have become claimable: at once after a `put` or a `release` in this process, within
      half a second after another process's, and after `seconds` in any case. A `put` between an owner's `claim` and
      its `wait` is not missed, however many others claim and wait; without `owner`, the last claim counts.
    """

    def put(self, connection: Connection, job: NewJob, now: datetime) -> Job: ...

    async def claim(
        self,
        owner: str,
        now: datetime,
        lease: float,
        dead_owner: Callable[[str], bool] = nobody_is_dead,
        abandoned: Abandoned = ignore_abandoned,
        modes: Collection[str] = (),
        longest_pause: timedelta = LONGEST_PAUSE,
    ) -> Job | None: ...

    async def extend(self, job: str, owner: str, now: datetime, lease: float) -> bool: ...

    def progress(
        self,
        connection: Connection,
        job: str,
        owner: str,
        counts: Counts,
        errors: int,
        fraction: float | None = None,
    ) -> bool: ...

    def finish(
        self,
        connection: Connection,
        job: str,
        owner: str,
        state: FinalState,
        now: datetime,
        *,
        counts: Counts | None = None,
        errors: int | None = None,
        error: str | None = None,
    ) -> bool: ...

    async def release(
        self, job: str, owner: str, due: datetime | None, *, counted: bool = True, error: str | None = None
    ) -> bool: ...

    def cancel(self, connection: Connection, job: str, now: datetime) -> Job | None: ...

    async def wait(self, seconds: float, owner: str | None = None) -> None: ...


def new_job_id(now: datetime) -> str:
    """Returns a UUID of version 7 with microseconds, so that ids sort in the order jobs were made."""
    return _job_id(now, 0b10 << 62 | secrets.randbits(62))


def first_job_id(moment: datetime) -> str:
    """Returns a bound: jobs made at this moment or later have no lower id."""
    return _job_id(moment, 0)


def _job_id(moment: datetime, rest: int) -> str:
    microseconds = int((moment - _UNIX_START).total_seconds() * 1_000_000)
    milliseconds, below = divmod(microseconds, 1000)
    fraction = below * 4096 // 1000
    text = f"{milliseconds << 80 | 0x7 << 76 | fraction << 64 | rest:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
