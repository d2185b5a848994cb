"""Job executions as functions of a `Connection`.

The result of an execution is not stored: it is read from the jobs of its rounds, so the two cannot disagree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from storage.catalog.folio.execution_rows import (
    CANCELLED,
    COMMITTED,
    ERROR,
    FILE_FAULT,
    FINAL,
    NOT_BEGUN,
    PARENT,
    RUNNING,
    Chunk,
    Execution,
    Filters,
    NewExecution,
)
from storage.catalog.tables import batches, job_executions, job_rounds, record_chunks
from storage.queues.tables import jobs
from storage.schema import UtcDateTime, many, one

_e = job_executions.c


def _done() -> Any:
    """Selects the results of the jobs of each execution."""
    state = jobs.c.state

    def count(*states: str) -> ColumnElement[int]:
        return func.sum(case((state.in_(states), 1), else_=0))

    return (
        select(
            job_rounds.c.execution,
            func.count().label("rounds"),
            count("queued", "running").label("active"),
            count("failed").label("broken"),
            count("cancelled").label("cancelled"),
            func.sum(jobs.c.count_read).label("read"),
            func.sum(jobs.c.count_failed).label("failed"),
            func.max(jobs.c.finished).label("finished"),
        )
        .join(jobs, jobs.c.batch == job_rounds.c.batch)
        .group_by(job_rounds.c.execution)
        .subquery("done")
    )


_d = _done()
_read, _failed = func.coalesce(_d.c.read, 0), func.coalesce(_d.c.failed, 0)
_nothing = case((_d.c.rounds.is_(None), _e.whole), else_=(_d.c.active == 0) & _e.whole & (_read == 0))
_file_fault = _nothing | (func.coalesce(_d.c.broken, 0) > 0)
_own = _e.status.in_((*FINAL, PARENT))
_status = case(
    (_own, _e.status),
    (_nothing, ERROR),
    (_d.c.rounds.is_(None), _e.status),
    (_d.c.active > 0, RUNNING),
    (_d.c.broken > 0, ERROR),
    (_d.c.cancelled > 0, CANCELLED),
    (~_e.whole, RUNNING),
    (_failed > 0, ERROR),
    else_=COMMITTED,
)
_completed = case(
    (_e.completed.is_not(None), _e.completed),
    (_status.in_(FINAL) & (_e.status != PARENT), func.coalesce(_d.c.finished, _e.started)),
)
_error_status = case(
    (_e.error_status.is_not(None), _e.error_status),
    (~_own & _file_fault & (_status == ERROR), literal(FILE_FAULT)),
)
_DERIVED: Mapping[str, Any] = {
    "status": _status,
    "error_status": _error_status,
    "completed": func.coalesce(_completed, None, type_=UtcDateTime()),
    "rounds": func.coalesce(_d.c.rounds, 0),
    "read": _read,
    "stored": _read - _failed,
    "failed": _failed,
}
_SELECT: Select[Any] = (
    select(*(_DERIVED.get(f.name, _e.get(f.name)) for f in fields(Execution)))
    .select_from(job_executions.outerjoin(_d, _d.c.execution == _e.id))
    .where(_e.deleted.is_(None))
)
_BY_ID = _SELECT.where(_e.tenant == bindparam("of_tenant"), _e.id == bindparam("with_id"))
_SORTS: Mapping[str, ColumnElement[Any]] = {
    "completed_date": _DERIVED["completed"],
    "started_date": _e.started,
    "progress_total": _read,
    "file_name": func.lower(_e.file_name),
    "status": _status,
    "job_profile_name": func.lower(_e.profile["name"].as_string()),
    "hrid": _e.hr_id,
    "job_user_first_name": _e.user,
    "job_user_last_name": _e.user,
}
SORTS: Collection[str] = frozenset(_SORTS)


def add(connection: Connection, new: NewExecution) -> None:
    """Adds an execution under the tenant's next number."""
    last = connection.execute(select(func.max(_e.hr_id)).where(_e.tenant == new.tenant)).scalar()
    values = asdict(new) | {"hr_id": (last or 0) + 1, "whole": False}
    connection.execute(insert(job_executions), values)


def exists(connection: Connection, id: str) -> bool:
    """Returns whether any tenant has a job execution with this id."""
    return connection.execute(select(_e.id).where(_e.id == id)).scalar() is not None


def get(connection: Connection, tenant: str, id: str) -> Execution | None:
    return one(Execution, connection.execute(_BY_ID, {"of_tenant": tenant, "with_id": id}).one_or_none())


def children(connection: Connection, tenant: str, parent: str, offset: int, limit: int) -> tuple[list[Execution], int]:
    matching = (_e.tenant == tenant, _e.parent == parent, _e.subordination == "CHILD")
    return _page(connection, _SELECT.where(*matching).order_by(_e.number), offset, limit)


