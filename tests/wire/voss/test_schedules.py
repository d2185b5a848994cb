"""Loads at a time: zones, servers that were down, two servers, cancels before they run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.engine.vendors.voss.transactions import TransactionRules
from tests.wire.voss.house import LOAD, BulkHouse, MovedClock, countries, open_bulk_house

ONE = countries(("Germany", "DE"))


def at(moment: datetime, zone: int, *, as_text: bool = True) -> dict[str, Any]:
    """The fields of a load for a moment, in the words of a zone."""
    local = moment.astimezone(UTC) + timedelta(minutes=zone)
    return {
        "execute_immediately": False,
        "execute_date": f"{local:%Y-%m-%d}",
        "execute_time": f"{local:%H:%M:%S}",
        "execute_timezone": str(zone) if as_text else zone,
    }


@pytest.mark.parametrize(("zone", "as_text"), [(0, True), (120, True), (-60, True), (120, False), (840, False)])
async def test_the_zone_is_minutes_relative_to_utc(
    tmp_path: Path, bulk_imports: Path, zone: int, as_text: bool
) -> None:
    async with open_bulk_house(tmp_path / "data", bulk_imports) as house:
        due = datetime(2099, 6, 20, 22, 30, tzinfo=UTC)  # another day in some of the zones
        await house.upload(ONE)
        answer = await house.ask("POST", LOAD, {"bulkload_file": "DEMO.xlsx", **at(due, zone, as_text=as_text)})
        assert answer.status == 200
        (schedule,) = (await house.get("/api/data/Schedule/"))["resources"]
        assert schedule["data"]["execute_utc"] == "2099-06-20T22:30:00.000000"
        assert schedule["data"]["single_execute"] == {
            "single_date": at(due, zone)["execute_date"],
            "single_time": at(due, zone)["execute_time"],
            "single_timezone": str(zone),
        }


async def test_a_schedule_waits_for_its_time_and_is_gone_once_executed(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as house:
        id = await house.begin(ONE, **at(clock() + timedelta(hours=30), 120))
        asked = await house.transaction(id)
        assert (asked["action"], asked["status"]) == ("Execute Bulk Load", "Success")
        assert asked["completed_time"] == asked["started_time"] == asked["submitted_time"]
        parts = [(sub["action"], sub["status"]) for sub in asked["sub_transactions"]]
        assert parts == [("Create Schedule", "Success"), ("Create Bulk Load", "Success")]
        assert "[" not in asked["detail"]  # no word of rows
        assert "rows" not in asked
        assert (asked["message"], asked["executed_by"], asked["log"]) == (None, None, [])
        assert (await house.get(f"/api/tool/Transaction/poll/?transactions={id}"))[id]["status"] == "Success"
        ((schedule,), total) = (p := await house.get("/api/data/Schedule/"))["resources"], p["pagination"]["total"]
        assert total == 1
        assert schedule["data"]["name"].startswith("DEMO.xlsx -- ")
        assert schedule["data"]["scheduled_resources"][0]["resource_type"] == "data/BulkLoad"
        one = f"/api/data/Schedule/{schedule['data']['pkid']}/"
        assert (await house.get(one))["data"] == schedule["data"]
        assert await house.table("data_Countries") == []
        clock.move(hours=30, seconds=1)
        done = await executed(house, id)
        assert (done["action"], done["status"], done["late"]) == ("Execute Schedule", "Success", "No")
        assert [sub["action"] for sub in done["sub_transactions"]] == ["Execute Resource"]
        assert done["detail"] == "[ 1/1 ] succeeded from [ 1 ] sheet in DEMO.xlsx."
        assert len(await house.rows_of(done)) == 1
        assert done["scheduled_by"] == f"/api/tool/Transaction/{id}"
        listed = await house.get("/api/tool/Transaction/")
        assert [each["pkid"] for each in listed["resources"]] == [done["pkid"], id]
        again = await house.transaction(id)
        assert {name: again[name] for name in asked if name != "executed_by"} == {
            name: asked[name] for name in asked if name != "executed_by"
        }
        assert (await house.get("/api/data/Schedule/"))["resources"] == []
        assert (await house.ask("GET", one)).status == 404
        assert len(await house.table("data_Countries")) == 1


async def test_a_server_that_was_down_at_the_time_runs_it_late(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as house:
        id = await house.begin(ONE, **at(clock() + timedelta(minutes=5), -60))
    clock.move(hours=7)
    async with open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as house:
        done = await executed(house, id)
        assert (done["status"], done["late"]) == ("Success", "Yes")


async def test_two_servers_run_a_schedule_once(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with (
        open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as one,
        open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as two,
    ):
        ids = [await one.begin(ONE, **at(clock() + timedelta(minutes=5), 0)) for _ in range(3)]
        clock.move(minutes=6)
        assert {(await executed(two, id))["status"] for id in ids} == {"Success"}
        assert (await one.get("/api/tool/Transaction/"))["pagination"]["total"] == 6
        assert len(await one.table("data_Countries")) == 3


async def test_a_load_that_waits_is_called_off_with_its_schedule(tmp_path: Path, bulk_imports: Path) -> None:
    async with open_bulk_house(tmp_path / "data", bulk_imports) as house:
        id = await house.begin(ONE, **at(datetime.now(UTC) + timedelta(days=1), 0))
        (schedule,) = (await house.get("/api/data/Schedule/"))["resources"]
        ended = await house.ask("POST", f"/api/tool/Transaction/{id}/cancel/")  # the request itself has ended
        assert (ended.status, ended.body["error_code"]) == (409, 4090)
        assert f"delete the schedule {schedule['data']['pkid']} to cancel its load" in ended.body["error_message"]
        assert (await house.ask("DELETE", schedule["meta"]["uri"])).status == 200
        off = await executed(house, id)
        assert (off["action"], off["status"], off["message"]) == ("Execute Schedule", "Fail", "Transaction canceled.")
        assert (await house.transaction(id))["status"] == "Success"
        assert (await house.get("/api/data/Schedule/"))["resources"] == []
        assert (await house.ask("DELETE", schedule["meta"]["uri"])).status == 404
        assert await house.table("data_Countries") == []


async def test_a_time_that_has_passed_is_said(tmp_path: Path, bulk_imports: Path) -> None:
    async with open_bulk_house(tmp_path / "data", bulk_imports) as house:
        await house.upload(ONE)
        body = {"bulkload_file": "DEMO.xlsx", **at(datetime(2013, 6, 20, 12, tzinfo=UTC), 0)}
        answer = await house.ask("POST", LOAD, body)
        said = "The time 2013-06-20 12:00:00 UTC had passed when the load was scheduled; it runs at once."
        assert (answer.status, answer.body["message"]) == (200, said)
        id = answer.body["transaction_id"]
        assert (await house.transaction(id))["message"] == said
        done = await executed(house, id)
        assert (done["status"], done["late"]) == ("Success", "No")
        assert (await house.ask("POST", LOAD, {"bulkload_file": "DEMO.xlsx"})).body["message"] != said


async def test_replay_of_either_transaction_loads_at_once(tmp_path: Path, bulk_imports: Path) -> None:
    clock = MovedClock()
    async with open_bulk_house(tmp_path / "data", bulk_imports, clock=clock) as house:
        id = await house.begin(ONE, **at(clock() + timedelta(minutes=5), 0))
        clock.move(minutes=6)
        done = await executed(house, id)
        for pkid in (id, done["pkid"]):
            newest = (await house.get(f"/api/tool/Transaction/{pkid}/replay/"))["resources"][0]
            assert newest["action"] == "Execute Bulk Load"
            assert (await house.ended(newest["pkid"]))["status"] == "Success"
        assert len(await house.table("data_Countries")) == 3


async def executed(house: BulkHouse, id: str) -> dict[str, Any]:
    """The transaction that executes what this one scheduled, once it has ended."""
    await house.ended(id)
    href = (await house.transaction(id))["executed_by"]
    return await house.transaction(href.rpartition("/")[2])


async def test_hierarchies_that_the_settings_name(tmp_path: Path, bulk_imports: Path) -> None:
    rules = TransactionRules(hierarchies=("sys", "sys.a", "sys.b"))
    async with open_bulk_house(tmp_path / "data", bulk_imports, rules=rules) as house:
        nodes = (await house.get("/api/data/HierarchyNode/?format=json"))["resources"]
        assert [node["path"] for node in nodes] == ["sys", "sys.a", "sys.b"]
        await house.upload(ONE)
        method = "method=bulkload_spreadsheet&nowait=true"
        for named, status in ((nodes[1]["pkid"], 200), ("sys.b", 200), ("sys.c", 400)):
            path = f"/api/tool/BulkLoad/?hierarchy={named}&{method}"
            assert (await house.ask("POST", path, {"bulkload_file": "DEMO.xlsx"})).status == status
        _, limited = await house.engine.access.keys.create("limited", ["voss"], ["sys.a"])
        other = BulkHouse(house.engine, house.address, house.session, limited)
        assert (await other.get("/api/tool/Transaction/"))["pagination"]["total"] == 1
        await other.upload(ONE, "Mine.xlsx")
        path = f"/api/tool/BulkLoad/?hierarchy=sys.a&{method}"
        answer = await other.ask("POST", path, {"bulkload_file": "Mine.xlsx"})
        failed = await house.ended(answer.body["transaction_id"])
        assert "the hierarchy 'sys' is not one that this key may load into" in failed["message"]
        assert (await other.ask("POST", path, {"bulkload_file": "DEMO.xlsx"})).body["error_code"] == 4042
        assert (await other.ask("POST", LOAD, {"bulkload_file": "Mine.xlsx"})).body["error_code"] == 4031
