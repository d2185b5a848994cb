"""The jobs table as functions of a `Connection`."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from storage.queues.base import (
    LONGEST_PAUSE,
    Abandoned,
    Counts,
    FinalState,
    Job,
    JobState,
    NewJob,
    ignore_abandoned,
    new_job_id,
    nobody_is_dead,
)
from storage.queues.leases import Held, Silent, all_are_heard
from storage.queues.tables import jobs

_BEFORE_COUNTS = (
    *(
        "id",
        "kind",
        "batch",
        "process",
        "control",
        "mode",
        "state",
        "lane",
        "priority",
        "due",
        "attempts",
        "max_attempts",
    ),
    *("owner", "lease_until", "created", "started", "finished", "cancel_requested"),
)
_COUNTS = ("read", "created", "updated", "unchanged", "deleted", "failed", "skipped", "with_warnings")
_AFTER_COUNTS = ("errors", "error", "payload", "fraction")
_FIRST, _LAST = len(_BEFORE_COUNTS), len(_BEFORE_COUNTS) + len(_COUNTS)
_COLUMNS = [jobs.c[name] for name in (*_BEFORE_COUNTS, *(f"count_{name}" for name in _COUNTS), *_AFTER_COUNTS)]

_INSERT = insert(jobs)
_SELECT = select(*_COLUMNS)
_BY_ID = _SELECT.where(jobs.c.id == bindparam("job"))
_CHANGE = update(jobs).where(jobs.c.id == bindparam("job"))
_CHANGE_OWN = _CHANGE.where(jobs.c.state == "running", jobs.c.owner == bindparam("holder"))
_IS_FURTHER = jobs.c.furthest < bindparam("reached")  # what kills every worker at one place must use up its attempts
_PROGRESS_OWN = _CHANGE_OWN.values(
    attempts=case((_IS_FURTHER, 1), else_=jobs.c.attempts),
    furthest=case((_IS_FURTHER, bindparam("reached")), else_=jobs.c.furthest),
)
_UNCOUNT_OWN = _CHANGE_OWN.values(attempts=jobs.c.attempts - 1)
_SET_BACK = and_(
    jobs.c.state == "queued",
    jobs.c.due > bindparam("clock"),
    or_(
        jobs.c.due == jobs.c.created,  # put or given back at once
        and_(jobs.c.started.is_(None), jobs.c.due < jobs.c.created),
        and_(
            jobs.c.started.is_not(None),
            jobs.c.due > bindparam("latest"),
            jobs.c.mode.in_(bindparam("of", expanding=True)),
        ),
        and_(jobs.c.started.is_not(None), jobs.c.due > bindparam("latest_of_all")),
    ),
)
_ANY_SET_BACK = select(exists().where(_SET_BACK))
_DUE_AFTER_ALL = update(jobs).where(_SET_BACK).values(due=bindparam("clock"))


def put(connection: Connection, job: NewJob, now: datetime) -> Job:
    row = Job(
        id=job.id or new_job_id(now),
        kind=job.kind,
        batch=job.batch,
        process=job.process,
        control=job.control,
        mode=job.mode,
        state="queued",
        lane=job.lane,
        priority=job.priority,
        due=job.due or now,
        attempts=0,
        max_attempts=job.max_attempts,
        owner=None,
        lease_until=None,
        created=now,
        started=None,
        finished=None,
        cancel_requested=False,
        counts=Counts(),
        errors=0,
        error=None,
        payload=job.payload,
    )
    connection.execute(_INSERT, {name: getattr(row, name) for name in (*_BEFORE_COUNTS, *_AFTER_COUNTS)})
    return row


def get(connection: Connection, job: str) -> Job | None:
    return _job(connection.execute(_BY_ID, {"job": job}).one_or_none())


def find(
    connection: Connection,
    *,
    batch: int | None = None,
    process: str | None = None,
    kind: str | None = None,
    mode: str | None = None,
    states: Collection[JobState] = (),
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Returns jobs, newest first; `before` is the last id on the page before."""
    wanted = {"batch": batch, "process": process, "kind": kind, "mode": mode}
    query = _SELECT.where(*(jobs.c[name] == value for name, value in wanted.items() if value is not None))
    if states:
        query = query.where(jobs.c.state.in_(states))
    if before is not None:
        query = query.where(jobs.c.id < before)
    return _jobs(connection, query.order_by(jobs.c.id.desc()).limit(limit))


def in_order(
    connection: Connection, *conditions: ColumnElement[bool], by: Sequence[ColumnElement[Any]], limit: int | None = None
) -> list[Job]:
    return _jobs(connection, _SELECT.where(*conditions).order_by(*by).limit(limit))


def ids_in(states: Collection[JobState]) -> Select[Any]:
    """Selects the ids of jobs in these states, for conditions on other tables."""
    return select(jobs.c.id).where(jobs.c.state.in_(states))


def next_due(connection: Connection) -> datetime | None:
    """Returns the time at which the next queued job may start."""
    return connection.execute(select(func.min(jobs.c.due)).where(jobs.c.state == "queued")).scalar()


def refers_to(connection: Connection, digest: str) -> bool:
    """Whether a job needs the blob as its control file."""
    return bool(connection.execute(select(exists().where(jobs.c.control == digest))).scalar())


def claim(
    connection: Connection,
    owner: str,
    now: datetime,
    lease: float,
    dead_owner: Callable[[str], bool] = nobody_is_dead,
    abandoned: Abandoned = ignore_abandoned,
    modes: Collection[str] = (),
    silent: Silent = all_are_heard,
    longest_pause: timedelta = LONGEST_PAUSE,
) -> Job | None:
    _forget_later_times(connection, now, modes, longest_pause)
    held = Held.all(connection)
    free = _claimable(now, {*_of_the_dead(held, dead_owner), *silent(held, lease)})
    if modes:
        free = free.where(jobs.c.mode.in_(modes))
    while (job := _job(connection.execute(free).one_or_none())) is not None:
        if job.state == "running" or job.attempts < job.max_attempts:
            return _hand_out(connection, job, owner, now, lease)
        abandoned(connection, _give_up(connection, job, now))
    return None


