"""For any workers and clocks, no job has two owners while leases hold, and none is lost."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.database import Database
from storage.opening import open_catalog
from storage.queues import jobs
from storage.queues.base import FINAL, FinalState, Job, NewJob
from storage.queues.leases import Leases

OWNERS = st.sampled_from("abc")
ATTEMPTS = 3
LEASE = 12


class Workers(RuleBasedStateMachine):
    """Keeps a plain model of who holds what, beside the real queue."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = open_catalog(Path(self.folder.name))
        self.now = datetime(2025, 1, 1, tzinfo=UTC)
        self.put: dict[str, int] = {}  # job -> attempts
        self.due: dict[str, datetime] = {}
        self.steady = 0.0
        self.leases = Leases(lambda: self.steady)
        self.held: dict[str, tuple[str, float]] = {}  # job -> owner, when it last said something
        self.ended: set[str] = set()
        self.dead: set[str] = set()

    def teardown(self) -> None:
        self.database.close_now()
        self.folder.cleanup()

    @initialize()
    def start(self) -> None:
        for _ in range(2):
            self.add(priority=0, delay=0)

    @rule(priority=st.integers(0, 2), delay=st.integers(0, 5))
    def add(self, priority: int, delay: int) -> None:
        due = self.now + timedelta(seconds=delay)
        name = f"job {len(self.put):03}"  # a random one would make the machine draw other things each time
        new = NewJob("import", "import", priority=priority, due=due, max_attempts=ATTEMPTS, id=name)
        job = self.database.write_now(jobs.put, new, self.now)
        self.put[job.id] = 0
        self.due[job.id] = due

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.steady += seconds

    @rule(hours=st.integers(0, 9000))
    def the_clock_jumps(self, hours: int) -> None:
        """Ahead: back, jobs that were put with a time of their own would wait for it."""
        self.now += timedelta(hours=hours)

    @rule(owner=OWNERS, lease=st.integers(1, LEASE))
    def claim(self, owner: str, lease: int) -> None:
        self.dead.discard(owner)
        given_up: list[Job] = []
        job = self.database.write_now(
            jobs.claim,
            owner,
            self.now,
            lease,
            self.dead.__contains__,
            lambda c, lost: given_up.append(lost),
            silent=self.leases.silent,
        )
        for lost in given_up:
            assert self.put[lost.id] == ATTEMPTS
            self.free(lost.id, lease)
            self.ended.add(lost.id)
        if job is None:
            assert not self.claimable()
            return
        self.put[job.id] += job.id not in self.held  # the end of an owner does not speak against the job
        self.free(job.id, lease)
        self.held[job.id] = (owner, self.steady)
        assert job.attempts == self.put[job.id] <= ATTEMPTS

    def claimable(self) -> list[str]:
        waiting = [job for job in self.put if job not in self.held and job not in self.ended]
        orphans = [job for job, (owner, _) in self.held.items() if owner in self.dead]
        return [job for job in waiting if self.due[job] <= self.now] + orphans

    def free(self, job: str, lease: int) -> None:
        """The job is going to another owner: no living one may hold it under a lease."""
        assert job not in self.ended
        if job in self.held:
            owner, heard = self.held[job]
            assert owner in self.dead or self.steady >= heard + lease
            del self.held[job]

    @rule(owner=OWNERS)
    def dies(self, owner: str) -> None:
        self.dead.add(owner)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        job, owner = self.somebodys(data)
        kept = self.database.write_now(jobs.extend, job, owner, self.now, LEASE)
        assert kept == self.owns(owner, job)
        if kept:
            self.held[job] = (owner, self.steady)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), state=st.sampled_from(FINAL))
    def finish(self, data: st.DataObject, state: FinalState) -> None:
        job, owner = self.somebodys(data)
        done = self.database.write_now(jobs.finish, job, owner, state, self.now)
        assert done == self.owns(owner, job)
        if done:
            del self.held[job]
            self.ended.add(job)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), counted=st.booleans(), delay=st.integers(0, 5))
    def release(self, data: st.DataObject, counted: bool, delay: int) -> None:
        job, owner = self.somebodys(data)
        due = self.now + timedelta(seconds=delay)
        back = self.database.write_now(jobs.release, job, owner, due, counted=counted)
        assert back == self.owns(owner, job)
        if back:
            del self.held[job]
            self.due[job] = due
            self.put[job] -= not counted

    @precondition(lambda self: len(self.ended) < len(self.put))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.put.keys() - self.ended)))
        after = self.database.write_now(jobs.cancel, job, self.now)
        assert after is not None
        if job not in self.held:
            self.ended.add(job)

    @invariant()
    def none_is_lost(self) -> None:
        found = {job.id: job.state for job in self.database.read_now(jobs.find, limit=1000)}
        expected = {
            job: "running" if job in self.held else "final" if job in self.ended else "queued" for job in self.put
        }
        assert {job: "final" if state in FINAL else state for job, state in found.items()} == expected

    def somebodys(self, data: st.DataObject) -> tuple[str, str]:
        """A job that is held, and an owner who may think it is theirs."""
        return data.draw(st.sampled_from(sorted(self.held))), data.draw(OWNERS)

    def owns(self, owner: str, job: str) -> bool:
        return job in self.held and self.held[job][0] == owner


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
