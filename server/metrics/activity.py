"""Counts what this process's uploads and jobs have done, from the engine's events."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import product
from time import monotonic
from typing import get_args

from server.engine.batches.lifecycle import IMPORTS
from server.engine.events import Counts, Event, JobBegun, JobLeft, JobRead, UploadEnded, UploadResult

STATUSES = ("created", "updated", "unchanged", "deleted", "failed", "skipped")
WITH_WARNINGS = "with_warnings"  # of those stored
_COUNTED = (*STATUSES, WITH_WARNINGS)
WINDOW = 10  # heartbeats, one a second, over which a speed is measured
SILENCE = 3.0  # seconds without a heartbeat after which a job's speed falls

Clock = Callable[[], float]


class Running:
    """A job that a worker of this process runs."""

    def __init__(self, mode: str, counts: Counts, now: float) -> None:
        self.mode = mode
        self._counted = _by_status(counts)
        self._marks = deque([(now, counts.read)], maxlen=WINDOW + 1)

    def mark(self, now: float, records: int) -> None:
        self._marks.append((now, records))

    def more(self, counts: Counts) -> Mapping[str, int]:
        """Returns the counts since the last call; a job that went back to a checkpoint counts nothing twice."""
        found = _by_status(counts)
        more = {status: max(0, found[status] - self._counted[status]) for status in _COUNTED}
        self._counted = {status: max(found[status], self._counted[status]) for status in _COUNTED}
        return more

    def speed(self, now: float) -> float:
        (began, first), (last, records) = self._marks[0], self._marks[-1]
        until = now if now - last > SILENCE else last
        return max(0, records - first) / (until - began) if until > began else 0.0


class Activity:
    """Counters that the engine's events advance."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        # all labels start at zero, because Prometheus needs a first value for a rate
        self.uploads: Counter[str] = Counter(dict.fromkeys(get_args(UploadResult), 0))
        self.upload_bytes = 0
        self.records: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(IMPORTS, _COUNTED), 0))
        self.running: dict[str, Running] = {}

    def hear(self, event: Event) -> None:
        match event:
            case UploadEnded(result, size):
                self.uploads[result] += 1
                self.upload_bytes += size
            case JobRead(id, records):
                if id in self.running:
                    self.running[id].mark(self._clock(), records)
            case JobBegun(job):
                self.running[job.id] = Running(job.mode, job.counts, self._clock())
            case JobLeft(id, after):
                if after is not None:
                    self.count({id: after.counts})
                self.running.pop(id, None)

    def count(self, counts: Mapping[str, Counts]) -> None:
        """Adds the counts of running jobs, by job id."""
        for id, found in counts.items():
            job = self.running.get(id)
            if job is not None:
                for status, more in job.more(found).items():
                    self.records[job.mode, status] += more

    def speed(self) -> float:
        """Returns the records a second of all jobs that run in this process."""
        now = self._clock()
        return sum(job.speed(now) for job in self.running.values())


def _by_status(counts: Counts) -> dict[str, int]:
    numbers = asdict(counts)
    return {status: numbers[status] for status in _COUNTED}
