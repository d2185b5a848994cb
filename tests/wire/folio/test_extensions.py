"""File extensions, short lists, and files in parts."""

import time
from typing import Any

import pytest

from server.engine.vendors.folio.staged_uploads import StagedUploads
from tests.support.replay import House
from tests.wire.folio.client import LATER, Client

PATH = "/data-import/fileExtensions"
DEFAULTS = {
    **dict.fromkeys([".dat", ".edi", ".inv", ".marc", ".mrc", ".ord", ".xml"], False),
    **dict.fromkeys([".gif", ".jpg", ".mrk", ".pdf", ".png", ".zip"], True),
}


async def listed(client: Client) -> dict[str, bool]:
    reply = await client.ask("GET", PATH + "?limit=100")
    return {one["extension"]: one["importBlocked"] for one in reply.json["fileExtensions"]}


def called(client: Client, tenant: str) -> Client:
    return Client(client.session, client.address, client.key, tenant)


@pytest.mark.asyncio(loop_scope="module")
class TestExtensions:
    async def test_a_tenant_begins_with_the_defaults(self, shared: Client) -> None:
        assert await listed(called(shared, "beginner")) == DEFAULTS

    async def test_a_page_of_them(self, shared: Client) -> None:
        reply = await called(shared, "reader").ask("GET", PATH)
        assert (len(reply.json["fileExtensions"]), reply.json["totalRecords"]) == (10, 13)

    async def test_an_extension_is_found_by_query(self, shared: Client) -> None:
        (found,) = await called(shared, "searcher").found('extension==".MRC"', PATH, "fileExtensions")
        assert found["dataTypes"] == ["MARC"]
        assert len(await called(shared, "searcher").found("importBlocked==true", PATH, "fileExtensions")) == 6
        assert len(await called(shared, "searcher").found("dataTypes=EDIFACT", PATH, "fileExtensions")) == 3

    async def test_one_lives_its_life(self, shared: Client) -> None:
        client = called(shared, "owner")
        body = {"extension": ".New", "importBlocked": False, "dataTypes": ["MARC", "Delimited"]}
        made = await client.ask("POST", PATH, {**body, "userInfo": {"firstName": "A"}, "metadata": {}})
        assert made.status == 201
        path = made.headers["Location"]
        assert made.json.items() >= body.items()
        assert (await client.ask("GET", path)).json == made.json
        changed = await client.ask("PUT", path, {"extension": ".new", "importBlocked": True})
        assert (changed.status, changed.json["importBlocked"], changed.json["dataTypes"]) == (200, True, [])
        refused = await client.ask("POST", LATER, {"fileDefinitions": [{"name": "x.NEW"}]})
        assert refused.errors == [("validation.uploadDefinition.fileExtension.blocked", "x.NEW")]
        assert (await client.ask("DELETE", path)).status == 204
        assert (await client.ask("GET", path)).status == (await client.ask("DELETE", path)).status == 404
        assert (await client.ask("PUT", path, body)).status == 404

    async def test_the_defaults_come_back(self, shared: Client) -> None:
        client = called(shared, "restorer")
        for one in (await client.ask("GET", PATH + "?limit=100")).json["fileExtensions"]:
            await client.ask("DELETE", f"{PATH}/{one['id']}")
        assert await listed(client) == {}
        reply = await client.ask("POST", PATH + "/restore/default")
        assert (reply.status, reply.json["totalRecords"], len(reply.json["fileExtensions"])) == (200, 13, 13)
        assert await listed(client) == DEFAULTS

    @pytest.mark.parametrize("extension", ["mrc", ".", ".a b", "..x", ".é", ""])
    async def test_an_extension_has_its_form(self, shared: Client, extension: str) -> None:
        reply = await shared.ask("POST", PATH, {"extension": extension, "importBlocked": True})
        assert reply.errors == [
            (f"File extension {extension} is not a valid format", "fileExtension.extension.invalid")
        ]

    async def test_an_extension_is_there_once(self, shared: Client) -> None:
        reply = await shared.ask("POST", PATH, {"extension": ".Mrc", "importBlocked": True})
        assert reply.errors == [("File extension .Mrc already exists", "fileExtension.duplication.invalid")]

    async def test_what_an_extension_needs(self, shared: Client) -> None:
        reply = await shared.ask("POST", PATH, {})
        assert [error["parameters"][0]["key"] for error in reply.json["errors"]] == ["extension", "importBlocked"]
        body = {"extension": ".x", "importBlocked": True, "dataTypes": ["PDF"]}
        assert (await shared.ask("POST", PATH, body)).status == 400

    async def test_short_lists(self, shared: Client) -> None:
        types = (await shared.ask("GET", "/data-import/dataTypes")).json
        assert types == {"dataTypes": ["Delimited", "EDIFACT", "MARC"], "totalRecords": 3}
        assert (await shared.ask("GET", "/data-import/splitStatus")).json == {"splitStatus": False}


