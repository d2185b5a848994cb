"""Upload definitions: files that a client announces, sends one by one, and then has processed.

NEW ──▶ IN_PROGRESS ──▶ LOADED      by uploads: some files have come, all files have come
  any ──▶ COMPLETED                 by the client, or when processing was asked for
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.clock import Clock
from server.engine.errors import AlreadyProcessed, DefinitionNotFound, FileNotFound, FilesRefused, NothingToProcess
from server.engine.uploads.unreferenced import UnreferencedBlobs
from server.engine.uploads.uploads import Upload
from server.engine.vendors.folio.file_jobs import FileJobs, JobProfile
from storage.catalog.base import Catalog
from storage.catalog.cql.conditions import Search
from storage.catalog.folio import definitions as sql
from storage.catalog.folio.rows import DefinitionStatus as DefinitionStatus
from storage.catalog.folio.rows import FileDefinition as FileDefinition
from storage.catalog.folio.rows import UploadDefinition as UploadDefinition

MOST_FILES = 500  # in one definition, as all of them are written and shown together

Check = Callable[[Connection, str, Sequence["NewFile"]], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class DefinitionRules:
    """With `process_on_loaded`, the files of a definition are imported once all have arrived. Times are in seconds."""

    process_on_loaded: bool = False
    upload_in_parts: bool = False
    part_url_seconds: int = 3600
    access_seconds: int = 600
    refresh_seconds: int = 7 * 24 * 3600
    public_url: str | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as a client announces it. With an `id` it may be one that exists already."""

    name: str
    ui_key: str | None = None
    declared_size: int | None = None  # kB
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """The properties of a definition that a client may change. Without `files` the files stay."""

    status: DefinitionStatus | None = None
    create_date: datetime | None = None
    files: Sequence[NewFile] | None = None


