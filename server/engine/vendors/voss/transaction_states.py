"""Derives a transaction's status and texts from its job, and the ids of its parts and rows.

A request that schedules a load has ended as soon as the load record and the schedule exist. What happens at its time is
another transaction, made when the job begins or is given up (`execute_schedule`).
"""

import re
import secrets
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection

from server.engine.batches.schedules import LATE_AFTER
from server.engine.errors import NotFound, Refused
from server.engine.vendors.voss.bulk_plan import Described, PlannedRow
from storage.catalog.base import LogLine as LogLine
from storage.catalog.base import Outcome
from storage.catalog.voss import transactions as sql
from storage.catalog.voss import words
from storage.catalog.voss.rows import BulkLoad as BulkLoad
from storage.catalog.voss.rows import Transaction
from storage.catalog.voss.rows import UploadedFile as UploadedFile
from storage.catalog.voss.words import Status as Status
from storage.queues.base import FINAL, Job

Part = Literal["load", "schedule", "execute"]
PARTS: tuple[Part, ...] = ("load", "schedule", "execute")
FIRST_ROW = 16  # of the part numbers in an id; those below are the named parts


class TransactionNotFound(NotFound):
    kind = "Transaction"


class LoadFileNotFound(NotFound):
    kind = "Uploaded file"


class BulkLoadNotFound(NotFound):
    kind = "Bulk load"


class ScheduleNotFound(NotFound):
    kind = "Schedule"


class HierarchyUnknown(Refused):
    def __init__(self, hierarchy: str) -> None:
        super().__init__(f"The hierarchy {hierarchy[:80]!r} does not exist here; give a node's pkid or dotted path")


class HierarchyForbidden(Refused):
    def __init__(self, hierarchy: str) -> None:
        super().__init__(f"The key may not work in the hierarchy {hierarchy[:80]!r}")


class TransactionEnded(Refused):
    def __init__(self, id: str, schedule: str | None = None) -> None:
        way = f"; delete the schedule {schedule} to cancel its load" if schedule else ""
        super().__init__(f"Transaction {id} has ended already; only one that waits or runs can be canceled{way}")


@dataclass(frozen=True, slots=True)
class State:
    """A transaction and how its job stands. `execution`: the id of the transaction that executes its schedule."""

    transaction: Transaction
    job: Job
    execution: str | None = None

    @property
    def schedules(self) -> bool:
        """Whether the transaction only makes a schedule; the run is another transaction."""
        return self.transaction.due is not None and self.transaction.action == words.LOADS

    @property
    def past(self) -> bool:
        """Whether the scheduled time was in the past at the time of the request."""
        due = self.transaction.due
        return self.schedules and due is not None and due < self.transaction.submitted

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the transaction, in the order of their work."""
        if self.transaction.scheduled_by is not None:
            return ("execute",)
        waits = self.transaction.due is not None and self.job.started is None
        return ("load", "schedule") if self.schedules or waits else PARTS

    @property
    def started(self) -> datetime | None:
        return self.transaction.submitted if self.schedules else self.job.started

    @property
    def finished(self) -> datetime | None:
        return self.transaction.submitted if self.schedules else self.job.finished

    @property
    def status(self) -> Status:
        """The vendor's status. A load that ran is a success unless every row failed, because rows fail alone."""
        if self.schedules:
            return "Success"
        if self.job.state == "queued":
            return "Queued"
        if self.job.state == "running":
            return "Processing"
        failed = self.job.state != "done" or (self.job.counts.failed == self.job.counts.read > 0)
        return "Fail" if failed else "Success"

    @property
    def rows(self) -> Described:
        return Described(() if self.schedules else self.transaction.plan or ())

    @property
    def succeeded(self) -> int:
        return self.job.counts.read - self.job.counts.failed

    @property
    def message(self) -> str | None:
        if self.schedules:
            return words.scheduled_late(self.transaction.due) if self.past else None
        if self.job.state == "cancelled" or (self.job.cancel_requested and self.job.state == "running"):
            return words.CANCELED
        if self.job.state == "failed":
            return self.job.error
        if self.job.state != "done":
            return None
        return words.ended(self.succeeded, self.job.counts.failed)

    @property
    def detail(self) -> str:
        if self.schedules:
            return words.scheduled(self.transaction.filename, self.transaction.due)
        rows = self.rows
        return words.succeeded(self.succeeded, rows.total, rows.sheets, self.transaction.filename)

    @property
    def late(self) -> bool:
        due, started = self.transaction.due, self.job.started
        if self.schedules or due is None or started is None:
            return False
        return started - max(due, self.job.created) > LATE_AFTER

    @property
    def ended(self) -> bool:
        return self.schedules or self.job.state in FINAL

    def part_id(self, part: Part) -> str:
        return id_of(self.transaction, PARTS.index(part))

    def row_id(self, record: int) -> str:
        return id_of(self.transaction, FIRST_ROW + record)


@dataclass(frozen=True, slots=True)
class RowState:
    """One row of a load. `outcome` is set for rows that failed or have a message."""

    row: PlannedRow
    status: Status
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Found:
    """The object of an id: a whole transaction, one of its parts, or the row of a record."""

    state: State
    part: Part | None = None
    record: int | None = None

    @property
    def id(self) -> str:
        if self.record is not None:
            return self.state.row_id(self.record)
        return self.state.transaction.id if self.part is None else self.state.part_id(self.part)


def new_pkid() -> str:
    """Returns 24 random hexadecimal digits, the form of ids of the vendor's data resources."""
    return secrets.token_hex(12)


def execute_schedule(connection: Connection, job: Job, now: datetime) -> None:
    """Adds the transaction that executes a schedule, if the job's load was scheduled and has none yet."""
    asked = sql.of_job(connection, job.id) if "bulk" in job.payload else None
    if asked is None or asked.due is None or asked.action != words.LOADS:
        return
    values = {field.name: getattr(asked, field.name) for field in fields(asked) if field.name != "number"}
    own = {"id": str(uuid4()), "action": words.EXECUTES_SCHEDULE, "submitted": now, "scheduled_by": asked.id}
    sql.add(connection, values | own)


def schedule_pkid(transaction: Transaction) -> str:
    """Returns the pkid of a transaction's schedule."""
    return f"{_check(transaction):08x}{transaction.number:016x}"


def schedule_number(id: str) -> int | None:
    return int(id[8:], 16) if re.fullmatch(r"[0-9a-f]{24}", id) and int(id[8:], 16) < 2**63 else None


def row_status(state: State, record: int, outcome: Outcome | None) -> Status:
    if outcome is not None and outcome.status == "failed":
        return "Fail"
    if outcome is not None or record < state.job.counts.read:
        return "Success"
    return "Fail" if state.ended else "Queued"


def _check(transaction: Transaction) -> int:
    return int.from_bytes(sha256(transaction.id.encode()).digest()[:4], "big")


def id_of(transaction: Transaction, place: int) -> str:
    """Returns a UUID of version 8: the transaction's number, bits that cannot be guessed, and its part or row."""
    check = _check(transaction)
    bits = transaction.number << 80 | 0x8 << 76 | (check & 0xFFF) << 64 | 0b10 << 62
    return str(UUID(int=bits | (check >> 12 & 0xFFFFF) << 40 | place))


def parsed(id: str) -> tuple[int | None, int]:
    try:
        value = UUID(id)
    except ValueError:
        return None, 0
    return (value.int >> 80, value.int & (1 << 40) - 1) if value.version == 8 else (None, 0)