@pytest.mark.asyncio(loop_scope="module")
class TestParts:
    async def begin(self, client: Client) -> tuple[dict[str, Any], dict[str, Any], str]:
        made = (await client.ask("POST", LATER, {"fileDefinitions": [{"name": "a.mrc"}]})).json
        first = (await client.ask("GET", "/data-import/uploadUrl?filename=a.mrc")).json
        path = f"{LATER}/{made['id']}/files/{made['fileDefinitions'][0]['id']}/assembleStorageFile"
        return made, first, path

    async def next(self, client: Client, first: dict[str, Any], number: int) -> dict[str, Any]:
        path = "/data-import/uploadUrl/subsequent"
        reply = await client.ask("GET", f"{path}?key={first['key']}&uploadId={first['uploadId']}&partNumber={number}")
        assert reply.status == 200, reply
        return reply.json  # type: ignore[no-any-return]

    async def put(self, client: Client, part: dict[str, Any], content: bytes) -> str:
        async with client.session.put(part["url"], data=content) as reply:
            assert reply.status == 200
            return reply.headers["ETag"]

    async def test_parts_become_the_file(self, shared: Client, shared_house: House) -> None:
        made, first, path = await self.begin(shared)
        assert first["key"].startswith("data-import/diku/")
        second = await self.next(shared, first, 2)
        tags = [await self.put(shared, first, b"to be sent again")]
        tags = [await self.put(shared, first, b"one, "), await self.put(shared, second, b"two")]
        wanted = {"key": first["key"], "uploadId": first["uploadId"], "tags": tags}
        reply = await shared.ask("POST", path, wanted)
        assert (reply.status, reply.text) == (204, "")
        seen = await shared.see(made, LATER)
        (file,) = seen["fileDefinitions"]
        assert (seen["status"], file["status"]) == ("LOADED", "UPLOADED")
        assert (shared_house.data_dir / file["sourcePath"]).read_bytes() == b"one, two"
        assert (await shared.ask("POST", path, wanted)).status == 404
        for tag in tags:
            digest = tag.strip('"')
            assert not (shared_house.data_dir / f"blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}").exists()

    async def test_parts_that_are_missing_or_others_are_refused(self, shared: Client) -> None:
        made, first, path = await self.begin(shared)
        names = {"key": first["key"], "uploadId": first["uploadId"]}
        assert (await shared.ask("POST", path, {**names, "tags": []})).status == 400
        third = await self.put(shared, await self.next(shared, first, 3), b"three")
        assert (await shared.ask("POST", path, {**names, "tags": [third]})).status == 400
        assert (await shared.ask("POST", path, {**names, "tags": ["x", "y"]})).status == 400
        assert (
            await shared.ask("POST", path, {"key": "other", "uploadId": first["uploadId"], "tags": []})
        ).status == 404
        assert (await shared.see(made, LATER))["status"] == "NEW"

    @pytest.mark.parametrize(
        ("old", "new"),
        [("signature=", "signature=0"), ("/1?", "/2?"), ("&sig", "0&sig"), ("parts/", "parts/0")],
    )
    async def test_an_address_cannot_be_made_up(self, shared: Client, old: str, new: str) -> None:
        _, first, _ = await self.begin(shared)
        async with shared.session.put(first["url"].replace(old, new), data=b"x") as reply:
            assert (reply.status, await reply.text()) == (401, "unable to upload part -- unauthorized")

    async def test_an_address_expires(self, shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(StagedUploads, "until", lambda _, seconds: int(time.time()) - 100)
            _, first, _ = await self.begin(shared)
        async with shared.session.put(first["url"], data=b"x") as reply:
            assert reply.status == 401

    async def test_another_tenant_knows_nothing_of_it(self, shared: Client) -> None:
        _, first, _ = await self.begin(shared)
        path = f"/data-import/uploadUrl/subsequent?key={first['key']}&uploadId={first['uploadId']}&partNumber=2"
        assert (await called(shared, "stranger").ask("GET", path)).status == 404

    @pytest.mark.parametrize(
        "path",
        [
            "/data-import/uploadUrl",
            "/data-import/uploadUrl?fileName=a%0Ab",
            "/data-import/uploadUrl/subsequent?key=a&uploadId=b&partNumber=1",
            "/data-import/uploadUrl/subsequent?key=a&uploadId=b&partNumber=10001",
            "/data-import/uploadUrl/subsequent?key=a&uploadId=b",
        ],
    )
    async def test_parameters_are_checked(self, shared: Client, path: str) -> None:
        assert (await shared.ask("GET", path)).status == 400