class UploadDefinitions:
    def __init__(
        self,
        catalog: Catalog,
        unreferenced: UnreferencedBlobs,
        clock: Clock,
        rules: DefinitionRules,
        file_jobs: FileJobs,
    ) -> None:
        self.rules = rules
        self._catalog = catalog
        self._unreferenced = unreferenced
        self._clock = clock
        self._file_jobs = file_jobs

    async def create(self, caller: Caller, files: Sequence[NewFile], *, check: Check | None = None) -> UploadDefinition:
        """Creates a definition. `check` may refuse some of the files, by their names."""
        return await self._catalog.write(self._create, caller, files, check)

    async def find(
        self, tenant: str, search: Search, offset: int, limit: int
    ) -> tuple[Sequence[UploadDefinition], int]:
        """Returns a page of definitions, and their total number."""
        return await self._catalog.read(sql.find, tenant, search, offset, limit)

    async def get(self, tenant: str, id: str) -> UploadDefinition:
        return await self._catalog.read(_known, tenant, id)

    async def replace(self, caller: Caller, id: str, change: Replacement, *, process: bool) -> UploadDefinition:
        """Changes a definition. With `process`, the status COMPLETED imports the files that have arrived."""
        changed, loose = await self._catalog.write(self._replace, caller, id, change)
        await self._unreferenced.drop(loose)
        if process and changed.status == "COMPLETED":
            return await self._process(caller, changed, JobProfile(), completes=False)
        return changed

    async def delete(self, tenant: str, id: str) -> None:
        await self._unreferenced.drop(await self._catalog.write(self._delete, tenant, id))

    async def add_file(self, caller: Caller, id: str, file: NewFile, *, check: Check | None = None) -> UploadDefinition:
        """Adds a file at the end of the list."""
        return await self._catalog.write(self._add_file, caller, id, file, check)

    async def remove_file(self, tenant: str, id: str, file: str) -> UploadDefinition:
        changed, loose = await self._catalog.write(self._remove_file, tenant, id, file)
        await self._unreferenced.drop([loose])
        return changed

    async def awaited(self, tenant: str, id: str, file: str) -> FileDefinition:
        """Returns the file if it may be sent; the check comes before its bytes are read."""
        return await self._catalog.read(lambda connection: _file(connection, _alone(connection, tenant, id), file))

    async def load_file(self, caller: Caller, id: str, file: str, upload: Upload) -> UploadDefinition:
        """Stores the bytes of a file, replacing any sent before. The upload is consumed, even if the call fails."""
        async with upload:
            await upload.publish()
            loose = await self._catalog.write(self._load, caller.tenant, id, file, upload)
            await upload.settle()
        await self._unreferenced.drop([loose])
        changed = await self.get(caller.tenant, id)
        if self.rules.process_on_loaded and changed.status == "LOADED":
            return await self._process(caller, changed, JobProfile(), completes=False)
        return changed

    async def fail_file(self, tenant: str, id: str, file: str) -> None:
        """Notes that the upload of a file broke off. Bytes from an earlier upload stay."""
        await self._catalog.write(_fail, tenant, id, file)

    async def process(self, caller: Caller, id: str, profile: JobProfile) -> UploadDefinition:
        """Starts the imports of the files that have arrived, and marks the definition COMPLETED."""
        definition = await self.get(caller.tenant, id)
        if not any(file.digest for file in definition.files):
            raise NothingToProcess(f"no file of uploadDefinition {id} has come yet; send one, then process it")
        if not _ready(definition):
            raise AlreadyProcessed(f"uploadDefinition {id} - linked files are already being processed")
        return await self._process(caller, definition, profile, completes=True)

    async def _process(
        self, caller: Caller, definition: UploadDefinition, profile: JobProfile, *, completes: bool
    ) -> UploadDefinition:
        ready = _ready(definition)
        if ready:
            await self._file_jobs.process(caller, definition, ready, profile)
        return await self._catalog.write(self._handed_over, definition, [file.id for file in ready], completes)

    def _handed_over(
        self, connection: Connection, definition: UploadDefinition, files: Sequence[str], completes: bool
    ) -> UploadDefinition:
        sql.mark_processed(connection, files, self._clock())
        if completes:
            sql.set_values(connection, definition.number, {"status": "COMPLETED"})
        return _known(connection, definition.tenant, definition.id)

    def _create(
        self, connection: Connection, caller: Caller, files: Sequence[NewFile], check: Check | None
    ) -> UploadDefinition:
        _checked(connection, caller.tenant, files, check)
        now, parent = self._clock(), str(uuid4())
        announced = [self._new_file(file, position, now) for position, file in enumerate(files)]
        if len(announced) == 1:  # a single file is its own parent
            announced = [replace(announced[0], job=parent)]
        definition = sql.add(connection, _new(caller, now, parent, announced))
        self._announce(connection, caller, definition, announced)
        return definition

    def _new_file(self, file: NewFile, position: int, now: datetime) -> FileDefinition:
        return FileDefinition(
            id=str(uuid4()),
            position=position,
            name=file.name,
            ui_key=file.ui_key,
            declared_size=file.declared_size,
            created=now,
            job=str(uuid4()),
            digest=None,
            size=None,
            uploaded=None,
            failed=False,
            processed=None,
        )

    def _announce(
        self, connection: Connection, caller: Caller, definition: UploadDefinition, files: Sequence[FileDefinition]
    ) -> None:
        if definition.meta_job is not None and files:
            self._file_jobs.announce(connection, caller, definition.meta_job, files)

    def _discard(self, connection: Connection, files: Sequence[FileDefinition]) -> None:
        if any(file.processed for file in files):
            raise AlreadyProcessed("the files are being processed already")
        if files:
            self._file_jobs.discard(connection, files)

    def _replace(
        self, connection: Connection, caller: Caller, id: str, change: Replacement
    ) -> tuple[UploadDefinition, Sequence[str | None]]:
        definition = _known(connection, caller.tenant, id)
        values: dict[str, object] = {
            "status": change.status,
            "create_date": change.create_date,
            "updated": self._clock(),
        }
        if caller.user is not None:
            values |= {"updated_by": caller.user, "created_by": definition.created_by or caller.user}
        sql.set_values(connection, definition.number, values)
        loose = [] if change.files is None else self._replace_files(connection, caller, definition, change.files)
        return _known(connection, caller.tenant, id), loose

    def _replace_files(
        self, connection: Connection, caller: Caller, definition: UploadDefinition, files: Sequence[NewFile]
    ) -> Sequence[str | None]:
        """Replaces the list of files. Files with a known id keep their bytes; files that are not listed are removed."""
        known = {file.id: file for file in definition.files}
        named = {file.id for file in files}
        gone = [file for file in definition.files if file.id not in named]
        self._discard(connection, gone)
        for file in gone:
            sql.remove_file(connection, file.id)
        added, now = [], self._clock()
        for position, new in enumerate(files):
            before = known.pop(new.id, None) if new.id is not None else None
            if before is None:
                added.append(self._new_file(new, position, now))
                sql.add_file(connection, definition.number, added[-1])
            else:
                sql.set_file(connection, before.id, {"position": position, "name": new.name})
        self._announce(connection, caller, definition, added)
        return [file.digest for file in gone]

    def _delete(self, connection: Connection, tenant: str, id: str) -> Sequence[str | None]:
        definition = _known(connection, tenant, id)
        if any(file.processed for file in definition.files):
            raise AlreadyProcessed(f"Cannot delete uploadDefinition {id} - linked files are already being processed")
        self._discard(connection, definition.files)
        sql.remove(connection, definition.number)
        return [file.digest for file in definition.files]

    def _add_file(
        self, connection: Connection, caller: Caller, id: str, file: NewFile, check: Check | None
    ) -> UploadDefinition:
        definition = _known(connection, caller.tenant, id)
        if len(definition.files) >= MOST_FILES:
            raise FilesRefused([(file.name, f"a definition has {MOST_FILES} files at most; make another one")])
        _checked(connection, caller.tenant, [file], check)
        position = max((one.position for one in definition.files), default=-1) + 1
        added = self._new_file(file, position, self._clock())
        sql.add_file(connection, definition.number, added)
        self._announce(connection, caller, definition, [added])
        if definition.status == "LOADED":
            sql.set_values(connection, definition.number, {"status": "IN_PROGRESS"})
        return _known(connection, caller.tenant, id)

    def _remove_file(
        self, connection: Connection, tenant: str, id: str, file: str
    ) -> tuple[UploadDefinition, str | None]:
        definition = _known(connection, tenant, id)
        removed = _open_file(definition, file)
        self._discard(connection, [removed])
        sql.remove_file(connection, file)
        rest = [one for one in definition.files if one.id != file]
        if definition.status == "IN_PROGRESS" and rest and all(one.digest for one in rest):
            sql.set_values(connection, definition.number, {"status": "LOADED"})
        return _known(connection, tenant, id), removed.digest

    def _load(self, connection: Connection, tenant: str, id: str, file: str, upload: Upload) -> str | None:
        """Stores a file's digest and the new status. The cost does not grow with the number of files."""
        definition = _alone(connection, tenant, id)
        before = _file(connection, definition, file)
        values = {"digest": upload.digest, "size": upload.size, "uploaded": self._clock(), "failed": False}
        sql.set_file(connection, file, values)
        awaits = sql.awaits_files(connection, definition.number)
        sql.set_values(connection, definition.number, {"status": "IN_PROGRESS" if awaits else "LOADED"})
        self._file_jobs.loaded(connection, _file(connection, definition, file))
        return before.digest if before.digest != upload.digest else None


