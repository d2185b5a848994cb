"""Whether the engine can do its work: each part is tried, within a time limit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from server.engine.definitions.definitions import Definitions
from server.engine.errors import DiskFull
from server.engine.operations.background import Background
from server.engine.operations.single_flight import SingleFlight
from server.engine.uploads.uploads import Uploads
from server.logs import lost_lines
from storage.errors import StorageFull
from storage.opening import Storage

PATIENCE = 3.0  # seconds for a part to answer; all are tried at the same time

log = structlog.get_logger("penstock.engine")


@dataclass(frozen=True, slots=True)
class Problem:
    """`what` is wrong with a part of the server, and the way `out`. It names no path: readers need no key."""

    part: str
    what: str
    out: str


@dataclass(frozen=True, slots=True)
class State:
    """The server is ready while there are no problems; with warnings it can be used."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        return not self.problems


class Probe:
    """A trial of one part, and the problem that its failure means."""

    def __init__(self, part: str, attempt: Callable[[], Awaitable[object]], what: str, out: str) -> None:
        self._part = part
        self._attempt = SingleFlight(attempt)
        self._what = what
        self._out = out

    async def problem(self, seconds: float) -> Problem | None:
        """Returns the problem; None where the part works, and answers in time."""
        try:
            await self._attempt.answer(seconds)
        except TimeoutError:
            return self._problem(f"no answer within {seconds:g} seconds")
        except DiskFull as error:
            return self._problem(str(error))
        except Exception as error:
            log.warning("readiness check failed", part=self._part, reason=str(error))
            return self._problem(f"{type(error).__name__}; the log says more")
        return None

    def _problem(self, reason: str) -> Problem:
        return Problem(self._part, f"{self._what} ({reason})", self._out)


class Readiness:
    """`patience` is how long each part may take to answer."""

    def __init__(
        self,
        storage: Storage,
        definitions: Definitions,
        uploads: Uploads,
        background: Background,
        patience: float = PATIENCE,
    ) -> None:
        self._storage = storage
        self._definitions = definitions
        self._uploads = uploads
        self._background = background
        self.patience = patience
        disk = "check the disk and the permissions of the data directory; `penstock fsck` checks its content"
        lock = "check that no other program locks the database; " + disk
        self._probes = (
            Probe("catalog", self._read_catalog, "not readable", disk),
            Probe("catalog", self._write_catalog, "not writable", lock),
            Probe("record store", self._read_records, "not readable", disk),
            Probe("blob store", self._write_blob, "not writable", disk),
            Probe("disk", self._check_space, "full", "free some space, or lower [limits] min_free_bytes"),
        )

    async def check(self) -> State:
        answers = await asyncio.gather(*(probe.problem(self.patience) for probe in self._probes))
        problems = [problem for problem in answers if problem is not None]
        return State((*problems, *self._stopped(), *self._unread()), (*self._refused(), *self._unlogged()))

    async def _read_catalog(self) -> None:
        await self._storage.catalog.read(self._storage.queue.get, "")

    async def _write_catalog(self) -> None:
        """Takes the lock and a transaction, and writes nothing."""
        await self._storage.catalog.write(lambda connection: None)

    async def _read_records(self) -> None:
        await asyncio.to_thread(self._storage.records.tables)

    async def _write_blob(self) -> None:
        await asyncio.to_thread(self._try_blob)

    def _try_blob(self) -> None:
        try:
            writer = self._storage.blobs.writer()
        except StorageFull:
            return  # the probe of the disk reports it
        try:
            writer.write(b"?")
        finally:
            writer.discard()

    async def _check_space(self) -> None:
        free, floor = await asyncio.to_thread(self._storage.free_bytes), self._uploads.limits.min_free_bytes
        if free < floor:
            raise DiskFull(free, floor)

    def _stopped(self) -> Iterator[Problem]:
        restart = "restart the server; its log says why"
        dispatcher = self._background.dispatcher
        if self._background.stopping:
            yield Problem("server", "shutting down", "wait until it is back, or use another one")
        elif dispatcher is None:
            yield Problem(
                "jobs", "the dispatcher is not running", "wait until the start is complete, or restart the server"
            )
        elif dispatcher.slots_alive < dispatcher.slots:
            dead = dispatcher.slots - dispatcher.slots_alive
            yield Problem("jobs", f"{dead} of {dispatcher.slots} slots are not running", restart)
        elif not self._background.tasks.alive:
            yield Problem("background tasks", "not running, so no mail and no callback is sent", restart)

    def _unread(self) -> Iterator[Problem]:
        if self._definitions.refused is None:
            yield Problem(
                "definitions", "models and processes are not loaded", "wait until the start is complete, or send SIGHUP"
            )

    def _refused(self) -> Iterator[Problem]:
        mistakes = self._definitions.refused
        if mistakes:
            what = f"the imports folder has {mistakes} mistakes, so the earlier definitions stay in force"
            yield Problem("definitions", what, "correct them (`penstock processes check` lists them), then send SIGHUP")

    def _unlogged(self) -> Iterator[Problem]:
        lost = lost_lines()
        if lost:
            what = f"{lost} lines could not be written since the server started"
            yield Problem("log", what, "check the program or the disk that receives the server's stderr")
