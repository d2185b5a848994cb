"""Rows of uploads that clients announce first: definitions, their files, and uploads in parts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DefinitionStatus = Literal["NEW", "IN_PROGRESS", "LOADED", "COMPLETED", "ERROR"]


@dataclass(frozen=True, slots=True)
class FileDefinition:
    """A file. `digest`, `size` (bytes) and `uploaded` are set once it has arrived. `job` is its job execution."""

    id: str
    position: int
    name: str
    ui_key: str | None
    declared_size: int | None  # kB, as the client announced it
    created: datetime
    job: str | None
    digest: str | None
    size: int | None
    uploaded: datetime | None
    failed: bool  # the last attempt to send it broke off
    processed: datetime | None  # when its import was started


@dataclass(frozen=True, slots=True)
class UploadDefinition:
    """`created_by` and `updated_by` are ids of users; `status` and `create_date` may be cleared by their owner."""

    number: int
    id: str
    tenant: str
    status: DefinitionStatus | None
    create_date: datetime | None
    meta_job: str | None
    created: datetime
    created_by: str | None
    updated: datetime
    updated_by: str | None
    files: tuple[FileDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class FileExtension:
    """A file suffix: whether such files may be imported, and their data types."""

    id: str
    tenant: str
    extension: str
    import_blocked: bool
    data_types: tuple[str, ...]
    created: datetime
    created_by: str | None
    updated: datetime
    updated_by: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A login. `hash` is of the token; the token itself is not stored."""

    hash: str
    key: int
    kind: Literal["access", "refresh"]
    tenant: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """A file that comes in parts. `secret` signs the addresses that the parts are sent to."""

    id: str
    tenant: str
    path: str
    secret: str
    created: datetime


@dataclass(frozen=True, slots=True)
class StagedPart:
    upload: str
    number: int
    digest: str
    size: int
    created: datetime
