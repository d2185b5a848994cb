"""Hands jobs to worker processes: one job per slot, each slot with its own process."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from server.engine.batches.lifecycle import IMPORTS, Lifecycle
from server.engine.clock import Clock
from server.engine.definitions.definitions import Definitions
from server.engine.events import Events, JobBegun, JobLeft, JobRead
from server.engine.execution.worker import (
    Entry,
    Heartbeat,
    JobOrder,
    Worker,
    WorkerConfig,
    WorkerDied,
    WorkerResult,
    WorkerSilent,
)
from server.engine.supervision import keep_going
from server.logs import format_in_force
from storage.errors import StorageError
from storage.opening import Storage
from storage.queues.base import FINAL, Job

_MOST_DOUBLINGS = 6  # of the pause before a job is tried again: about five minutes

log = structlog.get_logger("penstock.jobs")


@dataclass(frozen=True, slots=True)
class JobLimits:
    slots: int = 1
    attempts: int = 3
    chunk_records: int = 5000
    memory_bytes: int = 2 * 1024**3
    stall_seconds: float = 300.0  # a worker without a heartbeat for so long is killed
    lease_seconds: float = 30.0
    retry_seconds: float = 5.0  # the first pause before a job is tried again; each one doubles
    orders_per_worker: int = 200  # after so many, the process is replaced


class Dispatcher:
    """Claims jobs from the queue and runs them while the server runs.

    `worker` is the entry of its worker processes. `ended` is called with the id of each job that this server ended.
    """

    def __init__(
        self,
        storage: Storage,
        definitions: Definitions,
        limits: JobLimits,
        clock: Clock,
        *,
        worker: Entry,
        lifecycle: Lifecycle,
        ended: Callable[[str], None],
        events: Events | None = None,
    ) -> None:
        self._storage = storage
        self._entry = worker
        self._lifecycle = lifecycle
        self._definitions = definitions
        self._limits = limits
        self._clock = clock
        self._ended = ended
        self._events = events or Events()
        self._stopping = asyncio.Event()
        self._slots: list[asyncio.Task[None]] = []
        self._pauses: dict[str, int] = {}  # by job: how often it was deferred

    @property
    def slots(self) -> int:
        return self._limits.slots

    @property
    def slots_alive(self) -> int:
        return sum(not slot.done() for slot in self._slots)

    def start(self) -> None:
        self._slots = [asyncio.create_task(self._supervised(number)) for number in range(self._limits.slots)]

    async def stop(self, seconds: float = 7.0) -> None:
        """Lets running jobs reach a checkpoint, then kills their workers after `seconds`: the checkpoint is durable.

        Service managers usually wait ten seconds before they kill a service.
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
        worker = Worker(config, self._entry)
        served = 0
        try:
            while not self._stopping.is_set():
                if not await self._claim_and_run(worker, owner):
                    await self._idle(owner)
                    continue
                served += 1
                if served % self._limits.orders_per_worker == 0:
                    await worker.close()
        finally:
            await worker.close()

    async def _claim_and_run(self, worker: Worker, owner: str) -> bool:
        """Runs a job if one is due; returns whether it did. Errors end neither the slot nor the job."""
        try:
            await worker.start()
            job = await self._claim(owner)
        except Exception as error:
            self._log_error("the worker process could not be started", error)
            await worker.close()
            return False
        if job is not None:
            await self._run_or_leave(worker, job, owner)
        return job is not None

    async def _run_or_leave(self, worker: Worker, job: Job, owner: str) -> None:
        try:
            await self._run(worker, job, owner)
        except Exception as error:
            known = self._log_error("a job was left for the next claim", error, job=job.id)
            await worker.close()
            with suppress(StorageError):  # otherwise it is claimed again when its lease ends
                await self._storage.queue.release(
                    job.id, owner, self._retry_time(job), counted=not known, error=str(error)
                )

    def _log_error(self, event: str, error: Exception, **more: object) -> bool:
        """Logs an error, in one line if it is of storage (a lock, a disk, no descriptors); returns whether it is."""
        known = self._storage.translated(error)
        if isinstance(known, StorageError):
            log.warning(event, reason=str(known), **more)
            return True
        log.error(event, exc_info=error, **more)
        return False

    async def _claim(self, owner: str) -> Job | None:
        try:
            return await self._storage.queue.claim(
                owner,
                self._clock(),
                self._limits.lease_seconds,
                self._storage.presence.is_dead,
                self._give_up,
                IMPORTS,
                self._pause(_MOST_DOUBLINGS),
            )
        except Exception as error:
            # a full disk, for example: the jobs stay queued, and the next claim may work
            self._log_error("the job queue could not be read", error)
            return None

    def _give_up(self, connection: Connection, job: Job) -> None:
        self._lifecycle.give_up(connection, job, self._clock())
        self._storage.catalog.after_commit(connection, lambda: self._gone(job))

    def _gone(self, job: Job) -> None:
        log.error("job given up", job=job.id, error=job.error)

    async def _idle(self, owner: str) -> None:
        """Waits until a job may be due or the server stops."""
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
            after = await self._settle(job, owner, await self._result(worker, job, owner))
        finally:
            self._events.tell(JobLeft(job.id, after))

    async def _result(self, worker: Worker, job: Job, owner: str) -> WorkerResult:
        order = JobOrder(job.id, owner, dict(self._definitions.models), self._limits.chunk_records)
        try:
            await worker.send(order)
            interrupting = asyncio.create_task(self._interrupt_on_stop(worker))
            try:
                return await self._watch(worker, job, owner)
            finally:
                interrupting.cancel()
        except WorkerSilent as error:
            await worker.close()
            return WorkerResult("failed", str(error))
        except WorkerDied as error:
            await worker.close()
            return WorkerResult("retry" if worker.has_begun else "later", str(error))
        except OSError as error:  # the child ended before it had the order
            await worker.close()
            return WorkerResult("later", f"the worker process could not be reached: {error}")

    async def _interrupt_on_stop(self, worker: Worker) -> None:
        await self._stopping.wait()
        worker.interrupt()

    async def _watch(self, worker: Worker, job: Job, owner: str) -> WorkerResult:
        """Extends the lease while the worker sends heartbeats."""
        silent = 0.0
        beat = self._limits.lease_seconds / 3
        while True:
            try:
                answer = await worker.answer(beat)
                silent = 0.0
            except TimeoutError:
                answer = None
                silent += beat
            if isinstance(answer, WorkerResult):
                return answer
            if isinstance(answer, Heartbeat):
                self._events.tell(JobRead(job.id, answer.read))
            if silent >= self._limits.stall_seconds:
                raise WorkerSilent(silent)
            held = await self._storage.queue.extend(job.id, owner, self._clock(), self._limits.lease_seconds)
            if not held and not await self._has_ended(job):
                raise WorkerDied("the job was taken over by another process")

    async def _has_ended(self, job: Job) -> bool:
        """Whether the worker has written the end of the job, and is about to report it."""
        found = await self._current(job)
        return found is not None and found.state in FINAL

    async def _current(self, job: Job) -> Job | None:
        return await self._storage.catalog.read(self._storage.queue.get, job.id)

    async def _settle(self, job: Job, owner: str, result: WorkerResult) -> Job | None:
        """Releases the job or lets it end; returns the job as it then is."""
        if result.kind == "interrupted":
            await self._storage.queue.release(job.id, owner, None, counted=False)
            log.info("job paused at a checkpoint", job=job.id)
        elif result.kind in ("later", "retry"):
            await self._try_again(job, owner, result)
        else:
            await self._end(job, owner, result)
        after = await self._current(job)
        if after is not None and result.kind in ("done", "failed"):
            counts = {name: number for name, number in asdict(after.counts).items() if number}
            log.info("job ended", job=job.id, state=after.state, errors=after.errors, error=after.error, **counts)
        return after

    async def _try_again(self, job: Job, owner: str, result: WorkerResult) -> None:
        counted = result.kind == "retry"
        due = None if counted and job.attempts >= job.max_attempts else self._retry_time(job)
        await self._storage.queue.release(job.id, owner, due, counted=counted, error=result.message)
        log.warning("job will be tried again", job=job.id, attempt=job.attempts, reason=result.message)

    async def _end(self, job: Job, owner: str, result: WorkerResult) -> None:
        self._pauses.pop(job.id, None)
        if result.kind == "failed":
            now = self._clock()
            await self._storage.catalog.write(self._fail, job, owner, result, now)
        self._ended(job.id)

    def _fail(self, connection: Connection, job: Job, owner: str, result: WorkerResult, now: datetime) -> None:
        queue = self._storage.queue
        if queue.finish(connection, job.id, owner, "failed", now, error=result.message):
            ended = self._storage.queue.get(connection, job.id)
            assert ended is not None  # it has just been written
            self._lifecycle.give_up(connection, ended, now)

    def _retry_time(self, job: Job) -> datetime:
        """Returns when to try the job again: the pause doubles each time it is deferred."""
        times = self._pauses.get(job.id, 0)
        self._pauses[job.id] = min(times + 1, _MOST_DOUBLINGS)
        return self._clock() + self._pause(times)

    def _pause(self, times: int) -> timedelta:
        return timedelta(seconds=self._limits.retry_seconds * 2**times)
