"""A check of everything stored, run beside the server in a process of its own: it reads for long, and can be ended."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog

from server.engine.clock import Clock
from server.engine.operations.fsck import Finding, check
from storage.opening import open_storage
from storage.records.base import Table

_SPAWN = multiprocessing.get_context("spawn")
_NICE = 10
_MOST_LISTED = 500

log = structlog.get_logger("penstock.engine")


@dataclass(frozen=True, slots=True)
class Found:
    """`listed` are the first findings, damage before what is only worth knowing; `damage` and `notes` count all."""

    damage: int
    notes: int
    listed: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`found` is None where the check could not be finished; `trouble` says why."""

    began: datetime
    ended: datetime
    deep: bool
    found: Found | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Underway:
    began: datetime
    deep: bool


class Inspection:
    """One check at a time; the last report is kept as long as the server runs.

    * `begin` starts one, or says False where one is under way.
    * `close` ends one that is under way: a check changes nothing.
    """

    def __init__(self, data_dir: Path, tables: Callable[[], Collection[Table]], clock: Clock) -> None:
        self._data_dir = data_dir
        self._tables = tables
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._process: BaseProcess | None = None  # once it runs
        self._closing = False
        self.underway: Underway | None = None
        self.last: Report | None = None

    def begin(self, *, deep: bool) -> bool:
        if self.underway is not None:
            return False
        self.underway = Underway(self._clock(), deep)
        self._task = asyncio.create_task(self._inspect(self.underway))
        return True

    async def wait(self) -> None:
        """Until none is under way."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        self._closing = True
        if self._process is not None:
            self._process.kill()
        await self.wait()

    async def _inspect(self, begun: Underway) -> None:
        found, trouble = None, None
        try:
            found = await self._apart(begun.deep)
        except EOFError:
            trouble = "the process that checked was ended before it was done; the log may say more"
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
            log.error("a check could not be made", reason=trouble)
        self.last = Report(begun.began, self._clock(), begun.deep, found, trouble)
        self.underway = None

    async def _apart(self, deep: bool) -> Found:
        tables = await asyncio.to_thread(self._tables)
        ours, theirs = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=inspect, args=(theirs, self._data_dir, tables, deep), daemon=True)
        try:
            await asyncio.to_thread(process.start)
            theirs.close()  # or its end would never be seen
            self._process = process
            if self._closing:
                process.kill()
            answer = await asyncio.to_thread(ours.recv)
        finally:
            self._process = None
            theirs.close()
            ours.close()
            await asyncio.to_thread(_bury, process)
        if isinstance(answer, Found):
            return answer
        raise RuntimeError(str(answer))


def inspect(pipe: Connection, data_dir: Path, tables: Collection[Table], deep: bool) -> None:
    """The entry of the process that checks."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the terminal's Ctrl-C, or its end, is for the server, which ends us
    os.nice(_NICE)
    try:
        storage = open_storage(data_dir)
        try:
            answer: Found | str = gathered(check(storage, tables, deep=deep))
        finally:
            storage.close_now()
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    pipe.send(answer)


def gathered(findings: Iterable[Finding]) -> Found:
    """Counts all, keeps the first of each sort."""
    number = {True: 0, False: 0}
    kept: dict[bool, list[Finding]] = {True: [], False: []}
    for finding in findings:
        number[finding.damage] += 1
        if len(kept[finding.damage]) < _MOST_LISTED:
            kept[finding.damage].append(finding)
    return Found(number[True], number[False], (*kept[True], *kept[False])[:_MOST_LISTED])


def _bury(process: BaseProcess) -> None:
    if process.pid is not None:
        process.kill()
        process.join()
    process.close()
