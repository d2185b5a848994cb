"""Control files as functions of a `Connection`: which blob was uploaded, for which API, under which comment."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from storage.catalog.base import ControlFile
from storage.catalog.tables import control_files
from storage.schema import columns_of, many, one

_SELECT = select(*columns_of(control_files, ControlFile))
_NEWEST = (
    _SELECT.where(control_files.c.api == bindparam("of_api"), control_files.c.digest == bindparam("wanted"))
    .order_by(control_files.c.id.desc())
    .limit(1)
)


def add(connection: Connection, *, api: str, digest: str, comment: str, created: datetime) -> ControlFile:
    """Adds an entry, or returns the existing one with this API, digest and comment."""
    same = (control_files.c.api == api, control_files.c.digest == digest, control_files.c.comment == comment)
    found = one(ControlFile, connection.execute(_SELECT.where(*same)).one_or_none())
    if found is not None:
        return found
    values = {"api": api, "digest": digest, "comment": comment, "created": created}
    row = connection.execute(insert(control_files).values(**values).returning(*columns_of(control_files, ControlFile)))
    return ControlFile(*row.one())


def get(connection: Connection, control: int) -> ControlFile | None:
    return one(ControlFile, connection.execute(_SELECT.where(control_files.c.id == control)).one_or_none())


def with_digest(connection: Connection, api: str, digest: str) -> ControlFile | None:
    """Returns the newest entry with this digest, under any comment."""
    return one(ControlFile, connection.execute(_NEWEST, {"of_api": api, "wanted": digest}).one_or_none())


def find(
    connection: Connection,
    *,
    api: str | None = None,
    text: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ControlFile]:
    """Returns entries, newest first, whose comment has `text`. `before` is the last id on the page before."""
    query = _SELECT
    if api is not None:
        query = query.where(control_files.c.api == api)
    if text:
        query = query.where(control_files.c.comment.icontains(text, autoescape=True))
    if before is not None:
        query = query.where(control_files.c.id < before)
    return many(ControlFile, connection.execute(query.order_by(control_files.c.id.desc()).limit(limit)))
