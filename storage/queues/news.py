"""What has changed among the jobs, as functions of a `Connection` (see `JobReads`)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from storage.queues.base import Job, first_job_id
from storage.queues.jobs import in_order
from storage.queues.tables import jobs

_AT_ONCE = 500  # ids in one statement


def changed(connection: Connection, modes: Collection[str], since: datetime, known: Mapping[str, str]) -> list[Job]:
    ours = jobs.c.mode.in_(modes)
    states = select(jobs.c.id, jobs.c.state).where(ours)
    running = set(connection.execute(select(jobs.c.id).where(jobs.c.state == "running", ours)).scalars())
    lately = [
        *connection.execute(states.where(jobs.c.id >= first_job_id(since))),
        *connection.execute(states.where(jobs.c.finished >= since)),
    ]
    others = {id for id, state in lately if known.get(id) != state}
    no_more = {id for id, state in known.items() if state == "running"} - running
    return with_ids(connection, running | others | no_more)


def with_ids(connection: Connection, ids: Collection[str]) -> list[Job]:
    """Returns the jobs in the order they were made."""
    wanted = sorted(ids)
    return [
        job
        for start in range(0, len(wanted), _AT_ONCE)
        for job in in_order(connection, jobs.c.id.in_(wanted[start : start + _AT_ONCE]), by=(jobs.c.id,))
    ]


def ended_since(
    connection: Connection, modes: Collection[str], since: datetime, after: str | None = None, limit: int = 200
) -> list[Job]:
    conditions = [jobs.c.finished >= since, jobs.c.mode.in_(modes)]
    if after is not None:
        conditions.append((jobs.c.finished > since) | (jobs.c.id > after))
    return in_order(connection, *conditions, by=(jobs.c.finished, jobs.c.id), limit=limit)
