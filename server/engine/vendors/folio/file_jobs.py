"""Job executions of files: each file of an upload definition is imported as one round of an execution of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.batches.scheduling import NewBatchFile, Scheduling
from server.engine.clock import Clock
from server.engine.uploads.small_blobs import store_small_blobs
from server.engine.vendors.folio.job_rounds import new_execution, new_round
from server.engine.vendors.folio.source_records import control_file, reader_for
from storage.catalog.folio import executions as sql
from storage.catalog.folio.execution_rows import (
    DISCARDED,
    ERROR,
    FILE_FAULT,
    FILE_UPLOADED,
    PARENT,
    RUNNING,
    Subordination,
)
from storage.catalog.folio.rows import FileDefinition, UploadDefinition
from storage.opening import Storage

AT_ONCE = 50  # files whose imports begin in one transaction


@dataclass(frozen=True, slots=True)
class JobProfile:
    """The job profile that says how to import files."""

    id: str = "e34d7b92-9b83-11eb-a8b3-0242ac130003"
    name: str = "Default - Create instance and SRS MARC Bib"
    data_type: str = "MARC"
    hidden: bool = False


class FileJobs:
    """Follows the files of upload definitions.

    * `announce` adds the executions that files will be, `loaded` marks one whose bytes have come, `discard` those of
      files that will never come. Each is a part of its caller's transaction.
    * `process` imports files. Files that it has begun with before, it leaves alone. What it did is durable on return.
    """

    def __init__(self, storage: Storage, scheduling: Scheduling, clock: Clock) -> None:
        self._storage = storage
        self._catalog = storage.catalog
        self._scheduling = scheduling
        self._clock = clock

    def announce(self, connection: Connection, caller: Caller, parent: str, files: Sequence[FileDefinition]) -> None:
        alone = len(files) == 1 and files[0].job == parent
        if not alone and not sql.exists(connection, parent):
            sql.add(connection, new_execution(caller, self._clock(), parent, parent, "PARENT_MULTIPLE", status=PARENT))
        for file in files:
            if file.job is not None:
                kind: Subordination = "PARENT_SINGLE" if alone else "CHILD"
                sql.add(connection, new_execution(caller, self._clock(), file.job, parent, kind, file_name=file.name))

    def loaded(self, connection: Connection, file: FileDefinition) -> None:
        self._mark(connection, [file], FILE_UPLOADED)

    def discard(self, connection: Connection, files: Sequence[FileDefinition]) -> None:
        self._mark(connection, files, DISCARDED)

    async def process(
        self, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition], profile: JobProfile
    ) -> None:
        """Starts the imports, a few files in each transaction. A file in an unknown format ends in ERROR at once."""
        for first in range(0, len(files), AT_ONCE):
            await self._process(caller, definition, files[first : first + AT_ONCE], profile)

    async def _process(
        self, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition], profile: JobProfile
    ) -> None:
        reads = {file.id: reader_for(profile.data_type, file.name) for file in files}
        readable = [file for file in files if reads[file.id]]
        contents = [control_file(file.job or "", caller.tenant, reads[file.id] or "") for file in readable]

        def begin(connection: Connection, controls: Sequence[str]) -> None:
            self._know(connection, caller, definition, files)
            for file, control in zip(readable, controls, strict=True):
                self._begin(connection, caller.tenant, file, control, profile)
            for file in files:
                if not reads[file.id]:
                    self._refuse_format(connection, file, profile)

        await store_small_blobs(self._storage.blobs, self._catalog, contents, begin)

    def _know(
        self, connection: Connection, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition]
    ) -> None:
        """Adds job executions for files that were announced without one."""
        unknown = [file for file in files if file.job is not None and not sql.exists(connection, file.job)]
        if unknown and definition.meta_job is not None:
            self.announce(connection, caller, definition.meta_job, unknown)

    def _begin(
        self, connection: Connection, tenant: str, file: FileDefinition, control: str, profile: JobProfile
    ) -> None:
        if file.job is None or file.digest is None or sql.has_rounds(connection, file.job):
            return
        now = self._clock()
        content = NewBatchFile("file", file.name, file.digest, file.size or 0)
        new_round(connection, self._scheduling, now, tenant, file.job, control, file.name, content)
        begun = {"status": RUNNING, "started": now, "whole": True, "profile": _profile(profile)}
        sql.change(connection, file.job, begun)

    def _refuse_format(self, connection: Connection, file: FileDefinition, profile: JobProfile) -> None:
        now = self._clock()
        failed = {"status": ERROR, "error_status": FILE_FAULT, "started": now, "completed": now, "whole": True}
        sql.change(connection, file.job or "", {**failed, "profile": _profile(profile)})

    def _mark(self, connection: Connection, files: Sequence[FileDefinition], status: str) -> None:
        sql.mark(connection, [file.job for file in files if file.job is not None], status, self._clock())


def _profile(profile: JobProfile) -> dict[str, object]:
    return {"id": profile.id, "name": profile.name, "dataType": profile.data_type, "hidden": profile.hidden}
