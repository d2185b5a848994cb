"""Requests that are refused, each with its status, code and sentence; one body for all of them."""

import base64
from typing import Any

import pytest

from server.dialects.voss.errors import TABLE
from server.dialects.voss.wire import key_in_headers
from server.engine import errors
from server.engine.vendors.voss import transaction_states
from server.web.errors import answer_to
from tests.support.replay import basic
from tests.wire.voss.house import LOAD, BulkHouse, countries

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOWHERE = "/api/tool/BulkLoad/?method=bulkload_spreadsheet"
BODY = {"bulkload_file": "None.xlsx"}
LATER = {
    "bulkload_file": "Here.xlsx",
    "execute_immediately": False,
    "execute_date": "2099-06-20",
    "execute_time": "12:00:00",
    "execute_timezone": "0",
}

ROWS: list[tuple[str, str, Any, int, int, str]] = [
    ("POST", LOAD, BODY, 404, 4042, "Uploaded file not found: None.xlsx; upload it to /api/uploadfiles/ first"),
    ("POST", NOWHERE, BODY, 400, 4001, "The parameter hierarchy is missing"),
    ("POST", "/api/tool/BulkLoad/?hierarchy=sys", BODY, 400, 4001, "method= is wrong, should be bulkload_spreadsheet"),
    ("POST", LOAD + "&nowait=perhaps", BODY, 400, 4001, "nowait=perhaps is wrong, should be true or false"),
    ("POST", LOAD, [1], 400, 4001, "The body must be a JSON object"),
    ("POST", LOAD, {}, 400, 4001, "bulkload_file is missing, should be a text"),
    ("POST", LOAD, {**BODY, "execute_immediately": "yes"}, 400, 4001, 'execute_immediately is "yes", should be true'),
    (
        "POST",
        LOAD,
        {**LATER, "execute_date": None},
        400,
        4001,
        "execute_date is missing, should be a date as YYYY-MM-DD",
    ),
    ("POST", LOAD, {**LATER, "execute_date": "20.6.2099"}, 400, 4001, "should be a date as YYYY-MM-DD"),
    ("POST", LOAD, {**LATER, "execute_date": "2099-02-30"}, 400, 4001, "2099-02-30 is no day of the calendar"),
    ("POST", LOAD, {**LATER, "execute_date": "2099-06-20\n"}, 400, 4001, "should be a date as YYYY-MM-DD"),
    ("POST", LOAD, {**LATER, "execute_date": "２０９９-０６-２０"}, 400, 4001, "should be a date as YYYY-MM-DD"),  # noqa: RUF001
    ("POST", LOAD, {**LATER, "execute_time": "12:00:00\n"}, 400, 4001, "should be a time as HH:MM:SS"),
    ("POST", LOAD, {**LATER, "execute_timezone": "120\n"}, 400, 4001, "should be minutes relative to UTC"),
    ("POST", LOAD, {**LATER, "execute_timezone": "١٢٠"}, 400, 4001, "should be minutes relative to UTC"),
    ("POST", LOAD.replace("=sys", "=sys%0A"), BODY, 400, 4002, "does not exist here"),
    ("GET", "/api/tool/Transaction/?hierarchy=sys%0A", None, 400, 4002, "does not exist here"),
    ("GET", "/api/tool/Transaction/?limit=1%0A", None, 400, 4001, "should be a whole number from 0"),
    ("GET", "/api/tool/Transaction/?count=true%0A", None, 400, 4001, "should be true or false"),
    ("POST", LOAD, {**LATER, "execute_time": "12:00"}, 400, 4001, "should be a time as HH:MM:SS"),
    ("POST", LOAD, {**LATER, "execute_time": "24:00:00"}, 400, 4001, "should be a time as HH:MM:SS"),
    ("POST", LOAD, {**LATER, "execute_timezone": None}, 400, 4001, "execute_timezone is missing, should be minutes"),
    ("POST", LOAD, {**LATER, "execute_timezone": "+02:00"}, 400, 4001, "should be minutes relative to UTC"),
    ("POST", LOAD, {**LATER, "execute_timezone": True}, 400, 4001, "should be minutes relative to UTC"),
    ("POST", LOAD, {**BODY, "request_meta": 1}, 400, 4001, "request_meta must be a JSON object"),
    (
        *("POST", LOAD, {**LATER, "request_meta": {"callback_url": "http://127.0.0.1:1/"}}, 400, 4001),
        "127.0.0.1 is not a public address",
    ),
    (
        *("POST", LOAD, {**LATER, "request_meta": {"callback_url": "file:///etc/passwd"}}, 400, 4001),
        "must be an http or https address",
    ),
    ("GET", "/api/tool/Transaction/nope/", None, 404, 4041, "Transaction not found: nope"),
    (
        *("GET", "/api/tool/Transaction/0b340a6f-b658-48bb-ac8c-7562adc5572d", None, 404, 4041),
        "Transaction not found: 0b340a6f-b658-48bb-ac8c-7562adc5572d",
    ),
    (
        *("GET", "/api/tool/Transaction/00000000-0001-8123-8000-000000000000", None, 404, 4041),
        "Transaction not found",
    ),
    ("GET", "/api/tool/Transaction/poll/", None, 400, 4001, "The parameter transactions is missing"),
    ("GET", "/api/tool/Transaction/poll/?transactions=nope", None, 404, 4041, "Transaction not found: nope"),
    ("GET", "/api/tool/Transaction/?skip=-1", None, 400, 4001, "skip=-1 is wrong, should be a whole number from 0"),
    ("GET", "/api/tool/Transaction/nope/cancel/", None, 404, 4041, "Transaction not found: nope"),
    ("GET", "/api/data/BulkLoad/nope/", None, 404, 4043, "Bulk load not found: nope"),
    ("DELETE", "/api/data/BulkLoad/", {"hrefs": []}, 400, 4001, "hrefs must list the addresses"),
    ("GET", "/api/data/Schedule/nope/", None, 404, 4044, "Schedule not found: nope"),
    ("GET", "/api/data/Nothing/", None, 404, 4040, "there is nothing at this path"),
    ("GET", "/api/tool/BulkLoad/", None, 405, 4050, "this path does not take GET requests"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "message"), ROWS)
