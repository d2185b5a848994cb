"""Batches and their files as functions of a `Connection`."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from storage.catalog.base import Batch, BatchFile, BatchState, NewBatch
from storage.catalog.tables import batch_files, batches
from storage.schema import InsertRow, columns_of, many, one

_SELECT = select(*columns_of(batches, Batch))
_SELECT_FILE = select(*columns_of(batch_files, BatchFile))
_BY_ID = _SELECT.where(batches.c.id == bindparam("batch"))
_BY_IDENTIFIER = _SELECT.where(batches.c.identifier == bindparam("called"))
_BY_IDENTIFIER_AND_API = _BY_IDENTIFIER.where(batches.c.api == bindparam("of_api"))
_FILES = _SELECT_FILE.where(batch_files.c.batch == bindparam("in_batch")).order_by(batch_files.c.id)
_insert = InsertRow(batches)
_MOVE = update(batches).where(
    batches.c.id == bindparam("batch"), batches.c.state.in_(bindparam("from_states", expanding=True))
)
_ADD_FILE = (
    insert(batch_files)
    .from_select(
        ["batch", "name", "filename", "digest", "size", "created"],
        select(
            batches.c.id,
            *(bindparam(f"new_{name}", type_=batch_files.c[name].type) for name in ("name", "filename", "digest")),
            *(bindparam(f"new_{name}", type_=batch_files.c[name].type) for name in ("size", "created")),
        ).where(batches.c.id == bindparam("in_batch"), batches.c.state == bindparam("in_state")),
    )
    .returning(batch_files.c.id)
)


def add(connection: Connection, new: NewBatch, control: str | None = None) -> Batch:
    """Adds a batch; `control`, if given, replaces its own."""
    values: dict[str, Any] = {
        "identifier": new.identifier,
        "api": new.api,
        "process": new.process,
        "comment": new.comment,
        "control": control or new.control,
        "state": new.state,
        "errors": 0,
        "created": new.created,
        "created_by": new.created_by,
        "tenant": new.tenant,
        "properties": dict(new.properties),
        "job": None,
    }
    return Batch(id=_insert(connection, values), **values)


def get(connection: Connection, batch: int) -> Batch | None:
    return one(Batch, connection.execute(_BY_ID, {"batch": batch}).one_or_none())


def with_identifier(connection: Connection, identifier: str, api: str | None = None) -> Batch | None:
    """Returns the batch; None too if it belongs to another API than `api`."""
    query = _BY_IDENTIFIER if api is None else _BY_IDENTIFIER_AND_API
    return one(Batch, connection.execute(query, {"called": identifier, "of_api": api}).one_or_none())


def find(
    connection: Connection,
    *,
    api: str | None = None,
    states: Collection[BatchState] = (),
    process: str | None = None,
    tenant: str | None = None,
    text: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Batch]:
    """Returns batches, newest first; `before` is the last id on the page before.

    `text` is in the comment, the identifier or the creation path (which program made it; one of the properties).
    """
    wanted = {"api": api, "process": process, "tenant": tenant}
    query = _SELECT.where(*(batches.c[name] == value for name, value in wanted.items() if value is not None))
    if states:
        query = query.where(batches.c.state.in_(states))
    if text:
        places = (batches.c.comment, batches.c.identifier, batches.c.properties["creation_path"].as_string())
        query = query.where(or_(*(place.icontains(text, autoescape=True) for place in places)))
    if before is not None:
        query = query.where(batches.c.id < before)
    return many(Batch, connection.execute(query.order_by(batches.c.id.desc()).limit(limit)))


def identifiers(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Returns the identifiers by which clients know these batches."""
    query = select(batches.c.id, batches.c.identifier).where(batches.c.id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query)}


def move(
    connection: Connection,
    batch: int,
    from_states: Collection[BatchState],
    to: BatchState,
    *,
    job: str | None = None,
    errors: int | None = None,
) -> bool:
    """Changes the state if the batch is still in one of `from_states`; says whether it did."""
    values: dict[str, object] = {"state": to, "batch": batch, "from_states": list(from_states)}
    if job is not None:
        values["job"] = job
    if errors is not None:
        values["errors"] = errors
    return connection.execute(_MOVE, values).rowcount == 1


def set_properties(connection: Connection, batch: int, properties: Mapping[str, object]) -> bool:
    """Replaces all properties."""
    change = update(batches).where(batches.c.id == batch).values(properties=dict(properties))
    return connection.execute(change).rowcount == 1


def add_file(
    connection: Connection,
    batch: int,
    *,
    name: str,
    filename: str | None,
    digest: str,
    size: int,
    created: datetime,
    state: BatchState = "uploading",
) -> BatchFile | None:
    """Adds a file and returns it; adds nothing and returns None if the batch is not in that state."""
    values = {"name": name, "filename": filename, "digest": digest, "size": size, "created": created}
    parameters = {f"new_{key}": value for key, value in values.items()} | {"in_batch": batch, "in_state": state}
    key = connection.execute(_ADD_FILE, parameters).scalar()
    return None if key is None else BatchFile(id=key, batch=batch, **values)  # type: ignore[arg-type]


def files(connection: Connection, batch: int) -> list[BatchFile]:
    """Returns every upload, in order."""
    return many(BatchFile, connection.execute(_FILES, {"in_batch": batch}))


def files_for_run(connection: Connection, batch: int) -> list[BatchFile]:
    """Returns one file for each name: the last upload of the name, at the place of its first."""
    latest: dict[str, BatchFile] = {}
    for file in files(connection, batch):
        latest[file.name] = file  # a dict keeps the place of the first
    return list(latest.values())


def get_file(connection: Connection, file: int) -> BatchFile | None:
    return one(BatchFile, connection.execute(_SELECT_FILE.where(batch_files.c.id == file)).one_or_none())
