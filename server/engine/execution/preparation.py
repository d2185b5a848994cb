"""The parts of a run, which each kind of import prepares in its own way from the job's context."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from server.engine.execution.source import Mapper, Source
from server.mapping.model.model import Model
from storage.catalog.base import BatchFile
from storage.opening import Storage
from storage.queues.base import Job
from storage.records.base import Table


@dataclass(frozen=True, slots=True)
class JobContext:
    """The job and what its preparation may use.

    `files` returns the files of the job's batch, in order. `check` reads a whole file and raises RunFault if its bytes
    are not those that were received. `pause` raises if the run is to stop. `remark` adds a warning to the log.
    """

    storage: Storage
    job: Job
    models: Mapping[str, Model]
    files: Callable[[], Sequence[BatchFile]]
    check: Callable[[BatchFile], None]
    pause: Callable[[], None]
    remark: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The parts of a run. `messages` are errors found before the first record; `remarks` are only logged."""

    tables: Sequence[Table]
    sources: Callable[[], Sequence[Source]]  # called once the log has begun
    mapper: Mapper
    messages: Sequence[str]
    remarks: Sequence[str] = ()
    model: Model | None = None  # of the control file, if there is one
    misfits: Callable[[], Mapping[str, str | None]] = dict


Prepare = Callable[[JobContext, ExitStack], Prepared]
