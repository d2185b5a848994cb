"""What is new among the jobs of some modes, as functions of a `Connection`. Every query is a short walk of an index."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from storage.queues.base import Job, first_job_id
from storage.queues.jobs import in_order
from storage.queues.tables import jobs

_AT_ONCE = 500  # ids in one statement


def look(connection: Connection, modes: Collection[str], since: datetime, known: Mapping[str, str]) -> list[Job]:
    """Jobs that run, jobs whose state is not the `known` one among those made or ended since then, and jobs that are
    known to run and do so no more; in the order they were made."""
    ours = jobs.c.mode.in_(modes)
    states = select(jobs.c.id, jobs.c.state).where(ours)
    running = set(connection.execute(select(jobs.c.id).where(jobs.c.state == "running", ours)).scalars())
    lately = [
        *connection.execute(states.where(jobs.c.id >= first_job_id(since))),
        *connection.execute(states.where(jobs.c.finished >= since)),
    ]
    changed = {id for id, state in lately if known.get(id) != state}
    no_more = {id for id, state in known.items() if state == "running"} - running
    return with_ids(connection, running | changed | no_more)


def with_ids(connection: Connection, ids: Collection[str]) -> list[Job]:
    """In the order they were made."""
    wanted = sorted(ids)
    return [
        job
        for start in range(0, len(wanted), _AT_ONCE)
        for job in in_order(connection, jobs.c.id.in_(wanted[start : start + _AT_ONCE]), by=(jobs.c.id,))
    ]


def running(connection: Connection, modes: Collection[str]) -> list[Job]:
    return in_order(connection, jobs.c.state == "running", jobs.c.mode.in_(modes), by=(jobs.c.id,))


def ended(
    connection: Connection, modes: Collection[str], since: datetime, after: str | None = None, limit: int = 200
) -> list[Job]:
    """In the order they ended; `after` is the last job of the page before, and `since` its end."""
    conditions = [jobs.c.finished >= since, jobs.c.mode.in_(modes)]
    if after is not None:
        conditions.append((jobs.c.finished > since) | (jobs.c.id > after))
    return in_order(connection, *conditions, by=(jobs.c.finished, jobs.c.id), limit=limit)
