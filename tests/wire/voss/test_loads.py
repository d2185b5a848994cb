"""Sentence by sentence: the two calls, and the transaction they lead to (vendor's documentation: Bulk load API)."""

import io
import re
import subprocess
import zipfile
from asyncio import to_thread
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.binary_workbooks import compound
from tests.support.workbook_parts import number, text, xlsx
from tests.wire.voss.house import LOAD, BulkHouse, countries, workbook

pytestmark = pytest.mark.asyncio(loop_scope="module")
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"


async def test_the_two_curl_commands_of_the_documentation(bulk: BulkHouse, tmp_path: Path) -> None:
    (tmp_path / "DEMO.xlsx").write_bytes(
        workbook(Places=["entity:data/Places", ("name", "code"), ("Bern", "BE"), ("Basel", "BS")])
    )
    auth = b64encode(f"AnyUser:{bulk.key}".encode()).decode()
    first = f"curl -s -H 'Authorization: Basic {auth}' -F uploadedfile=\"@DEMO.xlsx\" '{bulk.address}/api/uploadfiles/'"
    second = (
        f"curl -s -H 'Authorization: Basic {auth}' -H 'Content-Type: application/json' -H 'accept: application/json' "
        '--data-binary \'{"bulkload_file":"DEMO.xlsx","execute_immediately":true}\' '
        f"'{bulk.address}/api/tool/BulkLoad/?hierarchy=sys&method=bulkload_spreadsheet&nowait=true&format=json'"
    )

    def run(command: str) -> str:
        return subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert re.fullmatch(
        r'\{\s*"uploadedfiles": \[\s*\{\s*"id": "[0-9a-f]{24}",\s*"name": "DEMO.xlsx"\s*\}\s*\]\s*\}',
        await to_thread(run, first),
    )
    said = await to_thread(run, second)
    found = re.fullmatch(
        rf'\{{\s*"href": "/api/tool/Transaction/({UUID})",\s*"success": true,\s*"transaction_id": "({UUID})"\s*\}}',
        said,
    )
    assert found is not None
    assert found[1] == found[2]
    transaction = await bulk.ended(found[1])
    assert transaction["status"] == "Success"
    assert await bulk.table("data_Places") == [
        {"id": 1, "name": "Bern", "code": "BE"},
        {"id": 2, "name": "Basel", "code": "BS"},
    ]


async def test_an_upload_is_answered_with_202_and_id_and_name(bulk: BulkHouse) -> None:
    answer = await bulk.upload(countries(), "data_Countries.xlsx")
    assert answer.status == 202
    ((file,),) = [answer.body["uploadedfiles"]]
    assert file["name"] == "data_Countries.xlsx"
    assert re.fullmatch("[0-9a-f]{24}", file["id"])


async def test_the_transaction_has_what_the_sample_shows(bulk: BulkHouse) -> None:
    transaction = await bulk.load(countries(("Germany", "DE"), ("France", "FR")), "data_Countries_bulkloadsheet.xlsx")
    id = transaction["pkid"]
    assert transaction["href"] == f"/api/tool/Transaction/{id}"
    assert transaction["resource"]["hierarchy"] == "sys"
    assert (transaction["rolled_back"], transaction["status"]) == ("No", "Success")
    assert transaction["action"] == "Execute Bulk Load"
    assert transaction["detail"] == "[ 2/2 ] succeeded from [ 1 ] sheet in data_Countries_bulkloadsheet.xlsx."
    for name in ("submitted_time", "started_time", "completed_time"):
        assert re.fullmatch(MOMENT, transaction[name])
    (line,) = transaction["log"]
    assert line["message"].startswith("data_Countries_bulkloadsheet.xlsx is a valid")
    assert re.fullmatch("[0-9a-f]{24}", line["log_id"])
    assert re.fullmatch(MOMENT, line["time"])
    assert (line["severity"], line["transaction_id"], line["href"]) == ("info", id, f"/api/tool/Transaction/{id}")
    name = r"data_Countries_bulkloadsheet\.xlsx -- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \(UTC\)"
    wanted = [("Execute Resource", "Execute : "), ("Create Schedule", "Name:"), ("Create Bulk Load", "Name:")]
    assert [sub["action"] for sub in transaction["sub_transactions"]] == [action for action, _ in wanted]
    for sub, (_, before) in zip(transaction["sub_transactions"], wanted, strict=True):
        assert sub["status"] == "Success"
        assert re.fullmatch(before + name, sub["detail"])
        assert (await bulk.get(sub["transaction"]))["data"]["pkid"] == sub["transaction"].rpartition("/")[2]


