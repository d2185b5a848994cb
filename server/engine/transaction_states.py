"""A transaction as its job makes it: status, words, and the ids of its parts and rows. Pure."""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Literal
from uuid import UUID

from server.engine.bulk import Described, PlannedRow
from server.engine.errors import NotFound, Refused
from storage.catalog.base import LogLine as LogLine
from storage.catalog.base import Outcome
from storage.catalog.transactions import BulkLoad as BulkLoad
from storage.catalog.transactions import Transaction
from storage.catalog.transactions import UploadedFile as UploadedFile
from storage.queues.base import FINAL, Job

LATE_AFTER = timedelta(seconds=60)
CANCELLED = "Transaction canceled."

Part = Literal["load", "schedule", "execute"]
Status = Literal["Queued", "Processing", "Success", "Fail"]
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
    def __init__(self, id: str) -> None:
        super().__init__(f"Transaction {id} has ended already; only one that waits or runs can be canceled")


@dataclass(frozen=True, slots=True)
class State:
    """A transaction and how its job stands."""

    transaction: Transaction
    job: Job

    @property
    def status(self) -> Status:
        """A load that ran is a success unless every row of it failed: rows fail alone."""
        if self.job.state == "queued":
            return "Queued"
        if self.job.state == "running":
            return "Processing"
        failed = self.job.state != "done" or (self.job.counts.failed == self.job.counts.read > 0)
        return "Fail" if failed else "Success"

    @property
    def rows(self) -> Described:
        return Described(self.transaction.plan or ())

    @property
    def succeeded(self) -> int:
        return self.job.counts.read - self.job.counts.failed

    @property
    def message(self) -> str | None:
        if self.job.state == "cancelled" or (self.job.cancel_requested and self.job.state == "running"):
            return CANCELLED
        if self.job.state == "failed":
            return self.job.error
        if self.job.state != "done":
            return None
        return f"{self.succeeded} rows succeeded, {self.job.counts.failed} rows failed."

    @property
    def detail(self) -> str:
        described = self.rows
        sheets = f"[ {described.sheets} ] sheet in {self.transaction.filename}."
        return f"[ {self.succeeded}/{described.total} ] succeeded from {sheets}"

    @property
    def late(self) -> bool:
        due, started = self.transaction.due, self.job.started
        if due is None or started is None:
            return False
        return started - max(due, self.transaction.submitted) > LATE_AFTER

    @property
    def ended(self) -> bool:
        return self.job.state in FINAL

    def part_id(self, part: Part) -> str:
        return id_of(self.transaction, PARTS.index(part))

    def row_id(self, record: int) -> str:
        return id_of(self.transaction, FIRST_ROW + record)


@dataclass(frozen=True, slots=True)
class RowState:
    """One row of a load; `outcome` is there for rows that failed or had something said about them."""

    row: PlannedRow
    status: Status
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Found:
    """What an id named: a whole transaction, one of its parts, or the row of a record."""

    state: State
    part: Part | None = None
    record: int | None = None

    @property
    def id(self) -> str:
        if self.record is not None:
            return self.state.row_id(self.record)
        return self.state.transaction.id if self.part is None else self.state.part_id(self.part)


def new_pkid() -> str:
    """24 hexadecimal digits, as the vendor's data resources have."""
    return secrets.token_hex(12)


def schedule_pkid(transaction: Transaction) -> str:
    """Of the schedule of a transaction."""
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
    """A UUID of version 8: number of the transaction, some bits that nobody can guess, which part or row of it."""
    check = _check(transaction)
    bits = transaction.number << 80 | 0x8 << 76 | (check & 0xFFF) << 64 | 0b10 << 62
    return str(UUID(int=bits | (check >> 12 & 0xFFFFF) << 40 | place))


def parsed(id: str) -> tuple[int | None, int]:
    try:
        value = UUID(id)
    except ValueError:
        return None, 0
    return (value.int >> 80, value.int & (1 << 40) - 1) if value.version == 8 else (None, 0)
