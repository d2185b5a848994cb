"""Uploaded files, bulk loads and transactions as functions of a `Connection`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, update

from storage.catalog.tables import bulk_loads, transactions, uploaded_files
from storage.catalog.voss.rows import BulkLoad, Transaction, UploadedFile
from storage.schema import columns_of, many, one

_FILE = select(*columns_of(uploaded_files, UploadedFile))
_LOAD = select(*columns_of(bulk_loads, BulkLoad))
_TRANSACTION = select(*columns_of(transactions, Transaction))
_executions = transactions.alias()


def add_file(
    connection: Connection,
    *,
    id: str,
    name: str,
    digest: str,
    size: int,
    hierarchy: str | None,
    created: datetime,
    created_by: int | None,
) -> UploadedFile:
    values: dict[str, Any] = {
        "id": id,
        "name": name,
        "digest": digest,
        "size": size,
        "hierarchy": hierarchy,
        "created": created,
        "created_by": created_by,
    }
    return UploadedFile(number=_inserted(connection.execute(insert(uploaded_files), values)), **values)


def find_file(connection: Connection, called: str, created_by: int | None = None) -> UploadedFile | None:
    """Returns the newest file of this name, or the one with this id; with `created_by`, only a file of that key."""
    named = or_(uploaded_files.c.name == called, uploaded_files.c.id == called)
    query = _FILE.where(named).order_by((uploaded_files.c.name == called).desc(), uploaded_files.c.number.desc())
    if created_by is not None:
        query = query.where(uploaded_files.c.created_by == created_by)
    return one(UploadedFile, connection.execute(query.limit(1)).one_or_none())


def add_load(connection: Connection, values: Mapping[str, Any]) -> BulkLoad:
    return BulkLoad(number=_inserted(connection.execute(insert(bulk_loads), dict(values))), **values)


def get_load(connection: Connection, id: str) -> BulkLoad | None:
    return one(BulkLoad, connection.execute(_LOAD.where(bulk_loads.c.id == id)).one_or_none())


def get_loads(connection: Connection, ids: Collection[str]) -> dict[str, BulkLoad]:
    """Returns the loads that exist, by id."""
    found = many(BulkLoad, connection.execute(_LOAD.where(bulk_loads.c.id.in_(ids))))
    return {load.id: load for load in found}


def remove_loads(connection: Connection, ids: Collection[str]) -> None:
    connection.execute(delete(bulk_loads).where(bulk_loads.c.id.in_(ids)))


def find_loads(
    connection: Connection, within: Collection[str], skip: int, limit: int, *, count: bool = True
) -> tuple[list[BulkLoad], int]:
    """Returns a page, newest first, and the total number: loads at or below one of the hierarchies, or all."""
    condition = _within(bulk_loads.c.hierarchy, within)
    page = _LOAD.where(condition).order_by(bulk_loads.c.number.desc()).offset(skip).limit(limit)
    total = select(func.count()).select_from(bulk_loads).where(condition)
    return many(BulkLoad, connection.execute(page)), connection.execute(total).scalar_one() if count else 0


def add(connection: Connection, values: Mapping[str, Any]) -> Transaction:
    return Transaction(number=_inserted(connection.execute(insert(transactions), dict(values))), **values)


def get(connection: Connection, id: str) -> Transaction | None:
    return one(Transaction, connection.execute(_TRANSACTION.where(transactions.c.id == id)).one_or_none())


def with_number(connection: Connection, number: int) -> Transaction | None:
    return one(Transaction, connection.execute(_TRANSACTION.where(transactions.c.number == number)).one_or_none())


def of_job(connection: Connection, job: str) -> Transaction | None:
    """Returns the transaction of a job. If its load was scheduled and has started, that is the schedule's execution."""
    query = _TRANSACTION.where(transactions.c.job == job).order_by(transactions.c.number.desc()).limit(1)
    return one(Transaction, connection.execute(query).one_or_none())


def execution_of(connection: Connection, id: str) -> str | None:
    """Returns the id of the transaction that executes this one's schedule; None before its time."""
    query = select(transactions.c.id).where(transactions.c.scheduled_by == id)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def find(
    connection: Connection,
    within: Collection[str],
    skip: int,
    limit: int,
    *,
    scheduled: bool = False,
    of_jobs: Select[Any] | None = None,
    count: bool = True,
) -> tuple[list[Transaction], int]:
    """Returns a page, newest first, and the total number.

    `scheduled` limits it to schedules whose execution has not begun, `of_jobs` to the ids of jobs that it selects.
    """
    condition = _within(transactions.c.hierarchy, within)
    if scheduled:
        begun = select(_executions.c.scheduled_by).where(_executions.c.scheduled_by == transactions.c.id)
        waits = transactions.c.due.is_not(None) & transactions.c.scheduled_by.is_(None)
        condition = condition & waits & ~begun.exists()
    if of_jobs is not None:
        condition = condition & transactions.c.job.in_(of_jobs)
    page = _TRANSACTION.where(condition).order_by(transactions.c.number.desc()).offset(skip).limit(limit)
    total = select(func.count()).select_from(transactions).where(condition)
    return many(Transaction, connection.execute(page)), connection.execute(total).scalar_one() if count else 0


def set_plan(connection: Connection, job: str, plan: Sequence[Mapping[str, object]]) -> None:
    found = of_job(connection, job)
    if found is not None:
        connection.execute(update(transactions).where(transactions.c.number == found.number).values(plan=list(plan)))


def _within(column: ColumnElement[Any], hierarchies: Collection[str]) -> ColumnElement[bool]:
    below = [or_(column == node, column.startswith(node + ".", autoescape=True)) for node in hierarchies]
    return or_(*below) if below else column.is_(None) | column.is_not(None)


def _inserted(result: Any) -> int:
    number: int = result.inserted_primary_key[0]
    return number
