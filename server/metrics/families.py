"""Every metric and the source of its numbers. Metrics of the process come from prometheus-client."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from server.engine.operations.storage_metrics import DiskStats, JobStats
from server.metrics.activity import WITH_WARNINGS
from server.metrics.requests import BOUNDS, Sort, Timing

Labels = TypeVar("Labels", bound=tuple[str, ...])

_VERSION = version("penstock")
_BOUNDS = [*(str(bound) for bound in BOUNDS), "+Inf"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All numbers at one time. `jobs` is None where the catalog did not answer, `disk` where the disk did not."""

    requests: Mapping[Sort, Timing]
    in_flight: int
    uploads: Mapping[str, int]
    upload_bytes: int
    arriving: int
    records: Mapping[tuple[str, str], int]
    speed: float
    jobs: JobStats | None
    disk: DiskStats | None


def families(now: Snapshot) -> Iterator[Metric]:
    """Yields all metrics, in the order of the README."""
    yield _gauge("penstock_build_info", "Always 1; which version runs.", {(_VERSION,): 1}, ["version"])
    yield from _request_families(now)
    yield from _upload_families(now)
    yield from _job_families(now)
    yield from _disk_families(now.disk)


def _request_families(now: Snapshot) -> Iterator[Metric]:
    answered = {(method, route, str(status)): sum(t.buckets) for (method, route, status), t in now.requests.items()}
    labels = ["method", "route", "status"]
    yield _counter("penstock_requests", "Requests answered, by route template.", answered, labels)
    yield _durations(now.requests)
    yield _gauge("penstock_requests_in_flight", "Requests being answered.", {(): now.in_flight})


def _upload_families(now: Snapshot) -> Iterator[Metric]:
    ended = {(result,): number for result, number in now.uploads.items()}
    yield _counter("penstock_uploads", "Bodies for the blob store, by what came of them.", ended, ["result"])
    yield _counter("penstock_upload_bytes", "Bytes of such bodies, as they come.", {(): now.upload_bytes})
    yield _gauge("penstock_uploads_in_flight", "Bodies coming in.", {(): now.arriving})


def _job_families(now: Snapshot) -> Iterator[Metric]:
    jobs = now.jobs
    numbers = {} if jobs is None else {(kind, mode, state): n for (state, mode, kind), n in jobs.number.items()}
    waiting = {} if jobs is None else {(): jobs.waiting_seconds}
    yield _gauge("penstock_catalog_up", "1 where the catalog answered this scrape, else 0.", {(): jobs is not None})
    yield _gauge("penstock_jobs", "Jobs in the catalog.", numbers, ["kind", "mode", "state"])
    yield _gauge("penstock_queue_age_seconds", "How long the job has been due that has waited longest.", waiting)
    sums = {key: number for key, number in now.records.items() if key[1] != WITH_WARNINGS}
    warned = {(mode,): number for (mode, status), number in now.records.items() if status == WITH_WARNINGS}
    yield _counter("penstock_records", "Records of jobs run here.", sums, ["mode", "status"])
    yield _counter("penstock_records_with_warnings", "Records stored of which a value was lost.", warned, ["mode"])
    yield _gauge("penstock_records_per_second", "Records read a second by jobs running here.", {(): now.speed})


def _disk_families(disk: DiskStats | None) -> Iterator[Metric]:
    free = {} if disk is None else {(): disk.free}
    sizes = {} if disk is None else {(name,): size for name, size in disk.databases.items()}
    yield _gauge("penstock_disk_free_bytes", "Space left where the data directory is.", free)
    yield _gauge("penstock_database_bytes", "Size of each database file.", sizes, ["file"])


def _gauge(name: str, words: str, values: Mapping[Labels, float], labels: Sequence[str] = ()) -> Metric:
    return _filled(GaugeMetricFamily(name, words, labels=labels), values)


def _counter(name: str, words: str, values: Mapping[Labels, float], labels: Sequence[str] = ()) -> Metric:
    return _filled(CounterMetricFamily(name, words, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Labels, float]) -> Metric:
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _durations(requests: Mapping[Sort, Timing]) -> Metric:
    """Sums over all statuses: one more label would make nine times as many lines."""
    buckets: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(_BOUNDS))
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for (method, route, _), timing in requests.items():
        key = (method, route)
        buckets[key] = [one + other for one, other in zip(buckets[key], timing.buckets, strict=True)]
        seconds[key] += timing.seconds
    words = "How long answers took, by route template."
    family = HistogramMetricFamily("penstock_request_duration_seconds", words, labels=["method", "route"])
    for key, numbers in buckets.items():
        family.add_metric(key, list(zip(_BOUNDS, accumulate(numbers), strict=True)), seconds[key])
    return family
