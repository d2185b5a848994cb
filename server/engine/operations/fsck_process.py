"""`fsck` beside a running server, in a process of its own: it reads for a long time and can be killed safely."""

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
    """`listed` are the first findings, damage before notes; `damage` and `notes` count all of them."""

    damage: int
    notes: int
    listed: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`found` is None where the check did not finish; `failure` says why."""

    began: datetime
    ended: datetime
    deep: bool
    found: Found | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class RunningCheck:
    began: datetime
    deep: bool


class FsckProcess:
    """One check at a time; the last report is kept as long as the server runs.

    * `start` starts a check, or returns False where one is running.
    * `close` kills a running check: a check changes nothing.
    """

    def __init__(self, data_dir: Path, tables: Callable[[], Collection[Table]], clock: Clock) -> None:
        self._data_dir = data_dir
        self._tables = tables
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._process: BaseProcess | None = None  # once it runs
        self._closing = False
        self.running: RunningCheck | None = None
        self.last: Report | None = None

    def start(self, *, deep: bool) -> bool:
        if self.running is not None:
            return False
        self.running = RunningCheck(self._clock(), deep)
        self._task = asyncio.create_task(self._run(self.running))
        return True

    async def wait(self) -> None:
        """Returns when no check is running."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        self._closing = True
        if self._process is not None:
            self._process.kill()
        await self.wait()

    async def _run(self, begun: RunningCheck) -> None:
        found, failure = None, None
        try:
            found = await self._in_process(begun.deep)
        except EOFError:
            failure = "the checking process was killed before it finished; the log may say more"
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            log.error("fsck failed", reason=failure)
        self.last = Report(begun.began, self._clock(), begun.deep, found, failure)
        self.running = None

    async def _in_process(self, deep: bool) -> Found:
        tables = await asyncio.to_thread(self._tables)
        ours, theirs = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=check_and_send, args=(theirs, self._data_dir, tables, deep), daemon=True)
        try:
            await asyncio.to_thread(process.start)
            theirs.close()  # otherwise the end of the process would never be noticed
            self._process = process
            if self._closing:
                process.kill()
            answer = await asyncio.to_thread(ours.recv)
        finally:
            self._process = None
            theirs.close()
            ours.close()
            await asyncio.to_thread(_reap, process)
        if isinstance(answer, Found):
            return answer
        raise RuntimeError(str(answer))


def check_and_send(pipe: Connection, data_dir: Path, tables: Collection[Table], deep: bool) -> None:
    """Runs a check and sends its result; the entry point of the checking process."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_IGN
        )  # Ctrl-C and the end of the terminal are for the server, which kills this process
    os.nice(_NICE)
    try:
        storage = open_storage(data_dir)
        try:
            answer: Found | str = collected(check(storage, tables, deep=deep))
        finally:
            storage.close_now()
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    pipe.send(answer)


def collected(findings: Iterable[Finding]) -> Found:
    """Counts all findings and keeps the first of each kind."""
    number = {True: 0, False: 0}
    kept: dict[bool, list[Finding]] = {True: [], False: []}
    for finding in findings:
        number[finding.damage] += 1
        if len(kept[finding.damage]) < _MOST_LISTED:
            kept[finding.damage].append(finding)
    return Found(number[True], number[False], (*kept[True], *kept[False])[:_MOST_LISTED])


def _reap(process: BaseProcess) -> None:
    if process.pid is not None:
        process.kill()
        process.join()
    process.close()
