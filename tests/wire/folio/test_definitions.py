"""What becomes of definitions and their files, step by step (vendor's documentation: Data import v1.1)."""

import asyncio
from typing import Any

import pytest

from server.engine.vendors.folio.upload_definitions import DefinitionRules
from tests.support.replay import House
from tests.wire.folio.client import JSON, LATER, PROFILE, USER, V1, Client

OTHER_USER = "77777777-1caf-4470-9ad1-d533f6360bdd"


def names(definition: dict[str, Any]) -> list[str]:
    return [file["name"] for file in definition["fileDefinitions"]]


def loaded(definition: dict[str, Any]) -> list[bool]:
    return [file["loaded"] for file in definition["fileDefinitions"]]


@pytest.mark.asyncio(loop_scope="module")
class TestUploads:
    async def test_status_follows_the_files(self, shared: Client) -> None:
        made = await shared.define("a", "b", "c")
        seen = [(await shared.send(made, position, b"x")).json for position in (2, 0, 1)]
        assert [one["status"] for one in seen] == ["IN_PROGRESS", "IN_PROGRESS", "LOADED"]
        assert [loaded(one) for one in seen] == [[False, False, True], [True, False, True], [True, True, True]]
        assert names(seen[-1]) == ["a", "b", "c"]

    async def test_a_second_upload_replaces_the_first(self, shared: Client, shared_house: House) -> None:
        made = await shared.define("a")
        first = (await shared.send(made, 0, b"first, once only")).json["fileDefinitions"][0]
        second = (await shared.send(made, 0, b"second, once only")).json["fileDefinitions"][0]
        assert (shared_house.data_dir / second["sourcePath"]).read_bytes() == b"second, once only"
        assert not (shared_house.data_dir / first["sourcePath"]).exists()

    async def test_bytes_that_others_need_stay(self, shared: Client, shared_house: House) -> None:
        made = await shared.define("a", "b")
        for position in (0, 1):
            kept = (await shared.send(made, position, b"sent twice")).json["fileDefinitions"][position]
        await shared.send(made, 0, b"replaced")
        assert (shared_house.data_dir / kept["sourcePath"]).read_bytes() == b"sent twice"

    async def test_a_new_file_is_the_last_and_opens_what_was_loaded(self, shared: Client) -> None:
        made = await shared.define("a")
        await shared.send(made, 0, b"x")
        body = {"name": "z", "uploadDefinitionId": made["id"], "sourcePath": "/tmp/x", "loaded": True}
        reply = await shared.ask("POST", V1 + "/definition/file", body)
        assert (reply.json["status"], names(reply.json), loaded(reply.json)) == (
            "IN_PROGRESS",
            ["a", "z"],
            [True, False],
        )
        assert "sourcePath" not in reply.json["fileDefinitions"][1]

    async def test_removing_the_last_that_is_missing_ends_the_wait(self, shared: Client) -> None:
        made = await shared.define("a", "b")
        await shared.send(made, 0, b"x")
        missing = made["fileDefinitions"][1]["id"]
        await shared.ask("DELETE", f"{V1}/definition/file/{missing}?uploadDefinitionId={made['id']}")
        seen = await shared.see(made)
        assert (seen["status"], names(seen)) == ("LOADED", ["a"])

    async def test_removing_all_files_leaves_the_definition(self, shared: Client) -> None:
        made = await shared.define("a")
        file = made["fileDefinitions"][0]["id"]
        await shared.ask("DELETE", f"{V1}/definition/file/{file}?uploadDefinitionId={made['id']}")
        seen = await shared.see(made)
        assert (seen["status"], seen["fileDefinitions"]) == ("NEW", [])

    async def test_a_file_of_another_definition_is_not_found(self, shared: Client) -> None:
        made, other = await shared.define("a"), await shared.define("b")
        file = other["fileDefinitions"][0]["id"]
        reply = await shared.ask("POST", f"{V1}/file?uploadDefinitionId={made['id']}&fileId={file}", b"x")
        assert reply.status == 404

    async def test_a_body_that_breaks_off_leaves_nothing(self, shared: Client, shared_house: House) -> None:
        made = await shared.define("a")
        file = made["fileDefinitions"][0]["id"]
        path = f"{LATER}/{made['id']}/files/{file}"
        headers = {**shared.headers(), "Host": "x", "Content-Type": "application/octet-stream", "Content-Length": "9"}
        head = "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        reader, writer = await asyncio.open_connection("127.0.0.1", shared_house.port)
        writer.write(head.encode() + b"half")
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b""
        while (await shared.see(made, LATER))["status"] != "ERROR":
            pass  # asking takes its time
        assert (await shared.see(made, LATER))["fileDefinitions"][0]["status"] == "ERROR"
        assert (await shared.see(made))["status"] == "NEW"
        assert (await shared.send(made, 0, b"x")).json["status"] == "LOADED"