def find(connection: Connection, tenant: str, filters: Filters, offset: int, limit: int) -> tuple[list[Execution], int]:
    """Returns a page and the total number. It leaves out parents of several files, and hidden profiles."""
    hidden = func.coalesce(_e.profile["hidden"].as_boolean(), False)
    visible = (_e.tenant == tenant, _e.subordination != "PARENT_MULTIPLE", hidden.is_(False))
    query = _SELECT.where(*visible, *_conditions(filters))
    order = [_SORTS[name].desc() if descends else _SORTS[name].asc() for name, descends in filters.sort]
    return _page(connection, query.order_by(*order, _e.number.desc()), offset, limit)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    profile, name = _e.profile["id"].as_string(), _e.profile["name"].as_string()
    among = [(_status, filters.statuses), (profile, filters.profiles)]
    not_among = [
        *((_status, filters.not_statuses), (_e.file_name, filters.not_file_names), (profile, filters.not_profiles)),
        *((_e.subordination, filters.not_subordinations),),
        (name, () if filters.not_profile_name is None else (filters.not_profile_name,)),
    ]
    equal = [(_e.hr_id, filters.hr_id), (_e.user, filters.user)]
    found = [place.in_(values) for place, values in among if values]
    found += [or_(place.is_(None), place.not_in(values)) for place, values in not_among if values]
    found += [place == value for place, value in equal if value is not None]
    if filters.file_name is not None:
        found.append(_like(_e.file_name, filters.file_name))
    completed = _DERIVED["completed"]
    if filters.completed_after is not None:
        found.append(completed >= filters.completed_after)
    if filters.completed_before is not None:
        found.append(completed <= filters.completed_before)
    return found


def _like(place: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether the field matches the pattern, in which `*` stands for any text."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return place.ilike(escaped, escape="\\")


def _page(connection: Connection, query: Select[Any], offset: int, limit: int) -> tuple[list[Execution], int]:
    total = connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
    return many(Execution, connection.execute(query.offset(offset).limit(limit))), total


def change(connection: Connection, id: str, values: Mapping[str, object]) -> None:
    connection.execute(update(job_executions).where(_e.id == id).values(**values))


def mark(connection: Connection, ids: Sequence[str], status: str, now: datetime) -> None:
    """Sets the status of executions whose import has not begun."""
    completed = now if status in FINAL else None
    begun = update(job_executions).where(_e.id.in_(ids), _e.status.in_(NOT_BEGUN))
    connection.execute(begun.values(status=status, completed=completed))


def delete(connection: Connection, tenant: str, ids: Sequence[str], now: datetime) -> set[str]:
    """Marks executions and their children as deleted; returns which of the ids existed."""
    named = (_e.tenant == tenant, _e.deleted.is_(None))
    found = set(connection.execute(select(_e.id).where(*named, _e.id.in_(ids))).scalars())
    gone = update(job_executions).where(*named, or_(_e.id.in_(found), _e.parent.in_(found)))
    connection.execute(gone.values(deleted=now))
    return found


def add_round(connection: Connection, execution: str, batch: int) -> None:
    connection.execute(insert(job_rounds), {"execution": execution, "batch": batch})


def open_round(connection: Connection, execution: str) -> int | None:
    """Returns the batch of a round that no worker has started; None where there is none."""
    query = select(batches.c.id).join(job_rounds, job_rounds.c.batch == batches.c.id)
    waiting = query.where(job_rounds.c.execution == execution, batches.c.state == "scheduled")
    return connection.execute(waiting.order_by(batches.c.id.desc()).limit(1)).scalar()


def has_rounds(connection: Connection, execution: str) -> bool:
    return connection.execute(select(job_rounds.c.batch).where(job_rounds.c.execution == execution)).first() is not None


def jobs_of(connection: Connection, execution: str) -> list[str]:
    """Returns the jobs of the execution's rounds, oldest first."""
    query = select(jobs.c.id).join(job_rounds, job_rounds.c.batch == jobs.c.batch)
    return list(connection.execute(query.where(job_rounds.c.execution == execution).order_by(jobs.c.id)).scalars())


def has_chunk(connection: Connection, execution: str, id: str) -> bool:
    query = select(record_chunks.c.id).where(record_chunks.c.execution == execution, record_chunks.c.id == id)
    return connection.execute(query).first() is not None


def add_chunk(connection: Connection, chunk: Chunk) -> None:
    connection.execute(insert(record_chunks), asdict(chunk))


def profiles(connection: Connection, tenant: str) -> list[Mapping[str, object]]:
    """Returns the profiles of the tenant's executions, each once."""
    query = select(_e.profile).where(_e.tenant == tenant, _e.profile.is_not(None), _e.deleted.is_(None))
    return list({str(found["id"]): found for found in connection.execute(query).scalars()}.values())


def users(connection: Connection, tenant: str) -> list[str]:
    query = select(_e.user).where(_e.tenant == tenant, _e.user.is_not(None), _e.deleted.is_(None)).distinct()
    return [str(user) for user in connection.execute(query.order_by(_e.user)).scalars()]
