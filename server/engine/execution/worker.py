"""The worker process of a slot, from both ends: spawned, long-lived, low in priority, limited in memory.

The parent sends orders and may ask the child to stop at the next checkpoint. The child answers with OrderBegun, sends
heartbeats while it works, and ends with one result. A child whose parent is gone exits at once: the next server
takes the job over.
"""

import asyncio
import gc
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from server.logs import LogFormat
from server.mapping.model.model import Model

_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the server's threads, locks and connections

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)  # how libraries end that are refused memory
_OUT_OF_MEMORY = "; it may have needed more memory than [jobs] memory_bytes allows"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    data_dir: Path
    memory_bytes: int = 2 * 1024**3  # address space, so that one job's blow-up ends as that job's error
    nice: int = 10
    log_format: LogFormat = "console"


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One job to run, with the models in force when it was dispatched."""

    job: str
    owner: str
    models: Mapping[str, Model]
    chunk_records: int


@dataclass(frozen=True, slots=True)
class OrderBegun:
    """The child has taken the order: if it dies from here on, the job may be the reason."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The child is alive, and has read this many records."""

    read: int


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """How an order ended.

    `done`: the job has its final state. `interrupted`: the job can continue in another worker. `later`: something
    passing is in the way, which costs no attempt. `retry`: another attempt may work. `failed`: no further attempt.
    """

    kind: Literal["done", "interrupted", "later", "retry", "failed"]
    message: str = ""


class WorkerDied(Exception):
    """The child ended without a result."""


class WorkerSilent(Exception):
    """The child sends no heartbeat. The same bytes would silence the next child, so the job fails."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the worker process gave no sign of life for {seconds:.0f} seconds ([jobs] stall_seconds) and was ended; "
            "something in the file or in the control file takes too long: change it, then import again"
        )


RunJob = Callable[[JobOrder, "JobSignals"], WorkerResult]
Entry = Callable[[Connection, WorkerConfig], None]  # what a worker process runs


@dataclass(frozen=True, slots=True)
class JobSignals:
    """A running job's link to the parent: `stop` is set if the job is to stop at a checkpoint."""

    stop: threading.Event
    heartbeat: Callable[[int], None]


class Worker:
    """The parent's end. It handles one order at a time."""

    def __init__(self, config: WorkerConfig, entry: Entry) -> None:
        self._config = config
        self._entry = entry
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._answers: asyncio.Queue[Heartbeat | WorkerResult | None] = asyncio.Queue()
        self.has_begun = False  # whether the child has taken the latest order

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        if self._process is None or not self._process.is_alive():
            await self.close()
            ours, theirs = _SPAWN.Pipe()
            self._process = _SPAWN.Process(target=self._entry, args=(theirs, self._config), daemon=True)
            await _to_its_end(asyncio.to_thread(self._process.start))
            theirs.close()
            self._connection = ours
            self._answers = asyncio.Queue()
            asyncio.get_running_loop().add_reader(ours.fileno(), self._receive)

    async def send(self, order: JobOrder) -> None:
        await self.start()
        assert self._connection is not None
        self.has_begun = False
        self._connection.send(order)

    async def answer(self, seconds: float) -> Heartbeat | WorkerResult:
        """Returns the child's next message. Raises TimeoutError after `seconds`, WorkerDied if the child ended."""
        async with asyncio.timeout(seconds):
            answer = await self._answers.get()
        if answer is None:
            raise WorkerDied(await self._reason_of_end())
        return answer

    def interrupt(self) -> None:
        if self._connection is not None:
            try:
                self._connection.send("stop")
            except OSError:
                return  # the child has ended: nothing to stop

    async def close(self) -> None:
        """Kills the child and waits for its end."""
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()
            self._connection = None
        process, self._process = self._process, None
        if process is not None and process.pid is not None:  # None: the process could not be started
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()

    def _receive(self) -> None:
        assert self._connection is not None
        try:
            answer = self._connection.recv()
            if isinstance(answer, OrderBegun):
                self.has_begun = True
            else:
                self._answers.put_nowait(answer)
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._answers.put_nowait(None)

    async def _reason_of_end(self) -> str:
        assert self._process is not None
        await asyncio.to_thread(self._process.join)
        code = self._process.exitcode or 0
        if code < 0:
            hint = _OUT_OF_MEMORY if -code in _CRASHES else ""
            return f"the worker process was ended by signal {signal.Signals(-code).name}{hint}"
        return f"the worker process ended with exit code {code}"


def serve_orders(connection: Connection, config: WorkerConfig, run_job: RunJob) -> None:
    """Runs orders in the child, one after another, until the parent goes away."""
    _set_up_process(config)
    orders: SimpleQueue[JobOrder] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, orders, stop), daemon=True).start()
    signals = JobSignals(stop, lambda read: _send(connection, Heartbeat(read)))
    while True:
        order = orders.get()
        _send(connection, OrderBegun())
        _send(connection, run_job(order, signals))


def _send(connection: Connection, answer: OrderBegun | Heartbeat | WorkerResult) -> None:
    try:
        connection.send(answer)
    except OSError:
        os._exit(0)  # no parent: raised in the job this would fail the job, which another worker continues


def _listen(connection: Connection, orders: "SimpleQueue[JobOrder]", stop: threading.Event) -> None:
    try:
        while True:
            message = connection.recv()
            if isinstance(message, JobOrder):
                stop.clear()  # here, in the order of the messages: a stop that came late was meant for the order before
                orders.put(message)
            else:
                stop.set()
    except (EOFError, OSError):
        os._exit(0)  # no parent: the worker that takes the job over must not find this one at work
    except BaseException:
        os._exit(1)  # without this thread the child would outlive its parent


def _set_up_process(config: WorkerConfig) -> None:
    # a terminal sends Ctrl-C and hang-ups to the whole group; the parent decides what they mean for a job
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    os.nice(config.nice)
    # a run makes millions of short-lived records and hardly any cycles: collecting them costs MARC imports 40 %
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    resource.setrlimit(resource.RLIMIT_AS, (config.memory_bytes, config.memory_bytes))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work in a thread even if cancelled: a child that is half started cannot be killed."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