async def test_each_request_is_refused(
    bulk: BulkHouse, method: str, path: str, body: Any, status: int, code: int, message: str
) -> None:
    await bulk.upload(countries(), "Here.xlsx")
    answer = await bulk.ask(method, path, body)
    assert (answer.status, answer.body["error_code"], answer.body["http_code"]) == (status, code, status)
    assert message in answer.body["error_message"]
    assert answer.body.keys() == {
        *("success", "error_code", "error_message", "http_code", "transaction_id", "traceback")
    }
    assert answer.body["success"] is False


async def test_a_file_must_be_an_xlsx_and_its_part_must_be_named_uploadedfile(bulk: BulkHouse) -> None:
    answer = await bulk.upload(b"a,b", "data.csv")
    assert (answer.status, answer.body["error_code"]) == (400, 4003)
    answer = await bulk.upload(countries(), "DEMO.xlsx", field="file")
    assert (answer.status, answer.body["error_code"]) == (400, 4006)
    answer = await bulk.ask("POST", "/api/uploadfiles/", data=b"no form")
    assert (answer.status, answer.body["error_code"]) == (400, 4007)


async def test_a_body_that_is_not_json(bulk: BulkHouse) -> None:
    answer = await bulk.ask("POST", LOAD, data=b"{'bulkload_file': 'x'}")
    assert (answer.status, answer.body["error_code"]) == (400, 4001)
    assert "names and texts stand in double quotes" in answer.body["error_message"]


@pytest.mark.parametrize("form", ["{user}:{key}", "{key}:"])
async def test_the_key_is_the_password_of_http_basic(bulk: BulkHouse, form: str) -> None:
    words = base64.b64encode(form.format(user="joe", key=bulk.key).encode()).decode()
    headers = {"Authorization": f"Basic  {words}"}  # the documentation prints two blanks
    assert (await bulk.ask("GET", "/api/tool/Transaction/", headers=headers)).status == 200


async def test_the_bare_key_after_basic(bulk: BulkHouse) -> None:
    headers = {"Authorization": f"Basic {bulk.key}"}
    assert (await bulk.ask("GET", "/api/tool/Transaction/", headers=headers)).status == 200


async def test_a_bare_key_that_decodes_as_user_and_password_is_a_key() -> None:
    key = base64.b64encode(b"user:" + b"x" * 28).decode()
    assert key_in_headers({"Authorization": f"Basic {key}"}) == key