def extend(connection: Connection, job: str, owner: str, now: datetime, lease: float) -> bool:
    return _owned(connection, job, owner, {"lease_until": now + timedelta(seconds=lease)})


def progress(
    connection: Connection, job: str, owner: str, counts: Counts, errors: int, fraction: float | None = None
) -> bool:
    values = _count_values(counts) | {"errors": errors, "fraction": fraction, "reached": counts.read}
    return _owned(connection, job, owner, values, _PROGRESS_OWN)


def finish(
    connection: Connection,
    job: str,
    owner: str,
    state: FinalState,
    now: datetime,
    *,
    counts: Counts | None = None,
    errors: int | None = None,
    error: str | None = None,
) -> bool:
    values: dict[str, object] = {"state": state, "finished": now, "error": error, "owner": None, "lease_until": None}
    if counts is not None:
        values |= _count_values(counts)
    if errors is not None:
        values["errors"] = errors
    return _owned(connection, job, owner, values)


def release(
    connection: Connection,
    job: str,
    owner: str,
    due: datetime | None,
    *,
    counted: bool = True,
    error: str | None = None,
) -> bool:
    values: dict[str, object] = {"state": "queued", "owner": None, "lease_until": None, "error": error}
    change = _CHANGE_OWN if counted else _UNCOUNT_OWN
    if due is None:
        return _owned(connection, job, owner, values, change.values(due=jobs.c.created))
    return _owned(connection, job, owner, values | {"due": due}, change)


def cancel(connection: Connection, job: str, now: datetime) -> Job | None:
    queued = and_(jobs.c.id == job, jobs.c.state == "queued")
    ended = update(jobs).where(queued).values(state="cancelled", finished=now, cancel_requested=True)
    if not connection.execute(ended).rowcount:
        running = and_(jobs.c.id == job, jobs.c.state == "running")
        connection.execute(update(jobs).where(running).values(cancel_requested=True))
    return get(connection, job)


def _forget_later_times(
    connection: Connection, now: datetime, modes: Collection[str], longest_pause: timedelta
) -> None:
    """Makes jobs due after the clock was set back: they would wait again for a time that has passed once."""
    times = {"clock": now, "latest": now + longest_pause, "latest_of_all": now + LONGEST_PAUSE, "of": list(modes)}
    if connection.execute(_ANY_SET_BACK, times).scalar():
        connection.execute(_DUE_AFTER_ALL, times)


def _owned(
    connection: Connection, job: str, owner: str, values: dict[str, object], change: Update = _CHANGE_OWN
) -> bool:
    return connection.execute(change, values | {"job": job, "holder": owner}).rowcount == 1


def _of_the_dead(held: Sequence[Held], dead_owner: Callable[[str], bool]) -> list[str]:
    dead = {owner for owner in {one.owner for one in held} if dead_owner(owner)}
    return [one.job for one in held if one.owner in dead]


def _claimable(now: datetime, orphans: Collection[str]) -> Select[Any]:
    waiting = and_(jobs.c.state == "queued", jobs.c.due <= now)
    free = and_(waiting, or_(jobs.c.lane.is_(None), ~_lane_is_taken()))
    order = (jobs.c.priority.desc(), jobs.c.due, jobs.c.created, jobs.c.id)
    return _SELECT.where(or_(free, jobs.c.id.in_(orphans)) if orphans else free).order_by(*order).limit(1)


def _lane_is_taken() -> ColumnElement[bool]:
    other = jobs.alias()
    runs = other.c.state == "running"
    comes_first = and_(other.c.state == "queued", other.c.started.is_not(None), other.c.id < jobs.c.id)
    return exists().where(other.c.lane == jobs.c.lane, other.c.id != jobs.c.id, or_(runs, comes_first))


def _hand_out(connection: Connection, job: Job, owner: str, now: datetime, lease: float) -> Job:
    values: dict[str, object] = {
        "state": "running",
        "owner": owner,
        "lease_until": now + timedelta(seconds=lease),
        "attempts": job.attempts + (job.state != "running"),
        "started": job.started or now,
    }
    return _changed(connection, job, values)


def _give_up(connection: Connection, job: Job, now: datetime) -> Job:
    times = "1 attempt" if job.max_attempts == 1 else f"{job.max_attempts} attempts"
    reason = f"given up after {times}: {job.error or 'the worker stopped each time before the job had ended'}"
    return _changed(
        connection, job, {"state": "failed", "finished": now, "error": reason, "owner": None, "lease_until": None}
    )


def _changed(connection: Connection, job: Job, values: dict[str, object]) -> Job:
    connection.execute(_CHANGE, values | {"job": job.id})
    return _as_job(connection.execute(_BY_ID, {"job": job.id}).one())


def _count_values(counts: Counts) -> dict[str, object]:
    return {f"count_{name}": getattr(counts, name) for name in _COUNTS}


def _jobs(connection: Connection, query: Select[Any]) -> list[Job]:
    return [_as_job(row) for row in connection.execute(query)]


def _job(row: Row[Any] | None) -> Job | None:
    return None if row is None else _as_job(row)


def _as_job(row: Row[Any]) -> Job:
    values: list[Any] = [*row[:_FIRST], Counts(*row[_FIRST:_LAST]), *row[_LAST:]]
    return Job(*values)
