"""Whether the engine can do all that it is for, found out by trying: each part is asked, and given a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from server.engine.definitions.definitions import Definitions
from server.engine.errors import DiskFull
from server.engine.operations.background import Background
from server.engine.operations.single_flight import Outstanding
from server.engine.uploads.uploads import Uploads
from server.logs import lost_lines
from storage.errors import StorageFull
from storage.opening import Storage

PATIENCE = 3.0  # seconds for a part to answer; all are asked at once

log = structlog.get_logger("penstock.engine")


@dataclass(frozen=True, slots=True)
class Problem:
    """`what` is wrong with a part of the house, and the way `out`. Names no path: anybody may read it."""

    part: str
    what: str
    out: str


@dataclass(frozen=True, slots=True)
class State:
    """Ready while there are no problems; a warning does not keep anybody from using the server."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        return not self.problems


class Probe:
    """A question to one part, and what it means when there is no good answer."""

    def __init__(self, part: str, ask: Callable[[], Awaitable[object]], complaint: str, out: str) -> None:
        self._part = part
        self._question = Outstanding(ask)
        self._complaint = complaint
        self._out = out

    async def problem(self, seconds: float) -> Problem | None:
        """None where the part answered well, and in time."""
        try:
            await self._question.answer(seconds)
        except TimeoutError:
            return self._said(f"not within {seconds:g} seconds")
        except DiskFull as error:
            return self._said(str(error))
        except Exception as error:
            log.warning("a part of the server does not work", part=self._part, reason=str(error))
            return self._said(f"{type(error).__name__}; the log says more")
        return None

    def _said(self, reason: str) -> Problem:
        return Problem(self._part, f"{self._complaint} ({reason})", self._out)


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
        look = "see that the disk is well and the data directory can be written; `penstock fsck` checks what it holds"
        held = "see that no other program holds the database; " + look
        self._probes = (
            Probe("catalog", self._read_catalog, "cannot be read", look),
            Probe("catalog", self._write_catalog, "takes no write", held),
            Probe("records", self._read_records, "cannot be read", look),
            Probe("blobs", self._write_blob, "take no file", look),
            Probe("disk", self._see_space, "has no room", "make room, or lower [limits] min_free_bytes"),
        )

    async def look(self) -> State:
        answers = await asyncio.gather(*(probe.problem(self.patience) for probe in self._probes))
        problems = [problem for problem in answers if problem is not None]
        return State((*problems, *self._work(), *self._unread()), (*self._refused(), *self._unlogged()))

    async def _read_catalog(self) -> None:
        await self._storage.catalog.read(self._storage.queue.get, "")

    async def _write_catalog(self) -> None:
        """Takes the lock and a transaction, and leaves nothing to write."""
        await self._storage.catalog.write(lambda connection: None)

    async def _read_records(self) -> None:
        await asyncio.to_thread(self._storage.records.tables)

    async def _write_blob(self) -> None:
        await asyncio.to_thread(self._try_blob)

    def _try_blob(self) -> None:
        try:
            writer = self._storage.blobs.writer()
        except StorageFull:
            return  # the disk's own probe says so
        try:
            writer.write(b"?")
        finally:
            writer.discard()

    async def _see_space(self) -> None:
        free, floor = await asyncio.to_thread(self._storage.free_bytes), self._uploads.limits.min_free_bytes
        if free < floor:
            raise DiskFull(free, floor)

    def _work(self) -> Iterator[Problem]:
        restart = "restart the server; its log has the reason"
        dispatcher = self._background.dispatcher
        if self._background.stopping:
            yield Problem("server", "it is stopping", "wait until it is back, or ask another one")
        elif dispatcher is None:
            yield Problem("jobs", "the dispatcher does not run", "wait for the start to end, or restart the server")
        elif dispatcher.slots_alive < dispatcher.slots:
            dead = dispatcher.slots - dispatcher.slots_alive
            yield Problem("jobs", f"{dead} of {dispatcher.slots} slots do not run", restart)
        elif not self._background.follow_ups.alive:
            yield Problem("errands", "mails and callbacks are not sent", restart)

    def _unread(self) -> Iterator[Problem]:
        if self._definitions.refused is None:
            yield Problem(
                "definitions", "models and processes have not been read", "wait for the start to end, or send SIGHUP"
            )

    def _refused(self) -> Iterator[Problem]:
        mistakes = self._definitions.refused
        if mistakes:
            what = f"the imports folder has {mistakes} mistakes, so what was read before stays in force"
            yield Problem("definitions", what, "correct them (`penstock models check`, or the log), then send SIGHUP")

    def _unlogged(self) -> Iterator[Problem]:
        lost = lost_lines()
        if lost:
            what = f"{lost} lines could not be written since the start of the server"
            yield Problem("log", what, "see that what takes the server's stderr works, and has room")
