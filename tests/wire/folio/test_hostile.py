"""Requests of attackers: answered in the documented shapes, without work for others, and never with a 500."""

import asyncio
from typing import Any

import pytest

from server.engine.vendors.folio.upload_definitions import MOST_FILES
from tests.wire.folio.client import LATER, PROFILE, V1, Client

pytestmark = pytest.mark.asyncio(loop_scope="module")
JOBS = "/change-manager/jobExecutions"
META = "/metadata-provider/jobExecutions"
FILES = [{"name": f"{number}.mrc"} for number in range(MOST_FILES + 1)]
EXTENSION = {"extension": ".a", "importBlocked": False, "dataTypes": ["MARC"] * (MOST_FILES + 1)}


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("POST", V1 + "/definition", {"fileDefinitions": FILES}, "fileDefinitions"),
        ("POST", LATER, {"fileDefinitions": FILES}, "fileDefinitions"),
        ("PUT", V1 + "/definition/x", {"fileDefinitions": FILES}, "fileDefinitions"),
        ("POST", JOBS, {"sourceType": "FILES", "userId": "u", "files": FILES}, "files"),
        ("DELETE", JOBS, {"ids": ["x"] * (MOST_FILES + 1)}, "ids"),
        ("POST", "/data-import/fileExtensions", EXTENSION, "dataTypes"),
    ],
)
async def test_a_list_in_a_body_has_a_limit(shared: Client, method: str, path: str, body: Any, place: str) -> None:
    reply = await shared.ask(method, path, body)
    assert reply.errors == [(f"size must be between 0 and {MOST_FILES}; send the rest on its own", "-1")]
    assert reply.json["errors"][0]["parameters"] == [{"key": place, "value": str(MOST_FILES + 1)}]


async def test_a_definition_does_not_grow_without_end(shared: Client) -> None:
    made = await shared.define(*(file["name"] for file in FILES[:-1]))
    for path in (f"{LATER}/{made['id']}/files", f"{V1}/definition/file"):
        reply = await shared.ask("POST", path, {"name": "one more.mrc", "uploadDefinitionId": made["id"]})
        assert reply.errors == [(f"a definition has {MOST_FILES} files at most; make another one", "one more.mrc")]


@pytest.mark.parametrize("name", ["completedAfter", "completedBefore"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59", "0001-01-01", "9999-12-31"]
)
async def test_days_at_both_ends_of_time(shared: Client, name: str, moment: str) -> None:
    reply = await shared.ask("GET", f"{META}?{name}={moment}")
    assert reply.status == (400 if "3:59" in moment else 200)


@pytest.mark.parametrize("signature", ["%C3%A9", "%FF", "%00", "0", "%ED%A0%80", "x" * 2000])
async def test_signatures_of_any_bytes_are_refused(shared: Client, signature: str) -> None:
    told = (await shared.ask("GET", "/data-import/uploadUrl?fileName=a.mrc")).json
    address = f"/data-import/parts/{told['uploadId']}/1?expires=99999999999&signature={signature}"
    assert (await shared.ask("PUT", address, b"x")).status == 401


async def test_a_client_without_a_host_gets_an_address(shared: Client) -> None:
    request = f"GET /data-import/uploadUrl?fileName=a.mrc HTTP/1.0\r\nHost:\r\nx-okapi-token: {shared.key}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(shared.address.rpartition(":")[2]))
    writer.write(f"{request}x-okapi-tenant: {shared.tenant}\r\n\r\n".encode())
    assert b" 200 " in (await reader.read()).partition(b"\r\n")[0]
    writer.close()


DEEP = b"[" * 300 + b"]" * 300


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/authn/login-with-expiry"),
        ("POST", V1 + "/definition"),
        ("PUT", V1 + "/definition/x"),
        ("POST", V1 + "/definition/file"),
        ("POST", LATER),
        ("PUT", LATER + "/x"),
        ("POST", LATER + "/x/files"),
        ("POST", LATER + "/x/files/x/assembleStorageFile"),
        ("POST", LATER + "/x/processFiles"),
        ("POST", "/data-import/fileExtensions"),
        ("POST", JOBS),
        ("DELETE", JOBS),
        ("PUT", JOBS + "/x"),
        ("PUT", JOBS + "/x/status"),
        ("PUT", JOBS + "/x/jobProfile"),
        ("POST", JOBS + "/x/records"),
    ],
)
@pytest.mark.parametrize("body", [DEEP, b'{"id": ' + DEEP + b"}", b'{"a":' * 300 + b"1" + b"}" * 300])
async def test_values_nested_deeply_are_refused(shared: Client, method: str, path: str, body: bytes) -> None:
    reply = await shared.ask(method, path, body, Content_Type="application/json")
    assert reply.status in (400, 404, 422), reply


async def test_files_are_processed_after_they_have_come_and_once(shared: Client) -> None:
    made = await shared.define("a.mrc", "b.mrc", path=LATER)
    path = f"{LATER}/{made['id']}/processFiles"
    body = {"uploadDefinition": made, "jobProfileInfo": PROFILE}
    early = await shared.ask("POST", path, body)
    assert (early.status, early.text) == (
        400,
        f"no file of uploadDefinition {made['id']} has come yet; send one, then process it",
    )
    assert (await shared.see(made, LATER))["status"] == "NEW"
    for position in (0, 1):
        await shared.send(made, position, b"x")
        assert (await shared.ask("POST", path, body)).status == 204  # a file that came later is processed, too
        again = await shared.ask("POST", path, body)
        assert (again.status, again.text) == (
            400,
            f"uploadDefinition {made['id']} - linked files are already being processed",
        )


async def test_a_profile_that_is_not_there_is_told(shared: Client) -> None:
    made = await shared.define("a.mrc", path=LATER)
    await shared.send(made, 0, b"x")
    body = {"uploadDefinition": made, "jobProfileInfo": {"id": "mine", "name": "Mine", "dataType": "MARC"}}
    reply = await shared.ask("POST", f"{LATER}/{made['id']}/processFiles", body)
    assert reply.errors == [("Job profile with id 'mine' not found", "-1")]
    assert (await shared.see(made, LATER))["status"] == "LOADED"
