"""What a job needs before its run: each kind of import prepares it from the job's context in its own way."""

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
    """The job in hand, as a preparer sees it.

    `files` are those of its batch, in order. `check` reads a file whole and raises RunFault when its bytes are not
    those that were received. `pause` raises when the run should stop. `remark` writes a line into the log.
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
    """What a run is made of. `messages` are errors found before the first record, `remarks` only go into the log."""

    tables: Sequence[Table]
    sources: Callable[[], Sequence[Source]]  # called once the log has begun
    mapper: Mapper
    messages: Sequence[str]
    remarks: Sequence[str] = ()
    model: Model | None = None  # that of the control file, where there is one
    misfits: Callable[[], Mapping[str, str | None]] = dict


Prepare = Callable[[JobContext, ExitStack], Prepared]
