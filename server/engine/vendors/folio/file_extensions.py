"""File extensions: which files each tenant accepts, and the data types of each."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.access.callers import Caller
from server.engine.clock import Clock
from server.engine.errors import ExtensionNotFound, ExtensionTaken, ExtensionWrong
from server.engine.vendors.folio.upload_definitions import NewFile
from storage.catalog.base import Catalog
from storage.catalog.cql.conditions import Search
from storage.catalog.folio import extensions as sql
from storage.catalog.folio.rows import FileExtension as FileExtension

DATA_TYPES = ("Delimited", "EDIFACT", "MARC")
BLOCKED = "validation.uploadDefinition.fileExtension.blocked"
TOO_LARGE = "upload.fileSize.invalid"

_DEFAULTS: Sequence[tuple[str, tuple[str, ...]]] = (  # without data types: blocked
    *((".dat", ("MARC",)), (".edi", ("EDIFACT",)), (".gif", ()), (".inv", ("EDIFACT",)), (".jpg", ())),
    *((".marc", ("MARC",)), (".mrc", ("MARC",)), (".mrk", ()), (".ord", ("EDIFACT",)), (".pdf", ())),
    *((".png", ()), (".xml", ("MARC",)), (".zip", ())),
)
_EXTENSION = re.compile(r"\.\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExtensionValues:
    """The properties of an extension that a client sets."""

    extension: str
    import_blocked: bool
    data_types: tuple[str, ...]


class FileExtensions:
    """The file extensions of tenants. A tenant has the defaults until it changes them."""

    def __init__(self, catalog: Catalog, clock: Clock, free_bytes: Callable[[], int]) -> None:
        self._catalog = catalog
        self._clock = clock
        self._free_bytes = free_bytes

    async def find(self, tenant: str, search: Search, offset: int, limit: int) -> tuple[Sequence[FileExtension], int]:
        await self._prepare(tenant)
        return await self._catalog.read(sql.find, tenant, search, offset, limit)

    async def get(self, tenant: str, id: str) -> FileExtension:
        await self._prepare(tenant)
        return await self._catalog.read(_known, tenant, id)

    async def create(self, caller: Caller, values: ExtensionValues) -> FileExtension:
        await self._prepare(caller.tenant)
        return await self._catalog.write(self._create, caller, values)

    async def change(self, caller: Caller, id: str, values: ExtensionValues) -> FileExtension:
        await self._prepare(caller.tenant)
        return await self._catalog.write(self._change, caller, id, values)

    async def delete(self, tenant: str, id: str) -> None:
        await self._prepare(tenant)
        if not await self._catalog.write(sql.remove, tenant, id):
            raise ExtensionNotFound(id)

    async def restore(self, tenant: str) -> tuple[Sequence[FileExtension], int]:
        """Restores the defaults and returns them with their number."""
        await self._catalog.write(sql.reset, tenant, self._defaults(tenant))
        return await self.find(tenant, Search(), 0, len(_DEFAULTS))

    def refused(self, connection: Connection, tenant: str, files: Sequence[NewFile]) -> Sequence[tuple[str, str]]:
        """Returns the files that may not be announced, each with the reason: blocked, or larger than the free space."""
        free = self._free_bytes()
        problems = [(file.name, TOO_LARGE) for file in files if (file.declared_size or 0) * 1024 > free]
        return problems or [(file.name, BLOCKED) for file in files if self._is_blocked(connection, tenant, file.name)]

    def _is_blocked(self, connection: Connection, tenant: str, name: str) -> bool:
        suffix = PurePosixPath(name).suffix
        if not suffix:
            return False
        if not sql.is_known(connection, tenant):
            return any(extension == suffix.lower() and not types for extension, types in _DEFAULTS)
        extension = sql.called(connection, tenant, suffix)
        return extension is not None and extension.import_blocked

    async def _prepare(self, tenant: str) -> None:
        if not await self._catalog.read(sql.is_known, tenant):
            await self._catalog.write(self._begin, tenant)

    def _begin(self, connection: Connection, tenant: str) -> None:
        if not sql.is_known(connection, tenant):  # checked again: another request may have added them
            sql.reset(connection, tenant, self._defaults(tenant))

    def _defaults(self, tenant: str) -> Sequence[FileExtension]:
        values = (ExtensionValues(extension, not types, types) for extension, types in _DEFAULTS)
        return [self._new(Caller(tenant), each) for each in values]

    def _create(self, connection: Connection, caller: Caller, values: ExtensionValues) -> FileExtension:
        _checked(connection, caller.tenant, values, None)
        new = self._new(caller, values)
        sql.add(connection, new)
        return new

    def _change(self, connection: Connection, caller: Caller, id: str, values: ExtensionValues) -> FileExtension:
        before = _known(connection, caller.tenant, id)
        _checked(connection, caller.tenant, values, id)
        changed = replace(
            before,
            extension=values.extension,
            import_blocked=values.import_blocked,
            data_types=values.data_types,
            updated=self._clock(),
            updated_by=caller.user or before.updated_by,
        )
        sql.change(connection, changed)
        return changed

    def _new(self, caller: Caller, values: ExtensionValues) -> FileExtension:
        now = self._clock()
        return FileExtension(
            id=str(uuid4()),
            tenant=caller.tenant,
            extension=values.extension,
            import_blocked=values.import_blocked,
            data_types=values.data_types,
            created=now,
            created_by=caller.user,
            updated=now,
            updated_by=caller.user,
        )


def _known(connection: Connection, tenant: str, id: str) -> FileExtension:
    extension = sql.get(connection, tenant, id)
    if extension is None:
        raise ExtensionNotFound(id)
    return extension


def _checked(connection: Connection, tenant: str, values: ExtensionValues, own: str | None) -> None:
    if not _EXTENSION.fullmatch(values.extension):
        raise ExtensionWrong(values.extension)
    same = sql.called(connection, tenant, values.extension)
    if same is not None and same.id != own:
        raise ExtensionTaken(values.extension)