async def test_keys_that_do_not_open(bulk: BulkHouse) -> None:
    _, other = await bulk.engine.access.keys.create("other", ["haplo-batch"])
    for headers, status, code in (
        ({}, 401, 4010),
        (basic("x", "y" * 44), 401, 4010),
        (basic("x", other), 403, 4030),
    ):
        answer = await bulk.ask("GET", "/api/tool/Transaction/", headers=headers)
        assert (answer.status, answer.body["error_code"]) == (status, code)
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_every_refusal_of_the_engine_has_an_answer_of_its_own_status() -> None:
    def leaves(cls: type) -> set[type]:
        below = cls.__subclasses__()  # type: ignore[var-annotated]
        return {cls} if not below else set().union(*(leaves(each) for each in below))

    assert transaction_states.TransactionNotFound in TABLE
    for leaf in leaves(errors.EngineError):
        found = answer_to(TABLE, leaf.__new__(leaf))  # type: ignore[call-overload]
        assert 400 <= found.status < 500 or found.status == 507
        assert found.code // 10 == found.status


async def test_very_many_records_are_not_deleted_at_once(bulk: BulkHouse) -> None:
    hrefs = [f"/api/data/BulkLoad/{n:024x}" for n in range(1001)]
    answer = await bulk.ask("DELETE", "/api/data/BulkLoad/", {"hrefs": hrefs})
    assert (answer.status, answer.body["error_code"]) == (400, 4001)
    assert answer.body["error_message"] == "hrefs has 1001 addresses; at most 1000 may be deleted at once"
    repeated = await bulk.ask("DELETE", "/api/data/BulkLoad/", {"hrefs": hrefs[:1] * 1000})
    assert (repeated.status, repeated.body["error_code"]) == (404, 4043)


async def test_all_of_them_are_deleted_or_none(bulk: BulkHouse) -> None:
    await bulk.load(countries(("Germany", "DE")), "Twice.xlsx")
    there = (await bulk.get("/api/data/BulkLoad/"))["resources"][0]["meta"]["uri"]
    lost = "/api/data/BulkLoad/" + "0" * 24
    assert (await bulk.ask("DELETE", "/api/data/BulkLoad/", {"hrefs": [there, lost]})).status == 404
    assert (await bulk.ask("GET", there)).status == 200
    assert (await bulk.ask("DELETE", "/api/data/BulkLoad/", {"hrefs": [there, there + "/"]})).status == 200
    assert (await bulk.ask("GET", there)).status == 404


@pytest.mark.parametrize("name", ["external_id", "external_reference", "callback_url", "callback_password"])
async def test_texts_of_a_request_have_a_limit(bulk: BulkHouse, name: str) -> None:
    await bulk.upload(countries(("Germany", "DE")))
    body = {"bulkload_file": "DEMO.xlsx", "request_meta": {name: "http://x/" + "x" * 1024}}
    answer = await bulk.ask("POST", LOAD, body)
    assert (answer.status, answer.body["error_code"]) == (400, 4001)
    assert f"request_meta.{name} has 1033 characters; at most 1024 may be" in answer.body["error_message"]


@pytest.mark.parametrize("name", ["bulkload_file", "execute_immediately", "request_meta", "execute_timezone"])
async def test_a_value_that_is_nested_too_deep_is_refused(bulk: BulkHouse, name: str) -> None:
    deep = b'{"bulkload_file": "x.xlsx", "execute_immediately": false, "%s": %s%s}' % (
        name.encode(), b"[" * 300, b"]" * 300,
    )  # fmt: skip
    headers = {**basic("u", bulk.key), "Content-Type": "application/json"}
    answer = await bulk.ask("POST", LOAD, data=deep, headers=headers)
    assert (answer.status, answer.body["http_code"]) == (400, 400)


LONGEST = "x" * 250 + ".xlsx"


@pytest.mark.parametrize("name", [LONGEST, "ü" * 250 + ".xlsx", "a" * 201 + ".xlsx"])
async def test_a_long_name_is_kept_whole_and_loads_by_itself(bulk: BulkHouse, name: str) -> None:
    answer = await bulk.upload(countries(("Germany", "DE")), name)
    assert (answer.status, answer.body["uploadedfiles"][0]["name"]) == (202, name)
    begun = await bulk.ask("POST", LOAD + "&nowait=true", {"bulkload_file": name})
    assert begun.status == 200
    assert (await bulk.get("/api/data/BulkLoad/"))["resources"][0]["data"]["filename"] == name


async def test_a_name_that_is_too_long_is_refused_and_not_cut(bulk: BulkHouse) -> None:
    answer = await bulk.upload(countries(("Germany", "DE")), "x" + LONGEST)
    assert (answer.status, answer.body["error_code"]) == (400, 4007)
    assert "longer than 255" in answer.body["error_message"]
