"""Upload definitions and their files as functions of a `Connection`. Each function sees one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    type_coerce,
    update,
)

from storage.catalog.cql.conditions import Search
from storage.catalog.cql.searching import Fields, order_by, where
from storage.catalog.folio.rows import FileDefinition, UploadDefinition
from storage.catalog.tables import file_definitions, upload_definitions
from storage.schema import columns_of

_OWN = [field.name for field in fields(UploadDefinition) if field.name != "files"]
_SELECT = select(*(upload_definitions.c[name] for name in _OWN))
_OF_TENANT = _SELECT.where(upload_definitions.c.tenant == bindparam("of_tenant"))
_BY_ID = _OF_TENANT.where(upload_definitions.c.id == bindparam("with_id"))
_FILE = columns_of(file_definitions, FileDefinition)
_FILES = (
    select(*_FILE, file_definitions.c.definition)
    .where(file_definitions.c.definition.in_(bindparam("definitions", expanding=True)))
    .order_by(file_definitions.c.definition, file_definitions.c.position)
)

_ONE_FILE = select(*_FILE).where(
    file_definitions.c.id == bindparam("with_id"), file_definitions.c.definition == bindparam("of_definition")
)
_AWAITED = (
    select(file_definitions.c.id)
    .where(file_definitions.c.definition == bindparam("of_definition"), file_definitions.c.digest.is_(None))
    .limit(1)
)


def add(connection: Connection, new: UploadDefinition) -> UploadDefinition:
    """Adds a definition and returns it with the number that it got; its own `number` is ignored."""
    values = {name: getattr(new, name) for name in _OWN if name != "number"}
    number = connection.execute(insert(upload_definitions).returning(upload_definitions.c.number), values).scalar_one()
    for file in new.files:
        add_file(connection, number, file)
    return replace(new, number=number)


def get(connection: Connection, tenant: str, id: str) -> UploadDefinition | None:
    row = connection.execute(_BY_ID, {"of_tenant": tenant, "with_id": id}).one_or_none()
    return None if row is None else _with_files(connection, [UploadDefinition(*row)])[0]


def get_alone(connection: Connection, tenant: str, id: str) -> UploadDefinition | None:
    """Returns the definition without its files."""
    row = connection.execute(_BY_ID, {"of_tenant": tenant, "with_id": id}).one_or_none()
    return None if row is None else UploadDefinition(*row)


def file(connection: Connection, definition: int, id: str) -> FileDefinition | None:
    row = connection.execute(_ONE_FILE, {"of_definition": definition, "with_id": id}).one_or_none()
    return None if row is None else FileDefinition(*row)


def awaits_files(connection: Connection, definition: int) -> bool:
    """Whether some files of the definition have not arrived."""
    return connection.execute(_AWAITED, {"of_definition": definition}).first() is not None


def find(
    connection: Connection, tenant: str, search: Search, offset: int, limit: int
) -> tuple[list[UploadDefinition], int]:
    """Returns a page, in the order of creation unless the search has another, and the total number."""
    searched = searchable()
    condition = where(search.condition, searched)
    page = _OF_TENANT.where(condition).order_by(*order_by(search, searched), upload_definitions.c.number)
    total = select(func.count()).where(upload_definitions.c.tenant == bindparam("of_tenant"), condition)
    parameters = {"of_tenant": tenant}
    rows = connection.execute(page.offset(offset).limit(limit), parameters)
    found = _with_files(connection, [UploadDefinition(*row) for row in rows])
    return found, connection.execute(total, parameters).scalar_one()


def set_values(connection: Connection, number: int, values: Mapping[str, object]) -> None:
    connection.execute(update(upload_definitions).where(upload_definitions.c.number == number).values(**values))


def remove(connection: Connection, number: int) -> None:
    """Removes the definition with all its files."""
    connection.execute(delete(file_definitions).where(file_definitions.c.definition == number))
    connection.execute(delete(upload_definitions).where(upload_definitions.c.number == number))


def add_file(connection: Connection, definition: int, file: FileDefinition) -> None:
    values = {field.name: getattr(file, field.name) for field in fields(FileDefinition)}
    connection.execute(insert(file_definitions), values | {"definition": definition})


def set_file(connection: Connection, id: str, values: Mapping[str, object]) -> None:
    connection.execute(update(file_definitions).where(file_definitions.c.id == id).values(**values))


def remove_file(connection: Connection, id: str) -> None:
    connection.execute(delete(file_definitions).where(file_definitions.c.id == id))


def mark_processed(connection: Connection, ids: Sequence[str], at: datetime) -> None:
    connection.execute(update(file_definitions).where(file_definitions.c.id.in_(ids)).values(processed=at))


def searchable() -> Fields:
    """Returns the fields of a definition under the clients' names, as the texts that clients see."""
    c = upload_definitions.c
    return {
        "id": c.id,
        "metaJobExecutionId": c.meta_job,
        "status": c.status,
        "createDate": _date(c.create_date),
        "fileDefinitions": _file_texts(),
        "metadata.createdDate": _date(c.created),
        "metadata.createdByUserId": c.created_by,
        "metadata.updatedDate": _date(c.updated),
        "metadata.updatedByUserId": c.updated_by,
    }


def _date(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Returns the date as FOLIO writes it, with milliseconds and an offset."""
    return func.substr(type_coerce(column, String), 1, 23, type_=String).concat("+0000")


def _file_texts() -> ColumnElement[str]:
    """Returns the searchable texts of a definition's files as one text."""
    c = file_definitions.c
    text = c.name.concat(literal(" ")).concat(c.id).concat(literal(" ")).concat(func.coalesce(c.job, ""))
    joined = select(func.aggregate_strings(text, "\n"))
    return joined.where(c.definition == upload_definitions.c.number).correlate(upload_definitions).scalar_subquery()


def _with_files(connection: Connection, definitions: Sequence[UploadDefinition]) -> list[UploadDefinition]:
    files: dict[int, list[FileDefinition]] = {definition.number: [] for definition in definitions}
    if files:
        for row in connection.execute(_FILES, {"definitions": list(files)}):
            files[row[-1]].append(FileDefinition(*row[:-1]))
    return [replace(definition, files=tuple(files[definition.number])) for definition in definitions]
