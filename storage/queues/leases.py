"""Finds owners that stopped extending their leases, by the monotonic clock: the time of day may jump."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from storage.queues.tables import jobs

LONGEST_STEP = 5.0  # seconds that one check may add: a process that was itself suspended has missed extensions

Steady = Callable[[], float]


class Held(NamedTuple):
    """A running job as its owner last extended it."""

    job: str
    owner: str
    until: datetime

    @classmethod
    def all(cls, connection: Connection) -> "list[Held]":
        columns = (jobs.c.id, jobs.c.owner, jobs.c.lease_until)
        return [cls(*row) for row in connection.execute(select(*columns).where(jobs.c.state == "running"))]


Silent = Callable[[Sequence[Held], float], Collection[str]]


def all_are_heard(held: Sequence[Held], lease: float) -> Collection[str]:
    """Returns no job: for callers that check only once, and so cannot know."""
    return ()


class Leases:
    """Tracks all leases as this process sees them. A lease's time only serves to tell one extension from another."""

    def __init__(self, steady: Steady = time.monotonic) -> None:
        self._steady = steady
        self._looked = steady()
        self._silence: dict[Held, float] = {}

    def silent(self, held: Sequence[Held], lease: float) -> Collection[str]:
        """Returns the jobs whose leases this process has seen unextended for `lease` seconds."""
        now = self._steady()
        step, self._looked = min(now - self._looked, LONGEST_STEP), now
        self._silence = {one: self._silence[one] + step if one in self._silence else 0.0 for one in held}
        return [one.job for one, seconds in self._silence.items() if seconds >= lease]