async def test_two_hundred_uploads_at_once_lose_nothing(client: Client, house: House) -> None:
    made = await client.define(*(f"{number}.mrc" for number in range(200)))
    replies = await asyncio.gather(*(client.send(made, number, b"file %d" % number) for number in range(200)))
    assert {reply.status for reply in replies} == {200}
    seen = await client.see(made)
    assert (seen["status"], loaded(seen)) == ("LOADED", [True] * 200)
    assert names(seen) == [f"{number}.mrc" for number in range(200)]
    for number, file in enumerate(seen["fileDefinitions"]):
        assert (house.data_dir / file["sourcePath"]).read_bytes() == b"file %d" % number
    assert await asyncio.to_thread(lambda: list(house.engine.operations.fsck.run(deep=True))) == []


@pytest.mark.asyncio(loop_scope="module")
class TestReplacing:
    async def put(self, client: Client, definition: dict[str, Any], body: object, **headers: str) -> dict[str, Any]:
        reply = await client.ask("PUT", f"{V1}/definition/{definition['id']}", body, **headers)
        assert reply.status == 200, reply
        return reply.json  # type: ignore[no-any-return]

    async def test_what_is_not_sent_is_cleared(self, shared: Client) -> None:
        made = await shared.define("a")
        changed = await self.put(shared, made, {})
        assert set(changed) == {"id", "metaJobExecutionId", "fileDefinitions", "metadata"}
        assert changed == await shared.see(made)

    async def test_any_status_may_follow_any(self, shared: Client) -> None:
        made = await shared.define("a")
        for status in ("COMPLETED", "NEW", "LOADED", "IN_PROGRESS"):
            assert (await self.put(shared, made, {"status": status}))["status"] == status

    async def test_the_id_of_the_path_wins(self, shared: Client) -> None:
        made = await shared.define("a")
        assert (await self.put(shared, made, {"id": USER}))["id"] == made["id"]

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("2019-06-20T11:00:25.852+0000", "2019-06-20T11:00:25.852+0000"),
            ("2019-06-20T11:00:25Z", "2019-06-20T11:00:25.000+0000"),
            ("2019-06-20T13:00:25.5+02:00", "2019-06-20T11:00:25.500+0000"),
        ],
    )
    async def test_the_date_is_the_body_s(self, shared: Client, sent: str, kept: str) -> None:
        made = await shared.define()
        assert (await self.put(shared, made, {"createDate": sent}))["createDate"] == kept

    async def test_a_date_out_of_the_calendar_is_refused(self, shared: Client) -> None:
        made = await shared.define()
        reply = await shared.ask("PUT", f"{V1}/definition/{made['id']}", {"createDate": "0001-01-01T00:00:00+12:00"})
        assert reply.status == 400

    async def test_what_came_stays_loaded_whatever_the_body_says(self, shared: Client) -> None:
        made = await shared.define("a", "b")
        await shared.send(made, 0, b"x")
        first, second = made["fileDefinitions"]
        changed = await self.put(shared, made, {"status": "NEW", "fileDefinitions": [second, first, {"name": "c"}]})
        assert (names(changed), loaded(changed)) == (["b", "a", "c"], [False, True, False])
        assert [file["id"] for file in changed["fileDefinitions"][:2]] == [second["id"], first["id"]]
        changed = await self.put(shared, made, {"fileDefinitions": [{"name": "new name", "id": first["id"]}]})
        assert (names(changed), loaded(changed)) == (["new name"], [True])
        assert (names(await self.put(shared, made, {}))) == ["new name"]
        assert (await self.put(shared, made, {"fileDefinitions": []}))["fileDefinitions"] == []

    async def test_who_and_when(self, shared: Client) -> None:
        made = await shared.define("a")
        changed = await self.put(shared, made, {}, **{"x-okapi-user-id": OTHER_USER})
        before, after = made["metadata"], changed["metadata"]
        assert (after["createdDate"], after["createdByUserId"]) == (before["createdDate"], USER)
        assert after["updatedByUserId"] == OTHER_USER
        assert after["updatedDate"] >= before["updatedDate"]

    async def test_the_later_path_keeps_the_files(self, shared: Client) -> None:
        made = await shared.define("a", "b")
        reply = await shared.ask("PUT", f"{LATER}/{made['id']}", {"status": "ERROR", "fileDefinitions": []})
        assert (reply.json["status"], names(reply.json)) == ("ERROR", ["a", "b"])


