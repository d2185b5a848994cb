"""The tally of a run: counts of records, and log lines and outcomes that are not written yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from server.engine.clock import Clock, utc_now
from storage.catalog.base import Level, LogKind, LogLine, Outcome, OutcomeStatus
from storage.records.base import Checkpoint, Written

STATUSES: tuple[OutcomeStatus, ...] = ("created", "updated", "unchanged", "deleted", "failed", "skipped")

STORED: tuple[OutcomeStatus, ...] = ("created", "updated", "unchanged")
WITH_WARNINGS = "with_warnings"  # beside the sum: stored records that lost a value

# Haplo's framework replaces the 500th message by this one and drops the rest
MESSAGE_CAP = 500
TOO_MANY = "Too many errors in import batch, no further errors will be reported"
# keeps the log of a file with a million odd values readable: each record keeps its own warnings
WARNING_CAP = 500
TOO_MANY_WARNINGS = "Too many warnings, no further warnings are logged; each record keeps its own"
REMARK_CAP = 100
TOO_MANY_REMARKS = "Too many remarks about the files, no further remarks are logged"


@dataclass(slots=True)
class RunTally:
    """Counts and messages of one job. `lines` and `outcomes` are written with the chunk they belong to.

    `fraction` is how much of the input has been read, 0 to 1; None if unknown.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("read", *STATUSES, WITH_WARNINGS), 0))
    errors: int = 0
    position: int = 0  # of the next log line
    fraction: float | None = None
    hints: list[str] = field(default_factory=list)
    warned: int = 0  # warnings of records, including those beyond the cap
    remarks: list[str] = field(default_factory=list)  # sentences about the files that were logged
    lines: list[LogLine] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    clock: Clock = utc_now

    @property
    def has_begun(self) -> bool:
        """Whether the log has a first line."""
        return self.position > 0

    def log(self, message: str, level: Level = "info", *, kind: LogKind = "note", record: int | None = None) -> None:
        self.lines.append(LogLine(self.position, level, message, self.clock(), kind, record))
        self.position += 1

    def start(self) -> None:
        """Logs the first line of the run."""
        self.log("", kind="start")

    def end(self) -> None:
        """Logs the last line of the run."""
        self.log("", kind="end")

    def error(self, message: str, record: int | None = None) -> None:
        """Counts an error and logs it, up to the cap (Haplo: 499 messages, then one that says so)."""
        self.errors += 1
        if self.errors < MESSAGE_CAP:
            self.log(message, "error", record=record)
        elif self.errors == MESSAGE_CAP:
            self.log(TOO_MANY, "error")

    def warn(self, message: str, record: int | None = None) -> None:
        """Logs a warning, up to the cap. It is not an error: the record is stored."""
        self.warned += 1
        if self.warned < WARNING_CAP:
            self.log(message, "warning", record=record)
        elif self.warned == WARNING_CAP:
            self.log(TOO_MANY_WARNINGS, "warning")

    def remark(self, sentence: str) -> None:
        """Logs a remark about the job or one of its files. Each sentence is logged once, even across restarts."""
        if len(self.remarks) >= REMARK_CAP or sentence in self.remarks:
            return
        self.remarks.append(sentence)
        self.log(sentence if len(self.remarks) < REMARK_CAP else TOO_MANY_REMARKS, "warning")

    def fail(self, reason: str) -> None:
        """Counts and logs the error that ends the run, beyond the cap too."""
        self.errors += 1
        self.log(reason, "error", kind="exception")

    def count(self, status: OutcomeStatus, *, warned: bool = False) -> None:
        self.counts["read"] += 1
        self.counts[status] += 1
        if warned and status in STORED:
            self.counts[WITH_WARNINGS] += 1

    def count_many(self, written: Written) -> None:
        self.counts["read"] += sum(written)
        for status in ("created", "updated", "unchanged"):
            self.counts[status] += getattr(written, status)

    @contextmanager
    def rolled_back_on_error(self) -> Iterator[None]:
        """Takes back the counts and messages of a chunk that does not commit."""
        before = (dict(self.counts), self.errors, self.position, list(self.hints), self.fraction)
        warned, remarks = self.warned, list(self.remarks)
        try:
            yield
        except BaseException:
            self.counts, self.errors, self.position, self.hints, self.fraction = before
            self.warned, self.remarks = warned, remarks
            self.clear_pending()
            raise

    def clear_pending(self) -> None:
        """Forgets lines and outcomes that have been written."""
        self.lines.clear()
        self.outcomes.clear()

    def save(self, checkpoint: Checkpoint) -> None:
        checkpoint.counts = dict(self.counts)
        checkpoint.state |= {"errors": self.errors, "log": self.position, "warned": self.warned}
        checkpoint.state |= {"hints": list(self.hints), "remarks": list(self.remarks)}

    @classmethod
    def restore(cls, checkpoint: Checkpoint, clock: Clock = utc_now) -> "RunTally":
        state = checkpoint.state
        tally = cls(clock=clock)
        tally.counts.update(checkpoint.counts)
        tally.errors = int(str(state.get("errors", 0)))
        tally.position = int(str(state.get("log", 0)))
        tally.warned = int(str(state.get("warned", 0)))
        tally.hints = _texts(state.get("hints"))
        tally.remarks = _texts(state.get("remarks"))
        return tally


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []
