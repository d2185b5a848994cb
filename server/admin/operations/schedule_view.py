"""Describes a scheduled run in words."""

from dataclasses import dataclass
from datetime import datetime

from server.admin.batches.listing import path_of
from server.admin.rendering import Text
from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.batches.schedules import Schedule


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """`local` and `zone` are the time in the time zone that the client asked for; empty where it named none."""

    job: str
    due: datetime
    late: bool
    local: str
    zone: str
    link: Text
    kind: str
    made_by: str


def schedule_view(schedule: Schedule) -> ScheduleView:
    local = schedule.local
    return ScheduleView(
        job=schedule.job.id,
        due=schedule.job.due,
        late=schedule.late,
        local=f"{local:%Y-%m-%d %H:%M:%S}" if local else "",
        zone=f"{local:%Z}" if local else "",
        link=Text(_title(schedule), path_of(schedule.batch.identifier) if schedule.batch else None),
        kind=_kind(schedule) + _attempt(schedule),
        made_by=schedule.made_by or "",
    )


def _title(schedule: Schedule) -> str:
    if schedule.transaction:
        return schedule.transaction.filename
    return (schedule.batch.comment or schedule.batch.identifier) if schedule.batch else schedule.job.kind


def _kind(schedule: Schedule) -> str:
    if schedule.transaction:
        return "bulk load"
    if schedule.job.mode == BACKGROUND_TASK:
        return schedule.job.kind
    return "dry run" if schedule.job.mode == "dry-run" else "import"


def _attempt(schedule: Schedule) -> str:
    job = schedule.job
    return f", retried (attempt {job.attempts + 1} of {job.max_attempts})" if schedule.again else ""
