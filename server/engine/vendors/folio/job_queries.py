"""Answers questions about job executions: their states, children, users, profiles and rows."""

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from server.engine.vendors.folio.job_rounds import get_or_raise
from server.engine.vendors.folio.source_records import TABLE
from storage.catalog.folio import executions as sql
from storage.catalog.folio.execution_rows import Execution as Execution
from storage.catalog.folio.execution_rows import Filters as Filters
from storage.catalog.folio.executions import SORTS as SORTS
from storage.opening import Storage
from storage.records.base import Row as Row
from storage.records.base import Scalar


class JobQueries:
    """Reads executions, and the rows that they made."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._catalog = storage.catalog

    async def get(self, tenant: str, id: str) -> Execution:
        return await self._catalog.read(get_or_raise, tenant, id)

    async def children(self, tenant: str, id: str, offset: int, limit: int) -> tuple[Sequence[Execution], int]:
        def query(connection: Connection) -> tuple[Sequence[Execution], int]:
            get_or_raise(connection, tenant, id)
            return sql.children(connection, tenant, id, offset, limit)

        return await self._catalog.read(query)

    async def find(self, tenant: str, filters: Filters, offset: int, limit: int) -> tuple[Sequence[Execution], int]:
        return await self._catalog.read(sql.find, tenant, filters, offset, limit)

    async def profiles(self, tenant: str) -> Sequence[Mapping[str, object]]:
        return await self._catalog.read(sql.profiles, tenant)

    async def users(self, tenant: str) -> Sequence[str]:
        return await self._catalog.read(sql.users, tenant)

    async def records(
        self,
        tenant: str,
        id: str,
        *,
        only_failed: bool = False,
        order: str = "order",
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[Sequence[Row], int]:
        """Returns a page of the rows of an execution, and their total number."""
        where: dict[str, Scalar] = {"job": id, "tenant": tenant}
        filled = ("error",) if only_failed else ()

        def query() -> tuple[Sequence[Row], int]:
            store = self._storage.records
            page = store.select(
                TABLE, where, filled=filled, order=(order,), descending=descending, offset=offset, limit=limit
            )  # fmt: skip
            return page, store.matching(TABLE, where, filled=filled)

        return await asyncio.to_thread(query)

    async def record(self, tenant: str, row: int) -> Row | None:
        where: dict[str, Scalar] = {"tenant": tenant, "id": row}
        found = await asyncio.to_thread(lambda: self._storage.records.select(TABLE, where, limit=1))
        return found[0] if found else None
