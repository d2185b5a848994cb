"""What all job executions share: how one is added, and the rounds (a batch with its job) that do its work."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.batches.scheduling import NewBatchFile, Plan, Scheduling, new_batch
from server.engine.errors import JobExecutionNotFound
from storage.catalog.folio import executions as sql
from storage.catalog.folio.execution_rows import NEW, Execution, NewExecution, Subordination

API = "folio"


def new_execution(
    caller: Caller,
    created: datetime,
    id: str,
    parent: str,
    subordination: Subordination,
    *,
    status: str = NEW,
    file_name: str | None = None,
    source_type: str = "FILES",
    profile: Mapping[str, object] | None = None,
) -> NewExecution:
    """Returns a job execution of the caller, to be added to the catalog."""
    return NewExecution(
        id=id,
        tenant=caller.tenant,
        parent=parent,
        subordination=subordination,
        created=created,
        source_type=source_type,
        status=status,
        file_name=file_name,
        user=caller.user,
        profile=profile,
    )


def new_round(
    connection: Connection,
    scheduling: Scheduling,
    created: datetime,
    tenant: str,
    execution: str,
    control: str,
    comment: str,
    file: NewBatchFile,
    lane: str | None = None,
) -> int:
    """Schedules a batch with its first file as a round of an execution, and returns the number of the batch."""
    properties = {"jobExecutionId": execution}
    new = new_batch(API, comment, created, control=control, tenant=tenant, properties=properties)
    batch = scheduling.schedule_new(connection, new, [file], Plan(lane=lane))
    sql.add_round(connection, execution, batch.id)
    return batch.id


def get_or_raise(connection: Connection, tenant: str, id: str) -> Execution:
    """Returns an execution of a tenant. Raises JobExecutionNotFound."""
    execution = sql.get(connection, tenant, id)
    if execution is None:
        raise JobExecutionNotFound(id)
    return execution
