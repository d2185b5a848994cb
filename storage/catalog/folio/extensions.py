"""File extensions of a tenant as functions of a `Connection`."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Connection, String, case, delete, func, insert, select, type_coerce, update

from storage.catalog.cql.conditions import Search
from storage.catalog.cql.searching import Fields, order_by, where
from storage.catalog.folio.rows import FileExtension
from storage.catalog.tables import file_extensions, tenants
from storage.schema import columns_of, many, one

_SELECT = select(*columns_of(file_extensions, FileExtension))


def is_known(connection: Connection, tenant: str) -> bool:
    """Whether the tenant has its own extensions; a tenant gets the defaults before its first use of the list."""
    return connection.execute(select(tenants.c.name).where(tenants.c.name == tenant)).scalar() is not None


def reset(connection: Connection, tenant: str, defaults: Sequence[FileExtension]) -> None:
    """Replaces all extensions of the tenant with the defaults."""
    if not is_known(connection, tenant):
        connection.execute(insert(tenants), {"name": tenant, "created": defaults[0].created})
    connection.execute(delete(file_extensions).where(file_extensions.c.tenant == tenant))
    connection.execute(insert(file_extensions), [_values(extension) for extension in defaults])


def find(
    connection: Connection, tenant: str, search: Search, offset: int, limit: int
) -> tuple[list[FileExtension], int]:
    """Returns a page of extensions, and their total number."""
    searched = searchable()
    matching = (file_extensions.c.tenant == tenant, where(search.condition, searched))
    page = _SELECT.where(*matching).order_by(*order_by(search, searched), file_extensions.c.number)
    total = connection.execute(select(func.count()).select_from(file_extensions).where(*matching)).scalar_one()
    return many(FileExtension, connection.execute(page.offset(offset).limit(limit))), total


def get(connection: Connection, tenant: str, id: str) -> FileExtension | None:
    query = _SELECT.where(file_extensions.c.tenant == tenant, file_extensions.c.id == id)
    return one(FileExtension, connection.execute(query).one_or_none())


def called(connection: Connection, tenant: str, extension: str) -> FileExtension | None:
    """Returns the extension of this name, in upper or lower case."""
    query = _SELECT.where(
        file_extensions.c.tenant == tenant, func.lower(file_extensions.c.extension) == extension.lower()
    )
    return one(FileExtension, connection.execute(query).first())


def add(connection: Connection, new: FileExtension) -> None:
    connection.execute(insert(file_extensions), _values(new))


def change(connection: Connection, extension: FileExtension) -> None:
    changed = update(file_extensions).where(file_extensions.c.id == extension.id)
    connection.execute(changed.values(**_values(extension)))


def remove(connection: Connection, tenant: str, id: str) -> bool:
    gone = delete(file_extensions).where(file_extensions.c.tenant == tenant, file_extensions.c.id == id)
    return connection.execute(gone).rowcount == 1


def searchable() -> Fields:
    c = file_extensions.c
    blocked = case((c.import_blocked, "true"), else_="false")
    types = type_coerce(c.data_types, String)
    return {"id": c.id, "extension": c.extension, "importBlocked": blocked, "dataTypes": types}


def _values(extension: FileExtension) -> dict[str, object]:
    return {field.name: getattr(extension, field.name) for field in fields(FileExtension)}
