"""Bulk loads as their clients know them: files by name, load records, and the transactions that load them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file kept under the name it came with; of several of one name the newest is meant."""

    number: int
    id: str
    name: str
    digest: str
    size: int
    hierarchy: str | None
    created: datetime
    created_by: int | None


@dataclass(frozen=True, slots=True)
class BulkLoad:
    """What was to be loaded, under a generated name. `file` is the id of the uploaded file."""

    number: int
    id: str
    name: str
    filename: str
    file: str | None
    description: str
    hierarchy: str | None
    owner: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Transaction:
    """One request to load a workbook, or the execution of what a request scheduled; then `scheduled_by` is the
    request's id, and both have the same job.

    `due` is set where it was scheduled. `parameters` are the request again, for a replay. `plan` describes the
    workbook's blocks once a worker has read it.
    """

    number: int
    id: str
    job: str
    action: str
    name: str
    filename: str
    hierarchy: str
    username: str
    submitted: datetime
    due: datetime | None
    timezone: int | None  # minutes east of UTC, as the client gave it
    load: str | None  # the id of its bulk load
    parameters: Mapping[str, Any]
    request_meta: Mapping[str, Any]
    plan: Sequence[Mapping[str, Any]] | None
    scheduled_by: str | None = None