async def test_each_row_is_a_transaction_of_its_own_in_pages(bulk: BulkHouse) -> None:
    transaction = await bulk.load(countries(*((f"Country {n}", n) for n in range(30))))
    rows = await bulk.rows_of(transaction, "&skip=10&limit=5")
    assert [row["detail"] for row in rows] == [
        f"data/Countries: row {line} of sheet Countries" for line in range(13, 18)
    ]
    assert {row["action"] for row in rows} == {"Create"}
    one = (await bulk.get(rows[0]["transaction"]))["data"]
    assert (one["status"], one["resource"]) == ("Success", {"model_type": "data/Countries", "hierarchy": "sys"})
    assert one["parent"] == transaction["rows"]["href"]
    execution = (await bulk.get(transaction["rows"]["href"] + "?limit=2"))["data"]
    assert execution["pagination"] == {"skip": 0, "limit": 2, "total": 30}


async def test_a_failing_row_fails_alone(bulk: BulkHouse) -> None:
    sheet = workbook(
        Users=["entity:data/Users", ("username", "age"), ("ada", 36), ("bob", "old"), ("cyd", 41), ("ada", 7)]
    )
    transaction = await bulk.load(sheet, "Users.xlsx")
    assert (transaction["status"], transaction["detail"]) == (
        "Success",
        "[ 2/4 ] succeeded from [ 1 ] sheet in Users.xlsx.",
    )
    assert transaction["message"] == "2 rows succeeded, 2 rows failed."
    rows = await bulk.rows_of(transaction)
    assert [row["status"] for row in rows] == ["Success", "Fail", "Success", "Fail"]
    assert "age" in rows[1]["message"]
    assert "old" in rows[1]["message"]
    assert rows[3]["message"] == "users: another row already has username 'ada'"
    failed = (await bulk.get(rows[1]["transaction"]))["data"]
    assert (failed["rolled_back"], failed["log"][0]["severity"]) == ("Yes", "error")
    assert [(row["username"], row["age"]) for row in await bulk.table("users")] == [("ada", 36), ("cyd", 41)]


@pytest.mark.parametrize(
    ("sheets", "reason"),
    [
        ({"Bad": ["country_name", ("Germany",)]}, "sheet 'Bad', row 1: the first row must begin with entity:MODEL"),
        ({"Bad": ["entity:Countries", "name", "x"]}, "entity:Countries is wrong, should be a model such as"),
        ({"Bad": ["entity:data/X,hierarchy:a..b", "name", "x"]}, "the hierarchy 'a..b' is neither a node's pkid nor"),
        (
            {"Bad": ["entity:data/X,parallel:perhaps", "name", "x"]},
            "parallel:perhaps is wrong, should be true or false",
        ),
        ({"Bad": ["entity:data/X", ("name", "name"), ("x", "y")]}, "the attribute 'name' stands there twice"),
        ({"Bad": ["entity:data/X", ("a.b", "a_b"), ("x", "y")]}, "would share the column a_b"),
        ({"Bad": ["entity:data/Users", ("username", "shoe"), ("x", "y")]}, "data/Users has no attribute 'shoe'"),
        ({"Bad": ["entity:data/X"]}, "no row with attribute names follows"),
        ({"hash_Off": ["entity:data/X", "name", "x"]}, "no sheet has anything to load"),
    ],
)
async def test_nothing_is_loaded_when_the_check_before_fails(
    bulk: BulkHouse, sheets: dict[str, list[object]], reason: str
) -> None:
    good = {"Good": ["entity:data/Untouched", "name", "x"]} if "hash_Off" not in sheets else {}
    transaction = await bulk.load(workbook(**good, **sheets))  # type: ignore[arg-type]
    assert transaction["status"] == "Fail"
    assert reason in transaction["message"]
    assert transaction["rows"]["total"] == 0
    assert await bulk.table("data_Untouched") == []


async def test_a_file_that_is_no_workbook_inside(bulk: BulkHouse) -> None:
    transaction = await bulk.load(b"name,code\n", "Fake.xlsx")
    assert (transaction["status"], transaction["message"]) == (
        "Fail",
        "Fake.xlsx: The file is not an Excel workbook (.xlsx, .xlsm, .xlsb or .xls) nor an OpenDocument spreadsheet "
        "(.ods); it seems to be text: if it is CSV, import it as such",
    )


async def test_a_workbook_that_unpacks_to_more_than_the_limit(bulk: BulkHouse) -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(countries(("Chad", "TD")))) as plain,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as swollen,
    ):
        for name in plain.namelist():
            swollen.writestr(name, plain.read(name))
        with swollen.open("xl/media/image1.png", "w") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
    transaction = await bulk.load(bomb.getvalue(), "Bomb.xlsx")
    assert transaction["status"] == "Fail"
    assert "unpacks to" in transaction["message"]
    assert "the limit is" in transaction["message"]


