"""Job executions: what clients see of the imports of their files and records (FOLIO: change-manager)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Subordination = Literal["PARENT_SINGLE", "PARENT_MULTIPLE", "CHILD"]

NEW = "NEW"
FILE_UPLOADED = "FILE_UPLOADED"
RUNNING = "PARSING_IN_PROGRESS"
COMMITTED = "COMMITTED"
ERROR = "ERROR"
CANCELLED = "CANCELLED"
DISCARDED = "DISCARDED"
PARENT = "PARENT"  # of several files; it has no import of its own
FINAL = (COMMITTED, ERROR, CANCELLED, DISCARDED)
NOT_BEGUN = (NEW, FILE_UPLOADED)

FILE_FAULT = "FILE_PROCESSING_ERROR"  # the error status where a file as a whole could not be imported


@dataclass(frozen=True, slots=True)
class NewExecution:
    """An execution to add. One without a parent names itself as `parent`."""

    id: str
    tenant: str
    parent: str
    subordination: Subordination
    created: datetime
    source_type: str = "FILES"
    status: str = NEW
    file_name: str | None = None
    user: str | None = None
    profile: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """`status`, `completed` and the counts come from the jobs that did the work, once there are any.

    `whole`: no more records will come; `expected`: how many the client announced.
    """

    number: int
    id: str
    tenant: str
    hr_id: int
    parent: str
    subordination: Subordination
    source_type: str
    file_name: str | None
    user: str | None
    profile: Mapping[str, object] | None
    status: str
    error_status: str | None
    whole: bool
    expected: int | None
    created: datetime
    started: datetime | None
    completed: datetime | None
    rounds: int
    read: int
    stored: int
    failed: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a list; an empty one or None filters nothing. `sort` is a field and whether it descends."""

    statuses: Sequence[str] = ()
    not_statuses: Sequence[str] = ()
    file_name: str | None = None
    not_file_names: Sequence[str] = ()
    hr_id: int | None = None
    profiles: Sequence[str] = ()
    not_profiles: Sequence[str] = ()
    not_profile_name: str | None = None
    not_subordinations: Sequence[str] = ()
    user: str | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None
    sort: Sequence[tuple[str, bool]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that a client posted in one request. `batch` is None where there were none."""

    execution: str
    id: str
    batch: int | None
    records: int
    created: datetime
