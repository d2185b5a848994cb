"""Keys of two tenants on one table: each touches the rows of its own hierarchy, and no others."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from tests.wire.voss.house import BulkHouse, open_bulk_house, workbook

NAMES = ("# Action", "# Hierarchy Node", "# Search Fields", "# Unique Identifier (pkid)", "country_name", "iso_code")


@pytest.fixture
async def house(tmp_path: Path, bulk_imports: Path) -> Any:
    async with open_bulk_house(tmp_path / "data", bulk_imports) as house:
        yield house


async def of_tenant(house: BulkHouse, path: str) -> BulkHouse:
    _, key = await house.engine.access.keys.create(path, ["voss"], [path])
    return BulkHouse(house.engine, house.address, house.session, key)


async def load(house: BulkHouse, path: str, *rows: Sequence[object]) -> dict[str, Any]:
    content = workbook(Countries=["entity:data/Countries", NAMES, *rows])
    assert (await house.upload(content)).status == 202
    at = f"/api/tool/BulkLoad/?hierarchy={path}&method=bulkload_spreadsheet&nowait=true"
    answer = await house.ask("POST", at, {"bulkload_file": "DEMO.xlsx"})
    assert answer.status == 200, answer.body
    unlimited = next(key for key in await house.engine.access.keys.list() if not key.tenants)
    found = await house.engine.voss.find(answer.body["transaction_id"], unlimited)
    await house.engine.jobs.wait(found.state.job.id)
    return dict((await house.get(answer.body["href"] + f"/?hierarchy={path}"))["data"])


async def countries(house: BulkHouse) -> list[tuple[object, ...]]:
    return [(row["country_name"], row["iso_code"]) for row in await house.table("data_Countries")]


def belonging(house: BulkHouse, folder: Path) -> list[tuple[object, ...]]:
    with closing(connect(folder / "data" / "records.db")) as records:
        return records.execute("SELECT country_name, _hierarchy FROM data_Countries ORDER BY id").fetchall()


async def test_a_tenant_cannot_touch_the_rows_of_another(house: BulkHouse, tmp_path: Path) -> None:
    one, two = await of_tenant(house, "sys.a"), await of_tenant(house, "sys.b")
    assert (await load(one, "sys.a", ("add", None, None, None, "Isolatia", "IS")))["status"] == "Success"
    assert (await load(two, "sys.b", ("add", None, None, None, "Isolatia", "IS")))["status"] == "Success"
    theirs, mine = (row["id"] for row in await house.table("data_Countries"))
    for action in ("modify", "delete", "execute"):
        by_pkid = await load(two, "sys.b", (action, None, None, str(theirs), "Taken", "XX"))
        assert by_pkid["status"] == "Fail"
        assert await countries(house) == [("Isolatia", "IS"), ("Isolatia", "IS")]
    changed = await load(two, "sys.b", ("modify", None, "country_name:Isolatia", None, None, "MY"))
    assert changed["status"] == "Success"  # of the two rows that match, one is its own
    assert await countries(house) == [("Isolatia", "IS"), ("Isolatia", "MY")]
    gone = await load(two, "sys.b", ("delete", None, "country_name:Isolatia", None, None, None))
    assert gone["status"] == "Success"
    assert belonging(house, tmp_path) == [("Isolatia", "sys.a")]
    assert mine not in [row["id"] for row in await house.table("data_Countries")]


async def test_a_row_belongs_to_its_node_its_block_or_the_request(house: BulkHouse, tmp_path: Path) -> None:
    await load(
        house,
        "sys.a",
        ("add", None, None, None, "Here", "H"),
        ("add", "sys.a.deep", None, None, "Deep", "D"),
        (None, None, None, None, "Plain", "P"),
    )
    assert belonging(house, tmp_path) == [("Here", "sys.a"), ("Deep", "sys.a.deep"), ("Plain", "sys.a")]
    one = await of_tenant(house, "sys.a.deep")
    assert (await load(one, "sys.a.deep", ("delete", None, "iso_code:H", None, None, None)))["status"] == "Fail"
    assert (await load(one, "sys.a.deep", ("delete", None, "iso_code:D", None, None, None)))["status"] == "Success"


async def test_rows_of_before_belong_to_no_tenant_until_they_are_modified(house: BulkHouse, tmp_path: Path) -> None:
    await load(house, "sys.a", ("add", None, None, None, "Old", "O"))
    with closing(connect(tmp_path / "data" / "records.db")) as records:  # as an earlier version made it
        records.execute("ALTER TABLE data_Countries DROP COLUMN _hierarchy")
    one = await of_tenant(house, "sys.a")
    change = ("modify", None, "iso_code:O", None, "New", None)
    assert (await load(one, "sys.a", change))["status"] == "Fail"
    assert (await load(house, "sys.a", change))["status"] == "Success"
    assert belonging(house, tmp_path) == [("New", "sys.a")]
    assert (await load(one, "sys.a", ("delete", None, "iso_code:O", None, None, None)))["status"] == "Success"
