"""A load is cancelled while a worker is at it: what was loaded stays, the rest is not, and all of it says so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.locking import FileLock
from tests.wire.voss.house import BulkHouse, open_bulk_house, workbook

ROWS = 6000
CHUNK = 10
BAD = 3  # this row fails by itself
USERS = ("entity:data/Users", ("username", "age"))


class Gate:
    """Holds the lock on the records, so that the worker waits. The lock is fair: opened for a moment, it lets one
    transaction of the worker through."""

    def __init__(self, house: BulkHouse, records: Path) -> None:
        self._house = house
        self._lock = FileLock(records.with_name(records.name + ".lock"))

    async def __aenter__(self) -> "Gate":
        await asyncio.to_thread(self._lock.__enter__)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._lock.__exit__(None, None, None)

    async def let_one_through(self) -> None:
        await self.__aexit__()
        await self.__aenter__()

    async def until_rows_are_in(self) -> str:
        """A load of two sheets whose first rows are committed and whose last are far away; its transaction's id."""
        rows = [(f"u{n}", "old" if n == BAD else n) for n in range(ROWS)]
        half = ROWS // 2
        content = await asyncio.to_thread(lambda: workbook(One=[*USERS, *rows[:half]], Two=[*USERS, *rows[half:]]))
        id = await self._house.begin(content)
        async with asyncio.timeout(50):
            while len(await self._house.table("users")) < 3 * CHUNK:
                await self.let_one_through()
        return id

    async def until_it_ends(self, id: str) -> dict[str, Any]:
        """The worker looks for a cancel between its chunks, not at each."""
        async with asyncio.timeout(50):
            while (await self._house.transaction(id))["completed_time"] is None:
                await self.let_one_through()
        return await self._house.transaction(id)


@pytest.fixture
async def house(tmp_path: Path, bulk_imports: Path) -> AsyncIterator[BulkHouse]:
    async with open_bulk_house(tmp_path / "data", bulk_imports, chunk=CHUNK) as house:
        yield house


@pytest.fixture
def gate(house: BulkHouse, tmp_path: Path) -> Gate:
    return Gate(house, tmp_path / "data" / "records.db")


async def statuses(house: BulkHouse, transaction: dict[str, Any], skip: int, limit: int) -> list[str]:
    return [row["status"] for row in await house.rows_of(transaction, f"&skip={skip}&limit={limit}")]


async def test_what_was_loaded_stays_and_the_rest_is_not_loaded(house: BulkHouse, gate: Gate) -> None:
    async with gate:
        id = await gate.until_rows_are_in()
        answer = await house.ask("POST", f"/api/tool/Transaction/{id}/cancel/")
        assert answer.status == 200
        ended = await gate.until_it_ends(id)
    names = [row["username"] for row in await house.table("users")]
    done = len(names) + 1  # the row that failed was read as well
    assert 3 * CHUNK <= len(names) < ROWS - CHUNK
    assert names == [f"u{n}" for n in range(done) if n != BAD]  # whole chunks, in order, nothing between
    assert done % CHUNK == 0
    assert (ended["status"], ended["message"], ended["rolled_back"]) == ("Fail", "Transaction canceled.", "No")
    assert ended["detail"] == f"[ {len(names)}/{ROWS} ] succeeded from [ 2 ] sheet in DEMO.xlsx."
    assert ended["completed_time"] >= ended["started_time"]
    assert "CANCELLED: the import was stopped on request" in ended["log"][-1]["message"]
    assert await statuses(house, ended, 0, 6) == ["Success"] * BAD + ["Fail"] + ["Success"] * 2
    assert await statuses(house, ended, done - 2, 4) == ["Success"] * 2 + ["Fail"] * 2
    assert await statuses(house, ended, ROWS - 1, 5) == ["Fail"]


async def test_its_parts_end_with_it_and_it_can_be_cancelled_once(house: BulkHouse, gate: Gate) -> None:
    async with gate:
        id = await gate.until_rows_are_in()
        path = f"/api/tool/Transaction/{id}/cancel/"
        assert (await house.ask("GET", path)).status == 200
        ended = await gate.until_it_ends(id)
    parts = {sub["action"]: sub["status"] for sub in ended["sub_transactions"]}
    assert parts == {"Execute Resource": "Fail", "Create Schedule": "Success", "Create Bulk Load": "Success"}
    again = await house.ask("POST", path)
    assert (again.status, again.body["error_code"]) == (409, 4090)
    poll = await house.get(f"/api/tool/Transaction/{id}/poll/")
    assert poll[id]["status"] == "Fail"
    batch = (await house.engine.batches.list())[0]
    assert batch.state == "cancelled"


async def test_the_same_load_can_be_run_again_after_it(house: BulkHouse, gate: Gate) -> None:
    async with gate:
        id = await gate.until_rows_are_in()
        await house.ask("POST", f"/api/tool/Transaction/{id}/cancel/")
        await gate.until_it_ends(id)
    kept = len(await house.table("users"))
    content = workbook(Users=[*USERS, *((f"v{n}", n) for n in range(CHUNK))])
    assert (await house.load(content, "Next.xlsx"))["status"] == "Success"
    assert len(await house.table("users")) == kept + CHUNK