@pytest.mark.asyncio(loop_scope="module")
class TestLater:
    async def test_a_file_is_announced_sent_and_processed(self, shared: Client) -> None:
        body = {"fileDefinitions": [{"uiKey": "a.mrc1", "size": 7, "name": "a.mrc"}]}
        made = (await shared.ask("POST", LATER, body)).json
        (file,) = made["fileDefinitions"]
        assert (file["status"], file["size"], file["uiKey"]) == ("NEW", 7, "a.mrc1")
        assert "loaded" not in file
        path = f"{LATER}/{made['id']}"
        sent = (await shared.ask("POST", f"{path}/files/{file['id']}", b"x" * 2049)).json
        assert (sent["status"], sent["fileDefinitions"][0]["status"]) == ("LOADED", "UPLOADED")
        assert sent["fileDefinitions"][0]["size"] == 3
        assert "uploadedDate" in sent["fileDefinitions"][0]
        reply = await shared.ask("POST", path + "/processFiles", {"uploadDefinition": sent, "jobProfileInfo": PROFILE})
        assert (reply.status, reply.text) == (204, "")
        assert (await shared.see(made, LATER))["status"] == "COMPLETED"

    async def test_processing_needs_to_know_what_and_how(self, shared: Client) -> None:
        made = await shared.define()
        reply = await shared.ask("POST", f"{LATER}/{made['id']}/processFiles", {})
        assert reply.errors == [("may not be null", "-1")] * 2
        reply = await shared.ask("POST", f"{LATER}/x/processFiles", {"uploadDefinition": {}, "jobProfileInfo": PROFILE})
        assert reply.status == 404

    async def test_files_are_added_to_the_definition_of_the_path(self, shared: Client) -> None:
        made, other = await shared.define(), await shared.define()
        body = {"name": "a.mrc", "uploadDefinitionId": other["id"]}
        reply = await shared.ask("POST", f"{LATER}/{made['id']}/files", body)
        assert (reply.status, names(reply.json)) == (201, ["a.mrc"])
        file = reply.json["fileDefinitions"][0]["id"]
        assert (await shared.ask("DELETE", f"{LATER}/{made['id']}/files/{file}")).status == 204
        assert names(await shared.see(made)) == []

    async def test_a_definition_is_deleted_with_what_came(self, shared: Client, shared_house: House) -> None:
        made = await shared.define("a")
        file = (await shared.send(made, 0, b"to be deleted")).json["fileDefinitions"][0]
        assert (await shared.ask("DELETE", f"{LATER}/{made['id']}")).status == 204
        assert (await shared.ask("GET", f"{LATER}/{made['id']}")).status == 404
        assert (await shared.ask("DELETE", f"{LATER}/{made['id']}")).status == 404
        assert not (shared_house.data_dir / file["sourcePath"]).exists()

    async def test_declared_sizes_must_fit_the_disk(self, shared: Client) -> None:
        reply = await shared.ask("POST", LATER, {"fileDefinitions": [{"name": "big.mrc", "size": 2**31 - 1}]})
        assert reply.status == 201 or reply.errors == [("upload.fileSize.invalid", "big.mrc")]

    async def test_blocked_files_are_told_all_at_once(self, shared: Client) -> None:
        files = [{"name": name} for name in ("a.PDF", "b.mrc", "c.zip", "none")]
        reply = await shared.ask("POST", LATER, {"fileDefinitions": files})
        blocked = "validation.uploadDefinition.fileExtension.blocked"
        assert reply.errors == [(blocked, "a.PDF"), (blocked, "c.zip")]
        assert reply.json["total_records"] == 2

    async def test_users_who_search_see_their_own(self, shared: Client) -> None:
        mine = await shared.define("mine.mrc")
        headers = {"x-okapi-user-id": OTHER_USER}
        path = f"{LATER}?query=id=={mine['id']}"
        assert (await shared.ask("GET", path)).json["totalRecords"] == 1
        assert (await shared.ask("GET", path, **headers)).json["totalRecords"] == 0
        assert (await shared.ask("GET", LATER, **headers)).json["totalRecords"] >= 1


async def test_files_may_be_processed_as_soon_as_all_have_come(client: Client, house: House) -> None:
    """The status stays LOADED: COMPLETED is what a client says."""
    house.engine.folio.upload_definitions.rules = DefinitionRules(process_on_loaded=True)
    made = await client.define("a.mrc")
    assert (await client.send(made, 0, b"x")).json["status"] == "LOADED"


@pytest.mark.asyncio(loop_scope="module")
async def test_json_is_indented(shared: Client) -> None:
    reply = await shared.ask("POST", V1 + "/definition", {})
    assert reply.text.startswith('{\n  "id": ')
    assert reply.type == JSON
