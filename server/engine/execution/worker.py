"""A slot's worker process, seen from both ends: spawned, long-lived, low in priority, capped in memory.

The parent sends orders and may ask for a stop at the next checkpoint. The child says that it has begun an order, then
pulses while it works, and in the end one verdict. A child whose parent is gone ends at once: the parent's successor
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
class Order:
    """One job to run, with the models in force when it was dispatched."""

    job: str
    owner: str
    models: Mapping[str, Model]
    chunk_records: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The child has the order in hand: from here on its end may be the job's fault."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The child is alive and has read so many records."""

    read: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`done`: the job has its final state. `interrupted`: it can go on elsewhere. `later`: something is in the way.

    `retry`: it may work another time, but not for ever. `failed`: it must not be tried again.
    """

    kind: Literal["done", "interrupted", "later", "retry", "failed"]
    message: str = ""


class WorkerDied(Exception):
    """The child ended before it answered."""


class WorkerSilent(Exception):
    """The child gives no sign of life. The same bytes would silence the next one, so the job ends."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the worker process gave no sign of life for {seconds:.0f} seconds ([jobs] stall_seconds) and was ended; "
            "something in the file or in the control file takes too long: change it, then import again"
        )


Perform = Callable[[Order, "Signals"], Verdict]
Entry = Callable[[Connection, WorkerConfig], None]  # what a worker process runs


@dataclass(frozen=True, slots=True)
class Signals:
    """What a running job hears and says: `stop` is set when it should stop at a checkpoint."""

    stop: threading.Event
    pulse: Callable[[int], None]


class Worker:
    """The parent's end. Not safe for two orders at once."""

    def __init__(self, config: WorkerConfig, entry: Entry) -> None:
        self._config = config
        self._entry = entry
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._answers: asyncio.Queue[Pulse | Verdict | None] = asyncio.Queue()
        self.has_begun = False  # with the order that was sent last

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

    async def send(self, order: Order) -> None:
        await self.start()
        assert self._connection is not None
        self.has_begun = False
        self._connection.send(order)

    async def answer(self, seconds: float) -> Pulse | Verdict:
        """The next thing the child says; raises TimeoutError after `seconds` of silence, WorkerDied at its end."""
        async with asyncio.timeout(seconds):
            answer = await self._answers.get()
        if answer is None:
            raise WorkerDied(await self._last_words())
        return answer

    def interrupt(self) -> None:
        if self._connection is not None:
            try:
                self._connection.send("stop")
            except OSError:
                return  # it is gone already: nothing to stop

    async def close(self) -> None:
        """Ends the child, gently where it is idle; a child at work is killed."""
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()
            self._connection = None
        process, self._process = self._process, None
        if process is not None and process.pid is not None:  # else it could not be started
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()

    def _receive(self) -> None:
        assert self._connection is not None
        try:
            answer = self._connection.recv()
            if isinstance(answer, Begun):
                self.has_begun = True
            else:
                self._answers.put_nowait(answer)
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._answers.put_nowait(None)

    async def _last_words(self) -> str:
        assert self._process is not None
        await asyncio.to_thread(self._process.join)
        code = self._process.exitcode or 0
        if code < 0:
            hint = _OUT_OF_MEMORY if -code in _CRASHES else ""
            return f"the worker process was ended by signal {signal.Signals(-code).name}{hint}"
        return f"the worker process ended with exit code {code}"


def serve_orders(connection: Connection, config: WorkerConfig, perform: Perform) -> None:
    """The child's loop: one order after the other, until the parent goes away."""
    _settle_in(config)
    orders: SimpleQueue[Order] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, orders, stop), daemon=True).start()
    signals = Signals(stop, lambda read: _say(connection, Pulse(read)))
    while True:
        order = orders.get()
        _say(connection, Begun())
        _say(connection, perform(order, signals))


def _say(connection: Connection, answer: Begun | Pulse | Verdict) -> None:
    try:
        connection.send(answer)
    except OSError:
        os._exit(0)  # as an error of the job it would end the job, which goes on elsewhere


def _listen(connection: Connection, orders: "SimpleQueue[Order]", stop: threading.Event) -> None:
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Order):
                stop.clear()  # here, in the order of what was said: one that came late was for the order before
                orders.put(message)
            else:
                stop.set()
    except (EOFError, OSError):
        os._exit(0)  # no parent, no work: whoever takes over must not meet us
    except BaseException:
        os._exit(1)  # deaf, we would outlive our parent


def _settle_in(config: WorkerConfig) -> None:
    # the terminal's Ctrl-C, or its end, goes to the whole group; the parent decides what it means for a job
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    os.nice(config.nice)
    # a run makes millions of short-lived records and hardly any cycles: looking for those costs MARC 40 %
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    resource.setrlimit(resource.RLIMIT_AS, (config.memory_bytes, config.memory_bytes))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work in a thread even when it is cancelled: a child that is half started cannot be ended."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
