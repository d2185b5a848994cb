"""Queries for running, waiting, coming and ended jobs, as functions of a `Connection` (see `JobReads`)."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, literal_column, select, tuple_

from storage.queues.base import DueCursor, Job, Waiting
from storage.queues.jobs import in_order
from storage.queues.tables import jobs

_QUEUED = jobs.c.state == "queued"
_SOME_FAILED = jobs.c.count_failed > literal_column("0")  # to the letter as in the index


def running(connection: Connection, modes: Collection[str], limit: int | None = None) -> list[Job]:
    return in_order(connection, jobs.c.state == "running", jobs.c.mode.in_(modes), by=[jobs.c.started], limit=limit)


def waiting(connection: Connection, modes: Collection[str], now: datetime, most: int) -> Waiting:
    due = select(jobs.c.due).where(_QUEUED, jobs.c.due <= now, jobs.c.mode.in_(modes))
    number = connection.execute(select(func.count()).select_from(due.limit(most).subquery())).scalar_one()
    return Waiting(number, connection.execute(due.order_by(jobs.c.due).limit(1)).scalar())


def coming(connection: Connection, now: datetime, limit: int, after: DueCursor | None = None) -> list[Job]:
    page: tuple[ColumnElement[bool], ...] = (jobs.c.due > now,)
    if after is not None:
        place = tuple_(literal(after.due, jobs.c.due.type), after.id)  # as the column has it
        page = (jobs.c.due >= max(now, after.due), tuple_(jobs.c.due, jobs.c.id) > place)
    return in_order(connection, _QUEUED, *page, by=[jobs.c.due, jobs.c.id], limit=limit)


def late(connection: Connection, now: datetime, limit: int) -> list[Job]:
    overdue: tuple[ColumnElement[bool], ...] = (_QUEUED, jobs.c.due <= now, jobs.c.due > jobs.c.created)
    return in_order(connection, *overdue, by=[jobs.c.due, jobs.c.id], limit=limit)


def ended_lately(connection: Connection, modes: Collection[str], limit: int) -> list[Job]:
    by: list[ColumnElement[Any]] = [jobs.c.finished.desc()]
    return in_order(connection, jobs.c.finished.is_not(None), jobs.c.mode.in_(modes), by=by, limit=limit)


def failed_lately(connection: Connection, modes: Collection[str], limit: int) -> list[Job]:
    by: list[ColumnElement[Any]] = [jobs.c.finished.desc()]
    wanted = jobs.c.mode.in_(modes)
    failed = in_order(connection, jobs.c.state == "failed", wanted, by=by, limit=limit)
    partly = in_order(connection, _SOME_FAILED, jobs.c.finished.is_not(None), wanted, by=by, limit=limit)
    found = {job.id: job for job in (*failed, *partly)}
    return sorted(found.values(), key=lambda job: str(job.finished), reverse=True)[:limit]
