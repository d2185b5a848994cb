"""The documentation's endpoints, a row for each answer it lists (vendor's documentation: Data import v1.1)."""

import re
from collections.abc import Mapping
from string import Template
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests.wire.folio.client import JSON, OCTETS, USER, V1, Client

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
ONE = V1 + "/definition/$definition"
NEW = V1 + "/definition"
UPLOAD = V1 + "/file?uploadDefinitionId=$definition&fileId=$file"
REMOVE = V1 + "/definition/file/$file?uploadDefinitionId=$definition"
NOBODY = "11111111-1111-1111-1111-111111111111"


class Row(NamedTuple):
    """`says` is a pattern for a text, or for 422 the message of the first error."""

    name: str
    method: str
    path: str
    body: object
    status: int
    says: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


def typed(kind: str) -> dict[str, str]:
    return {"Content-Type": kind}


NO_KEY = {"x-okapi-token": "nobody"}
NOT_JSON = r"^Json content error .*not JSON"
NO_DEFINITION = f"Upload Definition with id '{NOBODY}' not found"
WRONG = r"parameter is incorrect\. parameter value \{.*\} is not valid: must "

ROWS = [
    Row("create", "POST", NEW, {}, 201),
    Row("create the documentation's example", "POST", NEW, {"id": "67dfac11-asd", "status": "NEW"}, 201),
    Row("create with lang", "POST", NEW + "?lang=de", {}, 201),
    Row("create with a long lang", "POST", NEW + "?lang=english", {}, 400, "'lang' " + WRONG + "be two letters"),
    Row("create, not JSON", "POST", NEW, b"{", 400, NOT_JSON, typed(JSON)),
    Row("create, empty", "POST", NEW, b"", 400, "^Json content error .*empty", typed(JSON)),
    Row("create, an array", "POST", NEW, [], 400, "^Json content error the body must be an object"),
    Row("create, wrong type", "POST", NEW, {"id": 5}, 400, "^Json content error id must be a string, not 5"),
    Row("create, wrong files", "POST", NEW, {"fileDefinitions": {}}, 400, "fileDefinitions must be an array"),
    Row("create, wrong file", "POST", NEW, {"fileDefinitions": [3]}, 400, r"fileDefinitions\[0\] must be an object"),
    Row("create, wrong status", "POST", NEW, {"status": "DONE"}, 400, "^Json content error status must be one of NEW"),
    Row("create, wrong date", "POST", NEW, {"createDate": "yesterday"}, 400, "^Json content error createDate"),
    Row("create, NUL", "POST", NEW, {"fileDefinitions": [{"name": "a\0"}]}, 400, "without NUL"),
    Row("create, surrogate", "POST", NEW, b'{"id": "\\ud800"}', 400, NOT_JSON, typed(JSON)),
    Row("create as text", "POST", NEW, b"{}", 400, r'Content-type header must be \["application/json"\]', typed("a/b")),
    Row("create as JSON with a charset", "POST", NEW, b"{}", 201, headers=typed("application/json; charset=utf-8")),
    Row("create for a client of images", "POST", NEW, {}, 400, "Accept header must be", {"Accept": "image/png"}),
    Row("create for a client of JSON", "POST", NEW, {}, 201, headers={"Accept": "text/html, application/json;q=0.5"}),
    Row("create without a key", "POST", NEW, {}, 401, "^unable to create definition -- unauthorized$", NO_KEY),
    Row("create, unknown property", "POST", NEW, {"colour": "red"}, 422, '^Unrecognized field "colour"'),
    Row("unknown property below", "POST", NEW, {"fileDefinitions": [{"a": 1}]}, 422, r"^Unrecognized .* in fileDef"),
    Row("unknown metadata", "POST", NEW, {"metadata": {"mood": "good"}}, 422, '^Unrecognized field "mood"'),
    Row("create, no name", "POST", NEW, {"fileDefinitions": [{}]}, 422, "^may not be null$"),
    Row("create, null name", "POST", NEW, {"fileDefinitions": [{"name": None}]}, 422, "^may not be null$"),
    Row("later properties", "POST", NEW, {"fileDefinitions": [{"name": "a", "uiKey": "a"}]}, 422, "Unrecognized"),
    Row("list", "GET", NEW, None, 200),
    Row("list a page", "GET", NEW + "?offset=2147483647&limit=0&lang=en", None, 200),
    Row("list before the first", "GET", NEW + "?offset=-1", None, 400, "'offset' .* greater than or equal to 0"),
    Row("list less than nothing", "GET", NEW + "?limit=-1", None, 400, "'limit' .*{-1}.* greater than or equal to 0"),
    Row("list too many", "GET", NEW + "?limit=2147483648", None, 400, "'limit' .* less than or equal to 2147483647"),
    Row("list letters", "GET", NEW + "?limit=abc", None, 400, "'limit' " + WRONG + "be an integer"),
    Row("list an empty number", "GET", NEW + "?limit=", None, 400, "'limit' " + WRONG + "be an integer"),
    Row("list with a short lang", "GET", NEW + "?lang=e", None, 400, "'lang' " + WRONG),
    Row("list without a key", "GET", NEW, None, 401, "^unable to list definition -- unauthorized$", NO_KEY),
    Row("list, no CQL", "GET", NEW + "?query=a%3D%3D(", None, 422, "position 5: unexpected end of query"),
    Row("list, a bare word", "GET", NEW + "?query=word", None, 422, "^cql.serverChoice requested, but no serverCho"),
    Row("update", "PUT", ONE, {"status": "LOADED"}, 200),
    Row("update, not JSON", "PUT", ONE, b"nonsense", 400, NOT_JSON, typed(JSON)),
    Row("update nothing", "PUT", V1 + "/definition/" + NOBODY, {}, 404, NO_DEFINITION),
    Row("update, unknown property", "PUT", ONE, {"colour": 1}, 422, "Unrecognized"),
    Row("get", "GET", ONE, None, 200),
    Row("get nothing", "GET", V1 + "/definition/" + NOBODY, None, 404, NO_DEFINITION),
    Row("get by no UUID", "GET", V1 + "/definition/nonsense", None, 404, "'nonsense' not found"),
    Row("add a file", "POST", NEW + "/file", {"name": "c", "uploadDefinitionId": "$definition"}, 201),
    Row("add a file, wrong type", "POST", NEW + "/file", {"name": "c", "loaded": "yes"}, 400, "loaded must be true"),
    Row("add a file to nothing", "POST", NEW + "/file", {"name": "c", "uploadDefinitionId": NOBODY}, 404, "not found"),
    Row("add a file, nowhere", "POST", NEW + "/file", {"name": "c"}, 404, "not found"),
    Row("add a file without a name", "POST", NEW + "/file", {}, 422, "^may not be null$"),
    Row("add an unknown property", "POST", NEW + "/file", {"name": "c", "size": 4}, 422, "Unrecognized"),
    Row("remove a file", "DELETE", REMOVE, None, 204),
    Row("remove nothing", "DELETE", NEW + "/file/x?uploadDefinitionId=$definition", None, 404, "^File not found"),
    Row("remove from nothing", "DELETE", NEW + "/file/$file?uploadDefinitionId=x", None, 404, "'x' not found"),
    Row("remove from nowhere", "DELETE", NEW + "/file/$file", None, 400, "'uploadDefinitionId' " + WRONG),
    Row("upload", "POST", UPLOAD, b"bytes", 200),
    Row("upload nothing", "POST", UPLOAD, b"", 200),
    Row("upload to nothing", "POST", V1 + "/file?uploadDefinitionId=x&fileId=$file", b"b", 404, "'x' not found"),
    Row("upload as nothing", "POST", V1 + "/file?uploadDefinitionId=$definition&fileId=x", b"b", 404, "not found"),
    Row("upload without a file", "POST", V1 + "/file?uploadDefinitionId=$definition", b"b", 400, "'fileId' " + WRONG),
    Row("upload nowhere", "POST", V1 + "/file?fileId=$file", b"b", 400, "'uploadDefinitionId' " + WRONG),
    Row("upload a form", "POST", UPLOAD, b"a=1", 400, "octet-stream", typed("application/x-www-form-urlencoded")),
    Row("upload without a type", "POST", UPLOAD, b"a", 400, "octet-stream", typed("")),
    Row("upload without a key", "POST", UPLOAD, b"bytes", 401, "^unable to upload file -- unauthorized$", NO_KEY),
    Row("an unknown path", "GET", V1 + "/nonsense", None, 404),
    Row("a wrong method", "DELETE", NEW, None, 405),
]


