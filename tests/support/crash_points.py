"""A program that runs one job over and over, dying at another step each time: the tests look at what it leaves.

    crash_points.py PREPARED WORK points      dies at step 1, 2, 3 … of a fresh copy each, then runs the job to its end
    crash_points.py PREPARED WORK every N     on one copy, dies at step N of every run until one comes to its end
    crash_points.py PREPARED WORK worker N    likewise, but as a worker whose server lives on and gives the job back
    crash_points.py PREPARED WORK times N T   on one copy, dies at step N of T runs, then runs the job to its end
    crash_points.py PREPARED WORK once N      on one copy, dies at step N of one run

Prints a JSON list of {"step": name, "folder": copy}. Each run is a forked process, so that its death is a real one.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.engine.execution.worker import JobOrder, JobSignals
from server.engine.worker_process import job_runner, lifecycle_of
from server.mapping.model.model import Model, parse_model
from storage.catalog.base import Catalog
from storage.opening import open_catalog, open_storage
from storage.queues import jobs
from storage.queues.base import Job
from storage.records.base import Checkpoint, Chunk, RecordStore, Session, Table

NOW = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
NEVER = 0
DEAD, NOTHING_TO_DO = 9, 3
CHUNK = 2
MOST_RUNS = 200


class Steps:
    """Counts what a run does to its stores; at step `last` the process is gone."""

    def __init__(self, last: int, report: Path) -> None:
        self._last = last
        self._report = report
        self._taken = 0

    def __call__(self, name: str) -> None:
        self._taken += 1
        if self._taken == self._last:
            self._report.write_text(name)
            os._exit(DEAD)


class DyingCatalog:
    def __init__(self, inner: Catalog, step: Steps) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write_now(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._step("before a catalog write")
        result = self._inner.write_now(operation, *args, **kwargs)
        self._step("after a catalog write")
        return result


class DyingRecords:
    def __init__(self, inner: RecordStore, step: Steps) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def ensure(self, tables: Sequence[Table]) -> None:
        self._step("before the tables")
        self._inner.ensure(tables)

    def session(self, job: str, tables: Sequence[Table], *, dry_run: bool = False) -> "DyingSession":
        self._step("before the session")
        return DyingSession(self._inner.session(job, tables, dry_run=dry_run), self._step)

    def forget(self, job: str) -> None:
        self._step("before the checkpoint is dropped")
        self._inner.forget(job)
        self._step("after the checkpoint is dropped")


class DyingSession:
    def __init__(self, inner: Session, step: Steps) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def chunk(self, checkpoint: Checkpoint) -> Iterator[Chunk]:
        self._step("before a chunk")
        with self._inner.chunk(checkpoint) as chunk:
            yield chunk
            self._step("before a chunk's commit")
        self._step("after a chunk's commit")


def run_job(data_dir: Path, dies_at: int, report: Path) -> int:
    """Claims the job as a server would and performs it; the exit code of the process."""
    storage = open_storage(data_dir)
    owner = storage.presence.owner("0")

    def give_up(connection: Any, job: Job) -> None:
        lifecycle_of(storage.queue).give_up(connection, job, NOW)

    job = storage.catalog.write_now(jobs.claim, owner, NOW, 30, storage.presence.is_dead, give_up)
    if job is None:
        return NOTHING_TO_DO
    step = Steps(dies_at, report)
    dying = replace(storage, catalog=DyingCatalog(storage.catalog, step), records=DyingRecords(storage.records, step))  # type: ignore[arg-type]
    signals = JobSignals(threading.Event(), lambda read: None)
    job_runner(dying, clock=lambda: NOW)(JobOrder(job.id, owner, models_of(data_dir), CHUNK), signals)
    storage.close_now()
    return 0


def models_of(data_dir: Path) -> dict[str, Model]:
    model = parse_model(json.loads((data_dir / "model.json").read_bytes()), "model.json")
    return {model.name: model}


def in_a_process(data_dir: Path, dies_at: int) -> tuple[int, str]:
    report = data_dir / "step"
    report.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = run_job(data_dir, dies_at, report)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), report.read_text() if report.exists() else ""


def points(prepared: Path, work: Path) -> Iterator[dict[str, str]]:
    for number in range(1, MOST_RUNS):
        folder = work / str(number)
        shutil.copytree(prepared, folder)
        code, step = in_a_process(folder, number)
        if code == 0:
            return  # it came to its end before this step: all have been seen
        assert code == DEAD, f"step {number}: exit code {code}"
        code, _ = in_a_process(folder, NEVER)
        assert code in (0, NOTHING_TO_DO), f"after {step} (step {number}): exit code {code}"
        yield {"step": step, "folder": str(folder)}


def once(prepared: Path, work: Path, number: int) -> Iterator[dict[str, str]]:
    folder = work / "once"
    shutil.copytree(prepared, folder)
    code, step = in_a_process(folder, number)
    assert code == DEAD, f"exit code {code}"
    yield {"step": step, "folder": str(folder)}


def times(prepared: Path, work: Path, number: int, deaths: int) -> Iterator[dict[str, str]]:
    folder = work / "times"
    shutil.copytree(prepared, folder)
    for _ in range(deaths):
        code, step = in_a_process(folder, number)
        assert code == DEAD, f"exit code {code}"
        yield {"step": step, "folder": str(folder)}
    code, _ = in_a_process(folder, NEVER)
    assert code == 0, f"exit code {code}"


def worker(prepared: Path, work: Path, number: int) -> Iterator[dict[str, str]]:
    for death in every(prepared, work, number):
        give_back(Path(death["folder"]))
        yield death


def give_back(data_dir: Path) -> None:
    """What the dispatcher does whose worker has died."""
    catalog = open_catalog(data_dir)
    (job,) = catalog.read_now(jobs.find, states=["running"])
    catalog.write_now(jobs.release, job.id, str(job.owner), NOW, error="it died")
    catalog.close_now()


def every(prepared: Path, work: Path, number: int) -> Iterator[dict[str, str]]:
    folder = work / "every"
    shutil.copytree(prepared, folder)
    for _ in range(MOST_RUNS):
        code, step = in_a_process(folder, number)
        assert code in (0, DEAD, NOTHING_TO_DO), f"exit code {code}"
        if code != DEAD:
            return
        yield {"step": step, "folder": str(folder)}
    raise AssertionError(f"the job was tried {MOST_RUNS} times and never ended")


HOW = {"points": points, "every": every, "once": once, "times": times, "worker": worker}


if __name__ == "__main__":
    prepared, work, how, *rest = sys.argv[1:]
    runs = HOW[how](Path(prepared), Path(work), *map(int, rest))  # type: ignore[operator]
    print(json.dumps(list(runs)))
