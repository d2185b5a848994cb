"""Which owners have stopped to extend their leases, by the monotonic clock: the time of day may jump."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from storage.queues.tables import jobs

LONGEST_STEP = 5.0  # seconds that one look may add: who was stopped in between has not heard what the others said

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
    """For callers that look once only, and so cannot know."""
    return ()


class Leases:
    """What this process has seen of the leases of all. The moment in a lease only tells one extension from another."""

    def __init__(self, steady: Steady = time.monotonic) -> None:
        self._steady = steady
        self._looked = steady()
        self._silence: dict[Held, float] = {}

    def silent(self, held: Sequence[Held], lease: float) -> Collection[str]:
        """The jobs that were not extended for as long as `lease`, while this process looked on."""
        now = self._steady()
        step, self._looked = min(now - self._looked, LONGEST_STEP), now
        self._silence = {one: self._silence[one] + step if one in self._silence else 0.0 for one in held}
        return [one.job for one, seconds in self._silence.items() if seconds >= lease]