def filled(body: object, things: dict[str, str]) -> object:
    if isinstance(body, dict):
        return {name: filled(value, things) for name, value in body.items()}
    return Template(body).substitute(things) if isinstance(body, str) and "$" in body else body


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_each_documented_answer(shared: Client, row: Row) -> None:
    made = await shared.define("a.mrc", "b.mrc")
    things = {"definition": made["id"], "file": made["fileDefinitions"][0]["id"]}
    reply = await shared.ask(row.method, Template(row.path).substitute(things), filled(row.body, things), **row.headers)
    assert reply.status == row.status, reply
    if row.status < 300:
        assert reply.type == JSON if row.status != 204 else reply.text == ""
        return
    if row.status == 422:
        assert re.search(row.says, reply.errors[0][0])
        return
    assert reply.type == "text/plain"
    assert re.search(row.says, reply.text), reply.text


def is_definition(found: dict[str, Any]) -> bool:
    known = {"id", "metaJobExecutionId", "status", "createDate", "fileDefinitions", "metadata"}
    return set(found) == known and bool(UUID.fullmatch(found["id"]) and DATE.fullmatch(found["createDate"]))


@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_server_fills_in(shared: Client) -> None:
    sent = {
        "id": NOBODY,
        "status": "COMPLETED",
        "metaJobExecutionId": NOBODY,
        "createDate": "1999-01-01T00:00:00Z",
        "metadata": {"createdByUserId": NOBODY},
        "fileDefinitions": [
            {
                "name": "a.mrc",
                "id": NOBODY,
                "sourcePath": "/etc/passwd",
                "loaded": True,
                "jobExecutionId": NOBODY,
                "uploadDefinitionId": NOBODY,
                "createDate": "1999-01-01T00:00:00Z",
            }
        ],
    }
    reply = await shared.ask("POST", NEW, sent)
    made = reply.json
    assert is_definition(made)
    assert reply.headers["Location"] == f"/data-import/upload/definition/{made['id']}"
    assert made["status"] == "NEW"
    assert made["metadata"]["createdByUserId"] == made["metadata"]["updatedByUserId"] == USER
    (file,) = made["fileDefinitions"]
    assert set(file) == {"id", "name", "jobExecutionId", "uploadDefinitionId", "loaded", "createDate"}
    assert (file["name"], file["loaded"], file["uploadDefinitionId"]) == ("a.mrc", False, made["id"])
    assert NOBODY not in reply.text
    assert "1999" not in reply.text
    assert (await shared.see(made)) == made


