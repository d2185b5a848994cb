"""Builds the texts of the page Home."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from server.admin.batches.listing import path_of
from server.admin.operations.schedule_view import ScheduleView, schedule_view
from server.admin.rendering import Badge, Text, badge, duration, number, plural, short, size
from server.engine.documents import Batch, Job
from server.engine.operations.overview import MOST_COUNTED, DashboardSnapshot, Disk, Ended, Queue, Running

_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True)
class RunView:
    """`failed` is empty where no record has failed."""

    link: Text
    origin: str
    fraction: float | None
    read: str
    failed: str
    speed: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class FailureView:
    link: Text
    origin: str
    badge: Badge | None
    failed: Text
    reason: str
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class FinishedView:
    link: Text
    origin: str
    badge: Badge
    read: int
    failed: int
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class DiskView:
    """`kind` is a class of the style sheet; problems are announced to screen readers."""

    free: str
    sentence: str
    kind: str


@dataclass(frozen=True, slots=True)
class HomeView:
    first_steps: bool
    running: Sequence[RunView]
    queued: str
    queued_noun: str
    oldest: str
    disk: DiskView
    upcoming: Sequence[ScheduleView]
    failures: Sequence[FailureView]
    finished: Sequence[FinishedView]


def home_view(now: DashboardSnapshot) -> HomeView:
    return HomeView(
        first_steps=now.untouched,
        running=[_run(run) for run in now.running],
        queued=_queued(now.queue),
        queued_noun="import" if now.queue.waiting == 1 else "imports",
        oldest=f"The oldest has waited {duration(now.queue.oldest_seconds)}." if now.queue.waiting else "",
        disk=_disk(now.disk),
        upcoming=[schedule_view(schedule) for schedule in now.upcoming],
        failures=[_failure(ended) for ended in now.failed],
        finished=[_finished(ended) for ended in now.finished],
    )


def _run(run: Running) -> RunView:
    counts = run.job.counts
    return RunView(
        link=_link(run.job, run.batch),
        origin=_origin(run.job, run.batch),
        fraction=run.job.fraction,
        read=f"{plural(counts.read, 'record')} read",
        failed=f"{number(counts.failed)} failed" if counts.failed else "",
        speed="".join(_speed(run)),
        started=run.job.started,
    )


def _speed(run: Running) -> Iterator[str]:
    if run.rate is not None:
        yield f", {number(run.rate)} a second"
    if run.seconds_left is not None:
        yield f", {duration(run.seconds_left)} left"


def _queued(queue: Queue) -> str:
    most = MOST_COUNTED - 1
    return f"more than {number(most)}" if queue.waiting > most else number(queue.waiting)


def _disk(disk: Disk) -> DiskView:
    free, floor = size(disk.free), size(disk.floor)
    if disk.is_low:
        return DiskView(
            free,
            f"Uploads are refused: they must leave {floor} free. Free some space, or lower min_free_bytes.",
            "problems",
        )
    if disk.is_near:
        return DiskView(free, f"Nearly full: below {floor} uploads are refused.", "warning")
    return DiskView(free, f"Below {floor} uploads are refused." if disk.floor else "Uploads may fill it.", "soft")


def _failure(ended: Ended) -> FailureView:
    counts, batch = ended.job.counts, ended.batch
    whole = ended.job.state == "failed"
    href = None if batch is None else f"{path_of(batch.identifier)}/failed"
    return FailureView(
        link=_link(ended.job, batch),
        origin=_origin(ended.job, batch),
        badge=badge("failed") if whole else None,
        failed=Text(f"{number(counts.failed)} of {plural(counts.read, 'record')}", href),
        reason=_short((ended.reason or "").replace("\n", "; ")),
        finished=ended.job.finished,
    )


def _finished(ended: Ended) -> FinishedView:
    job = ended.job
    return FinishedView(
        link=_link(job, ended.batch),
        origin=_origin(job, ended.batch),
        badge=badge(job.state, job.counts),
        read=job.counts.read,
        failed=job.counts.failed,
        finished=job.finished,
    )


def _link(job: Job, batch: Batch | None) -> Text:
    if batch is None:
        return Text(job.kind)
    return Text(batch.comment or short(batch.identifier), path_of(batch.identifier))


def _origin(job: Job, batch: Batch | None) -> str:
    parts = [batch.api if batch else job.kind, job.process, "dry run" if job.mode == "dry-run" else None]
    return ", ".join(part for part in parts if part)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
