"""Events of the engine, as plain facts, and their listeners. The engine does not know what listeners do with them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from server.engine.errors import DiskFull, EngineError, UploadIncomplete, UploadTooSlow
from storage.queues.base import Counts as Counts
from storage.queues.base import Job

UploadResult = Literal["received", "refused", "interrupted", "disk_full", "fault"]

log = structlog.get_logger("penstock.engine")


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """The upload of a body ended, whole or not; `size` is the number of bytes that arrived."""

    result: UploadResult
    size: int


@dataclass(frozen=True, slots=True)
class JobBegun:
    """A worker of this process took a job up; an earlier attempt may have counted records already."""

    job: Job


@dataclass(frozen=True, slots=True)
class JobRead:
    """A heartbeat of a job; `records` counts the records read, those of earlier attempts included."""

    id: str
    records: int


@dataclass(frozen=True, slots=True)
class JobLeft:
    """A worker of this process has released a job: the job has ended, or continues later or elsewhere.

    `after` is the job as it was then; None where the catalog could not say.
    """

    id: str
    after: Job | None


Event = UploadEnded | JobBegun | JobRead | JobLeft
Listener = Callable[[Event], None]

_RESULTS: Mapping[type[BaseException], UploadResult] = {
    UploadIncomplete: "interrupted",
    UploadTooSlow: "interrupted",
    asyncio.CancelledError: "interrupted",
    DiskFull: "disk_full",
    EngineError: "refused",
    BaseException: "fault",
}


class Events:
    """* `listen` adds a listener; it receives every event from then on.
    * `tell` calls every listener, in the order they came, on the event loop. They must be quick and wait for nothing.
    * A listener that raises is logged; neither the engine nor another listener notices.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed", told=type(event).__name__)


def upload_result(error: BaseException) -> UploadResult:
    """Returns the result of an upload that ended with this error."""
    return next(_RESULTS[cls] for cls in type(error).__mro__ if cls in _RESULTS)