@pytest.mark.asyncio(loop_scope="module")
async def test_files_of_one_name_are_each_their_own_job(shared: Client) -> None:
    first, second = (await shared.define("a.mrc", "a.mrc"))["fileDefinitions"]
    assert first["jobExecutionId"] != second["jobExecutionId"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_location_leads_to_the_definition(shared: Client) -> None:
    made = await shared.ask("POST", NEW, {})
    assert (await shared.ask("GET", made.headers["Location"])).json == made.json


@pytest.mark.asyncio(loop_scope="module")
async def test_an_upload_is_stored_byte_for_byte(shared: Client, shared_house: Any) -> None:
    content = b"  white \r\n\t space \x00\xff\n" * 1000
    made = await shared.define("../../etc/passwd")
    (file,) = (await shared.send(made, 0, content)).json["fileDefinitions"]
    assert file["loaded"] is True
    assert (shared_house.data_dir / file["sourcePath"]).read_bytes() == content
    assert "passwd" not in file["sourcePath"]


@pytest.mark.asyncio(loop_scope="module")
async def test_all_errors_of_a_body_are_told(shared: Client) -> None:
    reply = await shared.ask("POST", NEW, {"fileDefinitions": [{"name": "a"}, {}, {"name": None}]})
    assert [error["parameters"] for error in reply.json["errors"]] == [
        [{"key": "fileDefinitions[1].name", "value": "null"}],
        [{"key": "fileDefinitions[2].name", "value": "null"}],
    ]
    assert [(error["type"], error["code"]) for error in reply.json["errors"]] == [("1", "-1")] * 2
    assert reply.json["total_records"] == 2


async def test_the_list_is_paged_and_counts_everything(client: Client) -> None:
    made = [(await client.define(f"{number}.mrc"))["id"] for number in range(12)]

    async def page(query: str) -> tuple[list[str], int]:
        reply = (await client.ask("GET", f"{NEW}{query}")).json
        return [one["id"] for one in reply["uploadDefinitions"]], reply["totalRecords"]

    assert await page("") == (made[:10], 12)
    assert await page("?offset=10") == (made[10:], 12)
    assert await page("?offset=3&limit=2") == (made[3:5], 12)
    assert await page("?limit=0") == ([], 12)
    assert await page("?offset=12") == ([], 12)


@pytest.mark.asyncio(loop_scope="module")
async def test_octets_need_their_type(shared: Client) -> None:
    made = await shared.define("a.mrc")
    file = made["fileDefinitions"][0]["id"]
    path = f"{V1}/file?uploadDefinitionId={made['id']}&fileId={file}"
    assert (await shared.ask("POST", path, b"x", **{"Content-Type": OCTETS + "; a=b"})).status == 200