def _alone(connection: Connection, tenant: str, id: str) -> UploadDefinition:
    """Returns the definition without its files; raises DefinitionNotFound."""
    definition = sql.get_alone(connection, tenant, id)
    if definition is None:
        raise DefinitionNotFound(id)
    return definition


def _file(connection: Connection, definition: UploadDefinition, id: str) -> FileDefinition:
    """Reads the file and returns it if it may still change."""
    found = sql.file(connection, definition.number, id)
    if found is None:
        raise FileNotFound(id)
    return _may_change(found)


def _known(connection: Connection, tenant: str, id: str) -> UploadDefinition:
    definition = sql.get(connection, tenant, id)
    if definition is None:
        raise DefinitionNotFound(id)
    return definition


def _ready(definition: UploadDefinition) -> list[FileDefinition]:
    """Returns files that have arrived and whose imports have not started."""
    return [file for file in definition.files if file.digest is not None and file.processed is None]


def _open_file(definition: UploadDefinition, id: str) -> FileDefinition:
    """Returns the definition's file if it may still change."""
    for file in definition.files:
        if file.id == id:
            return _may_change(file)
    raise FileNotFound(id)


def _may_change(file: FileDefinition) -> FileDefinition:
    if file.processed is not None:
        raise AlreadyProcessed(f"file {file.id} is being processed already; announce a new one")
    return file


def _checked(connection: Connection, tenant: str, files: Sequence[NewFile], check: Check | None) -> None:
    problems = check(connection, tenant, files) if check is not None else ()
    if problems:
        raise FilesRefused(problems)


def _new(caller: Caller, now: datetime, parent: str, files: Sequence[FileDefinition]) -> UploadDefinition:
    return UploadDefinition(
        number=0,
        id=str(uuid4()),
        tenant=caller.tenant,
        status="NEW",
        create_date=now,
        meta_job=parent,
        created=now,
        created_by=caller.user,
        updated=now,
        updated_by=caller.user,
        files=tuple(files),
    )


def _fail(connection: Connection, tenant: str, id: str, file: str) -> None:
    definition = _known(connection, tenant, id)
    if _open_file(definition, file).digest is not None:
        return
    sql.set_file(connection, file, {"failed": True})
    if all(one.failed or one.id == file for one in definition.files):
        sql.set_values(connection, definition.number, {"status": "ERROR"})
