"""The catalog: what was promised. Keys, control files, batches, their files, and what became of every record.

The functions in `storage.catalog.sql` are plain functions of a `Connection`; a Catalog is what runs them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")

BatchState = Literal["uploading", "ready", "scheduled", "running", "complete", "dry-run", "error", "cancelled"]
Level = Literal["info", "warning", "error"]
LogKind = Literal["start", "end", "exception", "cancelled", "note"]
OutcomeStatus = Literal["created", "updated", "unchanged", "deleted", "failed", "skipped"]
Operation = Callable[Concatenate[Connection, P], T]


class Catalog(Protocol):
    """Runs functions of a `Connection` on the catalog database.

    * The arguments after the function are passed to it, after the connection: `write(batches.add, new)`.
    * `write` runs the function in a transaction of its own and returns its result once the commit is durable.
    * When the function raises, nothing it wrote is kept, the error reaches its caller, and no other caller notices.
    * Concurrent writes are committed in groups; each still succeeds or fails alone. When one of a group fails, the
      others may be run again: a function changes nothing but the database.
    * `write` waits for other writers, in this process or another; it never fails because the database is busy.
    * `read` runs the function on one consistent snapshot; it sees every write answered before, and cannot write.
    * `write_now` and `read_now` do the same for synchronous code. They must not be called on the event loop, nor from
      inside a function that is itself being run by `write` or `write_now`.
    * A function never commits, never rolls back and never waits for anything but the database.
    * `after_commit` (called by a function that is being written) names something to do once the commit is durable;
      it is dropped when the function fails. It runs in the writer's thread and must be quick.
    * `changes` is a number that grows when others commit: another process, or a `write_now`. It is exact inside a
      function that is being written, and anywhere else at most half a second old.
    * A full disk is StorageFull for the callers concerned; later writes work again once there is space.
    * `close` finishes the writes that are waiting. A write after that is refused.
    """

    async def write(self, run: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    async def read(self, run: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def write_now(self, run: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def read_now(self, run: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def after_commit(self, connection: Connection, action: Callable[[], None]) -> None: ...

    def changes(self) -> int: ...

    async def close(self) -> None: ...

    def close_now(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret. `prefix` finds it, `hash` proves it."""

    id: int
    name: str
    prefix: str
    hash: str = field(repr=False)
    scopes: tuple[str, ...]
    tenants: tuple[str, ...]
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    replaced_by: int | None


@dataclass(frozen=True, slots=True)
class ControlFile:
    id: int
    api: str
    digest: str
    comment: str
    created: datetime


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be made. `control` is the digest it runs with; `created_by` the key's id."""

    identifier: str
    api: str
    comment: str
    created: datetime
    state: BatchState = "uploading"
    process: str | None = None
    control: str | None = None
    created_by: int | None = None
    tenant: str | None = None
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """`job` is the latest job of the batch, `errors` what its run counted."""

    id: int
    identifier: str
    api: str
    process: str | None
    comment: str
    control: str | None
    state: BatchState
    errors: int
    created: datetime
    created_by: int | None
    tenant: str | None
    properties: Mapping[str, object]
    job: str | None


@dataclass(frozen=True, slots=True)
class BatchFile:
    """`name` is the file's role in the control file, `filename` what the client called it."""

    id: int
    batch: int
    name: str
    filename: str | None
    digest: str
    size: int
    created: datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a run said once, as data; who shows a line makes its text.

    `position` is chosen by the writer, so that writing a line again overwrites it. `kind` says what happened: the run
    started, ended, was ended by an exception or on request, or had something to note. `message` is empty for a start
    and an end. `record` is the number of the record that a note is about.
    """

    position: int
    level: Level
    message: str
    created: datetime
    kind: LogKind = "note"
    record: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record of a job. `original` is the record as it came, cut to `ORIGINAL_BYTES`.

    `warnings` are its values that were lost or changed on the way: each has `what` happened, the `source` in the input,
    the `value`, and `destination` and `name` where it would have gone. None where there are none, or the record failed.
    """

    record: int
    status: OutcomeStatus
    file: str | None = None
    line: int | None = None
    message: str | None = None
    original: bytes | None = None
    detail: Mapping[str, object] | None = None
    warnings: Sequence[Mapping[str, str]] | None = None


ORIGINAL_BYTES = 64 * 1024
