"""Push-data: one request, one file, and the answer says what became of each record."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.support.replay import Answer, Ask, House, basic

PUSH = "/api/push-data"
ADA = {"email": "ada@example.org", "name": "Ada"}
NAMELESS = {"name": "Nobody"}


def push(url: str, records: object = (), **more: Any) -> Ask:
    body = records if isinstance(records, bytes) else json.dumps(records).encode()
    return Ask("POST", f"{PUSH}/{url}", body, **{"key": "haplo-push", **more})


def error(message: str) -> dict[str, Any]:
    return {"result": "error", "applied": 0, "failures": 0, "errorCount": 1, "errors": [message], "actions": []}


async def reply(house: House, ask: Ask) -> tuple[Answer, dict[str, Any]]:
    answer = await house.ask(ask)
    assert answer.type == "application/json"
    return answer, json.loads(answer.body)


ONLY_POST = "Only POST requests supported for push data REST APIs."
REFUSED: Sequence[tuple[str, Ask, str]] = [
    ("55 GET", Ask("GET", f"{PUSH}/people", key="haplo-push"), ONLY_POST),
    (
        "55 PUT",
        Ask("PUT", f"{PUSH}/people", b"[]", "haplo-push"),
        "Only POST requests supported for push data REST APIs.",
    ),
    ("56 not defined", push("nope"), "API not defined: nope"),
    ("56 not a URL of a push", push("A_b"), "API not defined: A_b"),
    ("56 a process without one", push("people-feed"), "API not defined: people-feed"),
    ("57 disabled", push("off"), "API is disabled: off"),
]


@pytest.mark.parametrize(("ask", "message"), [pytest.param(ask, message, id=name) for name, ask, message in REFUSED])
async def test_what_is_not_pushed(house: House, ask: Ask, message: str) -> None:
    answer, document = await reply(house, ask)
    assert answer.status == 400
    assert document == error(message)
    assert house.one_line_about("request")["reason"] == message


async def test_a_push_is_imported_before_the_answer(house: House) -> None:
    answer, document = await reply(house, push("people", [ADA]))
    assert answer.status == 200
    (row,) = await house.rows("people")
    changed = [{"kind": "dictionary:save", "destination": "profile", "ref": str(row.id), "new": True}]
    assert document == {
        "result": "success",
        "applied": 1,
        "failures": 0,
        "errorCount": 0,
        "errors": [],
        "actions": [{"changed": changed, "record": "record 0"}],
    }
    assert list(document) == ["result", "applied", "failures", "errorCount", "errors", "actions"]
    assert answer.body.startswith('{\n    "result"')


async def test_a_bad_record_fails_alone(house: House) -> None:
    answer, document = await reply(house, push("people", [ADA, NAMELESS]))
    assert answer.status == 400
    assert (document["result"], document["applied"], document["failures"]) == ("failure", 1, 1)
    assert document["errors"] == ["Missing values in profile: email (record 1)"]
    assert [action["record"] for action in document["actions"]] == ["record 0"]


async def test_broken_json_is_an_exception(house: House) -> None:
    answer, document = await reply(house, push("people", b'[{"email": '))
    assert answer.status == 400
    assert (document["result"], document["applied"], document["errorCount"]) == ("error", 0, 1)
    assert document["errors"][0].startswith("Exception when processing: ")


async def test_an_api_may_answer_in_xml(house: House) -> None:
    answer = await house.ask(push("people-xml", [NAMELESS]))
    assert (answer.status, answer.type) == (400, "application/xml")
    assert answer.body == (
        '<response result="failure" applied="0" failures="1" errorCount="1">'
        "<errors><error>Missing values in profile: email (record 0)</error></errors><actions /></response>"
    )


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, "UNAUTHORISED"), (basic("haplo", "WRONG" * 9), "INVALID-API-KEY")], ids=["none", "wrong"]
)
async def test_keys_are_refused_by_the_platform(house: House, headers: dict[str, str], kind: str) -> None:
    answer, document = await reply(house, push("people", [ADA], key=None, headers=headers))
    assert answer.status == 403
    assert (document["success"], document["kind"]) == (False, kind)


async def test_a_key_of_another_api_is_invalid_here(house: House) -> None:
    _, document = await reply(house, push("people", [ADA], key="haplo-batch"))
    assert document["kind"] == "INVALID-API-KEY"


@pytest.mark.parametrize(("path", "status"), [("people", 200), ("off", 403), ("people/", 404), ("people/b", 404)])
async def test_a_key_for_one_push_opens_no_other(house: House, path: str, status: int) -> None:
    _, secret = await house.engine.access.keys.create("limited", ["haplo-push"], tenants=["people"])
    answer, document = await reply(house, push(path, [ADA], key=None, headers=basic("haplo", secret)))
    assert answer.status == status
    if status == 403:
        assert document == {**error(""), "result": "not authorised", "errors": []}


async def test_a_rotated_key_works_as_the_old_one_did(house: House) -> None:
    old, _ = await house.engine.access.keys.create("old", ["haplo-push"])
    _, secret = await house.engine.access.keys.rotate(old.id, timedelta(days=7))
    answer, _ = await reply(house, push("people", [ADA], key=None, headers=basic("haplo", secret)))
    assert answer.status == 200


async def test_a_push_larger_than_allowed_is_refused_in_its_own_format(house: House) -> None:
    declared = {"Content-Length": str(10**15)}
    answer, document = await reply(house, push("people", b"", headers=declared))
    assert answer.status == 413
    assert document["result"] == "error"