async def test_sheets_from_left_to_right_blocks_and_tabs_that_are_passed_over(bulk: BulkHouse) -> None:
    transaction = await bulk.load(
        workbook(
            One=[
                "entity:data/Steps",
                ("name",),
                ("first",),
                ("# no",),
                (),
                ("second",),
                "entity: data/Other",
                ("n.a",),
                ("x",),
            ],
            hash_Two=["nonsense"],
            Three=["entity:data/Steps", ("Base",), ("Name",), ("name",), ("third",)],
        ),
        "Many.xlsx",
    )
    assert transaction["detail"] == "[ 4/4 ] succeeded from [ 2 ] sheet in Many.xlsx."
    assert [row["name"] for row in await bulk.table("data_Steps")] == ["first", "second", "third"]
    assert await bulk.table("data_Other") == [{"id": 1, "n_a": "x"}]


async def test_actions_search_fields_pkid_and_cleared_cells(bulk: BulkHouse) -> None:
    head = ("# Comment", "# Action", "# Search Fields", "# Unique Identifier (pkid)", "name", "code")
    await bulk.load(workbook(A=["entity:data/Towns", ("name", "code"), *((f"T{n}", f"c{n}") for n in range(1, 7))]))
    transaction = await bulk.load(
        workbook(
            A=[
                "entity:data/Towns",
                head,
                ("changes", "modify", "name:T1", None, None, "new"),
                ("clears", "modify", "name:T2,code:c2", None, None, " "),
                ("by pkid, which wins", "modify", "name:nobody", "3", "Third", None),
                (None, "delete", "name:T4", None, None, None),
                (None, "execute", "name:T5", None, None, "ran"),
                (None, "modify", "name:nobody", None, None, "x"),
                (None, "modify", None, None, None, "x"),
                (None, "explode", None, None, "x", "x"),
                (None, None, None, None, "T7", "c7"),
            ]
        )
    )
    rows = await bulk.rows_of(transaction)
    wanted = ["Modify"] * 3 + ["Delete", "Execute", "Modify", "Modify", "Unknown", "Create"]
    assert [row["action"] for row in rows] == wanted
    assert [row["status"] for row in rows] == ["Success"] * 5 + ["Fail"] * 3 + ["Success"]
    assert rows[5]["message"] == "data/Towns: no row matches name:nobody"
    assert "which row to modify is not said" in rows[6]["message"]
    assert rows[7]["message"] == "row 10: unknown action 'explode'; known are add, modify, delete, execute"
    found = {row["id"]: (row["name"], row.get("code")) for row in await bulk.table("data_Towns")}
    assert found == {
        1: ("T1", "new"),
        2: ("T2", None),
        3: ("Third", "c3"),
        5: ("T5", "ran"),
        6: ("T6", "c6"),
        7: ("T7", "c7"),
    }


async def test_errors_and_formulas_without_a_result_fail_their_rows_and_are_in_the_log(bulk: BulkHouse) -> None:
    rows = [
        [text("entity:data/Rates,hierarchy:sys")],
        [text("code"), text("rate")],
        [text("a"), ' t="e"><f>1/0</f><v>#DIV/0!</v></c>'],
        [text("b"), "><f>B1*2</f></c>"],
        [text("c"), number(2)],
    ]
    transaction = await bulk.load(xlsx(*rows), "Rates.xlsx")
    logged = "\n".join(str(line["message"]) for line in transaction["log"])
    assert "sheet 'Data', row 3, column B ('rate') holds the error #DIV/0!" in logged
    assert "sheet 'Data', row 4, column B ('rate') holds a formula '=B1*2' without a stored result" in logged
    assert [row["status"] for row in await bulk.rows_of(transaction)] == ["Fail", "Fail", "Success"]
    assert await bulk.table("data_Rates") == [{"id": 1, "code": "c", "rate": "2"}]


async def test_a_workbook_with_a_password_says_so(bulk: BulkHouse) -> None:
    transaction = await bulk.load(compound({"EncryptedPackage": bytes(99)}), "Locked.xlsx")
    assert transaction["status"] == "Fail"
    assert "protected by a password" in str(transaction)


async def test_the_latest_upload_of_a_name_wins_and_an_id_names_one(bulk: BulkHouse) -> None:
    first = await bulk.upload(workbook(A=["entity:data/Versions", ("v",), ("one",)]), "V.xlsx")
    await bulk.upload(workbook(A=["entity:data/Versions", ("v",), ("two",)]), "V.xlsx")
    for file in ("V.xlsx", first.body["uploadedfiles"][0]["id"]):
        assert (await bulk.ask("POST", LOAD, {"bulkload_file": file})).status == 200
    assert [row["v"] for row in await bulk.table("data_Versions")] == ["two", "one"]


