"""Hands jobs to worker processes: a slot a job, each slot with a process of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from server.engine import perform
from server.engine.clock import Clock
from server.engine.definitions import Definitions
from server.engine.events import Events, JobBegun, JobLeft, JobRead
from server.engine.ledger import IMPORTS, abandon
from server.engine.supervising import keep_going
from server.engine.worker import Order, Pulse, Verdict, Worker, WorkerConfig, WorkerDied
from server.logs import format_in_force
from storage.opening import Storage
from storage.queues import jobs
from storage.queues.base import FINAL, Job

log = structlog.get_logger("penstock.jobs")


@dataclass(frozen=True, slots=True)
class JobLimits:
    slots: int = 1
    attempts: int = 3
    chunk_records: int = 5000
    memory_bytes: int = 2 * 1024**3
    stall_seconds: float = 300.0  # without a sign of life for so long, a worker is ended
    lease_seconds: float = 30.0
    retry_seconds: float = 5.0  # the first pause before a job is tried again; it doubles
    orders_per_worker: int = 200  # then the process is replaced


class Dispatcher:
    """Runs while the server does. `ended` is told the id of every job that this process brought to its end."""

    def __init__(
        self,
        storage: Storage,
        definitions: Definitions,
        limits: JobLimits,
        clock: Clock,
        ended: Callable[[str], None],
        events: Events | None = None,
    ) -> None:
        self._storage = storage
        self._definitions = definitions
        self._limits = limits
        self._clock = clock
        self._ended = ended
        self._events = events or Events()
        self._stopping = asyncio.Event()
        self._slots: list[asyncio.Task[None]] = []

    @property
    def slots(self) -> int:
        return self._limits.slots

    @property
    def slots_alive(self) -> int:
        return sum(not slot.done() for slot in self._slots)

    def start(self) -> None:
        self._slots = [asyncio.create_task(self._supervised(number)) for number in range(self._limits.slots)]

    async def stop(self, seconds: float = 7.0) -> None:
        """Lets running jobs reach a checkpoint; after `seconds` their workers are ended: the checkpoint is safe.

        Who stops a service gives it ten seconds, as a rule.
        """
        self._stopping.set()
        if self._slots:
            _, late = await asyncio.wait(self._slots, timeout=seconds)
            for slot in late:
                slot.cancel()
            await asyncio.gather(*self._slots, return_exceptions=True)

    async def _supervised(self, number: int) -> None:
        await keep_going(f"slot {number}", lambda: self._slot(number), self._stopping, self._limits.retry_seconds)

    async def _slot(self, number: int) -> None:
        owner = self._storage.presence.owner(str(number))
        config = WorkerConfig(self._storage.data_dir, self._limits.memory_bytes, log_format=format_in_force())
        worker = Worker(config, perform.main)
        served = 0
        try:
            while not self._stopping.is_set():
                if not await self._turn(worker, owner):
                    await self._idle(owner)
                    continue
                served += 1
                if served % self._limits.orders_per_worker == 0:
                    await worker.close()
        finally:
            await worker.close()

    async def _turn(self, worker: Worker, owner: str) -> bool:
        """Runs a job, where there is one. The slot outlives what goes wrong; the job goes on when its lease ends."""
        try:
            await worker.start()
            job = await self._claim(owner)
            if job is not None:
                await self._run(worker, job, owner)
            return job is not None
        except Exception:
            log.exception("a job was left to whoever claims it next")
            await worker.close()
            return False

    async def _claim(self, owner: str) -> Job | None:
        try:
            return await self._storage.queue.claim(
                owner, self._clock(), self._limits.lease_seconds, self._storage.presence.is_dead, self._give_up, IMPORTS
            )
        except Exception:
            # a full disk, say: the jobs are safe where they are, and the next look may find it mended
            log.exception("the job queue could not be read")
            return None

    def _give_up(self, connection: Connection, job: Job) -> None:
        abandon(self._storage.queue, connection, job, self._clock())
        self._storage.catalog.after_commit(connection, lambda: self._gone(job))

    def _gone(self, job: Job) -> None:
        log.error("job given up", job=job.id, error=job.error)

    async def _idle(self, owner: str) -> None:
        """Until a job may be there, or the server stops."""
        waiting = asyncio.create_task(self._storage.queue.wait(2.0, owner))
        stopping = asyncio.create_task(self._stopping.wait())
        _, pending = await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, worker: Worker, job: Job, owner: str) -> None:
        log.info("job started", job=job.id, api=job.kind, mode=job.mode, attempt=job.attempts)
        self._events.tell(JobBegun(job))
        after: Job | None = None
        try:
            after = await self._settle(job, owner, await self._verdict(worker, job, owner))
        finally:
            self._events.tell(JobLeft(job.id, after))

    async def _verdict(self, worker: Worker, job: Job, owner: str) -> Verdict:
        order = Order(job.id, owner, dict(self._definitions.models), self._limits.chunk_records)
        try:
            await worker.send(order)
            interrupting = asyncio.create_task(self._interrupt_on_stop(worker))
            try:
                return await self._watch(worker, job, owner)
            finally:
                interrupting.cancel()
        except (WorkerDied, OSError) as error:
            await worker.close()
            return Verdict("retry", str(error))

    async def _interrupt_on_stop(self, worker: Worker) -> None:
        await self._stopping.wait()
        worker.interrupt()

    async def _watch(self, worker: Worker, job: Job, owner: str) -> Verdict:
        """Extends the lease while the worker gives signs of life."""
        silent = 0.0
        beat = self._limits.lease_seconds / 3
        while True:
            try:
                answer = await worker.answer(beat)
                silent = 0.0
            except TimeoutError:
                answer = None
                silent += beat
            if isinstance(answer, Verdict):
                return answer
            if isinstance(answer, Pulse):
                self._events.tell(JobRead(job.id, answer.read))
            if silent >= self._limits.stall_seconds:
                raise WorkerDied(f"the worker process gave no sign of life for {silent:.0f} seconds and was ended")
            held = await self._storage.queue.extend(job.id, owner, self._clock(), self._limits.lease_seconds)
            if not held and not await self._has_ended(job):
                raise WorkerDied("the job was taken over by another process")

    async def _has_ended(self, job: Job) -> bool:
        """The worker may have written the end already, and be about to say so."""
        found = await self._found(job)
        return found is not None and found.state in FINAL

    async def _found(self, job: Job) -> Job | None:
        return await self._storage.catalog.read(lambda connection: jobs.get(connection, job.id))

    async def _settle(self, job: Job, owner: str, verdict: Verdict) -> Job | None:
        """Gives the job back or lets it end; the job as it is then."""
        now = self._clock()
        if verdict.kind == "interrupted":
            await self._storage.queue.release(job.id, owner, now, counted=False)
            log.info("job paused at a checkpoint", job=job.id)
        elif verdict.kind == "retry":
            pause = self._limits.retry_seconds * 2 ** min(job.attempts - 1, 6)
            due = now if job.attempts >= job.max_attempts else now + timedelta(seconds=pause)
            await self._storage.queue.release(job.id, owner, due, error=verdict.message)
            log.warning("job will be tried again", job=job.id, attempt=job.attempts, reason=verdict.message)
        else:
            self._ended(job.id)
        after = await self._found(job)
        if after is not None and verdict.kind == "done":
            counts = {name: number for name, number in asdict(after.counts).items() if number}
            log.info("job ended", job=job.id, state=after.state, errors=after.errors, error=after.error, **counts)
        return after
