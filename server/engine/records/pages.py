"""Reads imported data page by page: rows under the Names of the models, and where each row comes from."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from server.engine.definitions.definitions import Definitions
from server.engine.errors import NotFound
from server.mapping.record.export import Export, make_export
from storage.records.base import RecordStore, Row, Scalar

PAGE_BYTES = 16 << 20  # of values, roughly
STEP = 50  # rows read at once


class TableNotFound(NotFound):
    kind = "Table"


class RowNotFound(NotFound):
    kind = "Row"


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table and the `names` that are keys of its rows."""

    name: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """`job` and `record` say what wrote the row last; `version` grows with each change."""

    id: int
    row: dict[str, object]
    job: Scalar
    record: Scalar
    version: Scalar
    created: Scalar
    updated: Scalar


@dataclass(frozen=True, slots=True)
class StoredRows:
    """A page of rows. `more` is true where further rows may follow."""

    rows: Sequence[StoredRow]
    more: bool


class RecordQueries:
    def __init__(self, store: RecordStore, definitions: Definitions) -> None:
        self._store = store
        self._definitions = definitions

    async def tables(self) -> Sequence[TableShape]:
        """Returns the tables that have rows, and those that a model describes."""
        return await asyncio.to_thread(self._tables)

    async def page(self, table: str, *, after: int = 0, limit: int = 50) -> StoredRows:
        """Returns rows in order of insertion, behind the id `after`. A page of large rows is shorter than `limit`."""
        return await asyncio.to_thread(self._page, table, after, limit)

    async def get(self, table: str, id: int) -> StoredRow:
        found = (await self.page(table, after=id - 1, limit=1)).rows
        if not found or found[0].id != id:
            raise RowNotFound(f"{id} of {table}")
        return found[0]

    def _tables(self) -> list[TableShape]:
        stored = set(self._store.tables())
        names = sorted(stored | self._definitions.tables().keys())
        return [TableShape(name, self._shape(name, stored=name in stored).keys) for name in names]

    def _page(self, table: str, after: int, limit: int) -> StoredRows:
        if table not in self._store.tables():
            if table not in self._definitions.tables():
                raise TableNotFound(table)
            return StoredRows((), more=False)
        shape = self._shape(table, stored=True)
        found: list[StoredRow] = []
        size = 0
        while len(found) <= limit and size < PAGE_BYTES:
            step = min(STEP, limit + 1 - len(found))
            rows = list(self._store.rows(table, after=after, limit=step))
            found += [_stored(shape, row) for row in rows]
            if len(rows) < step:
                return StoredRows(found[:limit], len(found) > limit)
            after, size = rows[-1].id, size + sum(map(_size, rows))
        return StoredRows(found[:limit], more=True)

    def _shape(self, table: str, *, stored: bool) -> Export:
        columns = self._store.columns(table) if stored else [c.name for c in self._definitions.tables()[table].columns]
        return make_export(table, columns, self._definitions.models.values())


def _size(row: Row) -> int:
    return sum(len(value) for value in row.values.values() if isinstance(value, str | bytes))


def _stored(shape: Export, row: Row) -> StoredRow:
    said = row.values
    return StoredRow(
        id=row.id,
        row=shape.row(row.id, said),
        job=said["_job"],
        record=said["_record"],
        version=said["_version"],
        created=said["_created_at"],
        updated=said["_updated_at"],
    )