async def test_nowait_false_is_the_default_and_waits_for_the_end(bulk: BulkHouse) -> None:
    await bulk.upload(countries(("Chad", "TD")), "Wait.xlsx")
    for nowait in ("", "&nowait=false"):
        answer = await bulk.ask("POST", LOAD + nowait, {"bulkload_file": "Wait.xlsx", "execute_immediately": True})
        assert (answer.status, answer.body["success"], answer.body["status"]) == (200, True, "Success")
    await bulk.upload(b"nothing", "Broken.xlsx")
    answer = await bulk.ask("POST", LOAD, {"bulkload_file": "Broken.xlsx"})
    assert (answer.status, answer.body["error_code"], answer.body["success"]) == (400, 4004, False)
    assert (await bulk.transaction(answer.body["transaction_id"]))["status"] == "Fail"


async def test_both_forms_of_poll_and_several_ids(bulk: BulkHouse) -> None:
    one, two = [await bulk.begin(countries((name, "x"))) for name in ("a", "b")]
    for id in (one, two):
        await bulk.ended(id)
    entry = {"status": "Success", "description": None}
    polled = await bulk.get(f"/api/tool/Transaction/poll/?transactions={one},{two}&hierarchy=sys&format=json")
    assert polled == {id: {**entry, "href": f"/api/tool/Transaction/{id}"} for id in (one, two)}
    assert list((await bulk.get(f"/api/tool/Transaction/{one}/poll/?format=json")).keys()) == [one]
    again = await bulk.get(f"/api/tool/Transaction/poll/?transactions={one}&transactions={two}")
    assert again.keys() == {one, two}


async def test_the_list_has_skip_limit_total(bulk: BulkHouse) -> None:
    ids = [(await bulk.load(countries((n, "x"))))["pkid"] for n in ("a", "b", "c")]
    page = await bulk.get("/api/tool/Transaction/?skip=1&limit=2&hierarchy=sys&format=json")
    assert [line["pkid"] for line in page["resources"]] == [ids[1], ids[0]]
    assert page["pagination"]["skip"] == 1
    assert page["pagination"]["limit"] == 2
    assert page["pagination"]["total"] >= 3
    assert (await bulk.get("/api/tool/Transaction/?count=false"))["pagination"]["total"] == 0
    assert (await bulk.get("/api/tool/Transaction/"))["pagination"]["limit"] == 250


async def test_replay_loads_the_same_again_and_answers_the_list(bulk: BulkHouse) -> None:
    transaction = await bulk.load(workbook(A=["entity:data/Twice", ("v",), ("once",)]), "Twice.xlsx")
    page = await bulk.get(f"/api/tool/Transaction/{transaction['pkid']}/replay/?format=json")
    newest = page["resources"][0]
    assert newest["pkid"] != transaction["pkid"]
    assert (await bulk.ended(newest["pkid"]))["status"] == "Success"
    assert len(await bulk.table("data_Twice")) == 2


async def test_a_load_leaves_a_record_in_data_bulkload(bulk: BulkHouse) -> None:
    transaction = await bulk.load(countries(("Mali", "ML")), "AnyUser.xlsx")
    load = (await bulk.get(f"/api/data/BulkLoad/{transaction['resource']['pkid']}/"))["data"]
    assert load["filename"] == "AnyUser.xlsx"
    assert load["description"] == "Generated by Bulk Loader Administration Tools"
    assert re.fullmatch(r"AnyUser\.xlsx -- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \(UTC\)", load["name"])
    made = await bulk.ask("POST", "/api/data/Bulkload/", {"filename": "AnyUser.xlsx", "name": "N", "description": "D"})
    assert (made.status, made.body["success"]) == (201, True)
    assert (await bulk.get("/api/data/BulkLoad/?limit=1"))["resources"][0]["data"]["name"] == "N"
    href = made.body["meta"]["uri"]
    assert (await bulk.ask("DELETE", "/api/data/BulkLoad/", {"hrefs": [href]})).body == {"success": True}
    assert (await bulk.ask("GET", href)).status == 404


async def test_false_is_a_value(bulk: BulkHouse) -> None:
    rows = [("no", False), ("yes", True), ("unsaid", None)]
    assert (await bulk.load(workbook(S=["entity:data/Flags", ("name", "flag"), *rows])))["status"] == "Success"
    found = {row["name"]: row.get("flag") for row in await bulk.table("data_Flags")}
    assert found == {"no": "false", "yes": "true", "unsaid": None}
    users = workbook(S=["entity:data/Users", ("username", "active"), *((f"flag-{name}", flag) for name, flag in rows)])
    assert (await bulk.load(users))["status"] == "Success"
    found = {row["username"]: row.get("active") for row in await bulk.table("users")}
    assert [found[f"flag-{name}"] for name, _ in rows] == [0, 1, None]
