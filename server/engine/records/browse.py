"""Reads imported data for people who browse it: tables, pages of rows, one row and the rows related to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.engine.batches.jobs import Jobs
from server.engine.definitions.definitions import Definitions
from server.engine.errors import JobNotFound
from server.engine.records.export import Format, TableText
from server.engine.records.pages import RowNotFound, TableNotFound
from server.mapping.model.model import Destination, Model
from server.mapping.record.export import Export, Field, make_export
from storage.catalog.base import Batch, BatchFile, Catalog, Outcome
from storage.catalog.sql import batches as batch_sql
from storage.queues.base import Job
from storage.records.base import RecordStore, Row, Scalar

LAST_ID = 2**63 - 1
_EXPORT_ROWS = 100  # read at once: a row may have a MiB
_EXPORT_BYTES = 1024 * 1024
_REFERRERS = 10


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table in the list. It has no more rows than `at_most`; `newest` is the row inserted last."""

    name: str
    filled_by: Sequence[tuple[Model, Destination]]
    columns: int
    at_most: int
    newest: Row | None


@dataclass(frozen=True, slots=True)
class TableView:
    """One table. Each of `searches` is a set of columns that an index covers, so a search by them is quick."""

    name: str
    filled_by: Sequence[tuple[Model, Destination]]
    fields: Sequence[Field]
    searches: Sequence[tuple[str, ...]]
    at_most: int
    stored: bool

    def field_of(self, column: str) -> Field | None:
        return next((field for field in self.fields if field.column == column), None)


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of rows. `older` and `newer` say whether there are rows before the first and after the last."""

    rows: Sequence[Row]
    older: bool
    newer: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """What wrote a row last. `files` are all files of the batch where the file of the record is not known."""

    job: Job | None
    batch: Batch | None
    files: Sequence[BatchFile]
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Referrers:
    """Rows of a table whose column holds an id. `rows` is None if the column has no index: too slow."""

    table: str
    column: str
    rows: Sequence[Row] | None
    more: bool = False


class TableBrowser:
    def __init__(self, store: RecordStore, catalog: Catalog, definitions: Definitions, jobs: Jobs) -> None:
        self._store = store
        self._catalog = catalog
        self._definitions = definitions
        self._jobs = jobs

    async def tables(self) -> Sequence[TableSummary]:
        """Returns the tables that have rows, and those that a model describes."""
        return await asyncio.to_thread(self._tables)

    async def view(self, table: str) -> TableView:
        return await asyncio.to_thread(self._view, table)

    async def page(
        self, table: str, where: Mapping[str, Scalar], *, after: int = 0, before: int | None = None, limit: int = 50
    ) -> RowPage:
        """Returns rows with these values, in the order of ids: the first after `after`, or the last before `before`."""
        return await asyncio.to_thread(self._page, table, where, after, before, limit)

    async def row(self, table: str, id: int) -> Row:
        found = await asyncio.to_thread(self._get, table, id)
        if found is None:
            raise RowNotFound(f"{id} of {table}")
        return found

    async def origin(self, row: Row) -> Origin:
        job_id, record = row.values.get("_job"), row.values.get("_record")
        try:
            job = await self._jobs.get(str(job_id))
        except JobNotFound:
            return Origin(None, None, (), None)
        number = job.batch or 0
        batch = await self._catalog.read(batch_sql.get, number)
        files = await self._catalog.read(batch_sql.files_for_run, number)
        found = await self._jobs.outcomes(job.id, after=record - 1, limit=1) if isinstance(record, int) else ()
        return Origin(job, batch, files, next((one for one in found if one.record == record), None))

    async def referrers(self, table: str, id: int) -> Sequence[Referrers]:
        return await asyncio.to_thread(lambda: list(self._referrers(table, id)))

    async def export(self, table: str, format: Format) -> AsyncIterator[bytes]:
        """Yields all rows there are now. Holds no cursor or lock between chunks, so a slow client blocks no other."""
        view = await self.view(table)
        text = TableText(Export(tuple(view.fields)), format)
        yield text.head.encode()
        after, last = 0, await asyncio.to_thread(self._edge, table, True)
        while view.stored and last is not None and after < last.id:
            part, after = await asyncio.to_thread(self._part, table, text, after)
            yield part

    def _tables(self) -> list[TableSummary]:
        columns = {
            name: [column.name for column in table.columns] for name, table in self._definitions.tables().items()
        }
        stored = self._stored()
        return [self._summary(name, found, name in stored) for name, found in sorted((columns | stored).items())]

    def _stored(self) -> dict[str, Sequence[str]]:
        """Returns the columns of each table that is ours; other programs may have added tables."""
        columns = {name: self._store.columns(name) for name in self._store.tables()}
        return {name: found for name, found in columns.items() if found[0] == "id" and "_job" in found}

    def _summary(self, table: str, columns: Sequence[str], stored: bool) -> TableSummary:
        newest = self._edge(table, True) if stored else None
        fields = self._shape(table, columns).fields
        return TableSummary(table, self._filled_by(table), len(fields), self._at_most(table, newest), newest)

    def _at_most(self, table: str, newest: Row | None) -> int:
        oldest = self._edge(table, False) if newest else None
        return newest.id - oldest.id + 1 if newest and oldest else 0

    def _edge(self, table: str, newest: bool) -> Row | None:
        """Returns the newest or the oldest row. `before` excludes LAST_ID itself, an id that no table reaches."""
        found = self._store.page(table, {}, before=LAST_ID if newest else None, limit=1)
        return found[0] if found else None

    def _filled_by(self, table: str) -> list[tuple[Model, Destination]]:
        models = self._definitions.models.values()
        return [(model, one) for model in models for one in model.destinations.values() if one.table == table]

    def _shape(self, table: str, columns: Sequence[str]) -> Export:
        return make_export(table, columns, self._definitions.models.values())

    def _view(self, table: str) -> TableView:
        columns = self._stored().get(table)
        stored = columns is not None
        if columns is None:
            described = self._definitions.tables().get(table)
            if described is None:
                raise TableNotFound(table)
            columns = [column.name for column in described.columns]
        at_most = self._at_most(table, self._edge(table, True)) if stored else 0
        fields = self._shape(table, columns).fields
        searches = self._store.indexes(table) if stored else []
        return TableView(table, self._filled_by(table), fields, searches, at_most, stored)

    def _page(self, table: str, where: Mapping[str, Scalar], after: int, before: int | None, limit: int) -> RowPage:
        if before is None:
            found = self._store.page(table, where, after=after, limit=limit + 1)
            rows = found[:limit]
            return RowPage(rows, older=after > 0 and self._any(table, where, rows), newer=len(found) > limit)
        found = self._store.page(table, where, before=before, limit=limit + 1)
        rows = found[-limit:]
        behind = self._store.page(table, where, after=rows[-1].id, limit=1) if rows else []
        return RowPage(rows, older=len(found) > limit, newer=bool(behind))

    def _any(self, table: str, where: Mapping[str, Scalar], rows: Sequence[Row]) -> bool:
        edge = rows[0].id if rows else LAST_ID
        return bool(self._store.page(table, where, before=edge, limit=1))

    def _get(self, table: str, id: int) -> Row | None:
        if table not in self._stored() or not 0 < id <= LAST_ID:
            return None
        found = self._store.page(table, {}, after=id - 1, limit=1)
        return found[0] if found and found[0].id == id else None

    def _referrers(self, table: str, id: int) -> Iterator[Referrers]:
        stored = self._stored()
        for name, described in sorted(self._definitions.tables().items()):
            indexes = self._store.indexes(name) if name in stored else []
            for column, target in described.references:
                if target == table and column in stored.get(name, ()):
                    yield self._referring(name, column, id, (column,) in indexes)

    def _referring(self, table: str, column: str, id: int, quick: bool) -> Referrers:
        if not quick:
            return Referrers(table, column, None)
        found = self._store.page(table, {column: id}, limit=_REFERRERS + 1)
        return Referrers(table, column, found[:_REFERRERS], len(found) > _REFERRERS)

    def _part(self, table: str, text: TableText, after: int) -> tuple[bytes, int]:
        part, limit = bytearray(), 1
        while len(part) < _EXPORT_BYTES:
            rows = self._store.page(table, {}, after=after, limit=limit)
            if not rows:
                return bytes(part), LAST_ID
            for row in rows:
                part += text.line(row).encode()
            after, limit = rows[-1].id, min(_EXPORT_ROWS, limit * 2)
        return bytes(part), after
