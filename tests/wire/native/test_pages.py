"""Batches, jobs, records and definitions as the native API tells them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from server.engine.batches.log_text import log_text
from server.engine.batches.scheduling import Plan
from server.engine.documents import batch_document
from server.engine.records import pages as record_pages
from tests.support.replay import Ask, House, basic
from tests.wire.native.house import CONTROL, PATH, bearer, get, imported, opened, pages, refused, scheduled

ADA, BOB = {"email": "ada@example.org", "name": "Ada"}, {"email": "bob@example.org", "name": "Bob"}
NOBODY = {"name": "Nobody"}


async def test_a_batch_is_told_as_the_command_tells_it(house: House) -> None:
    batch, job = await imported(house, ADA, NOBODY, comment="March")
    shown = await get(house, f"{PATH}/batches/{batch}")
    told = await batch_document(house.engine, batch)
    assert list(shown) == list(told)
    assert shown["files"] == told["files"]
    assert shown["log"] == told["log"]
    assert shown["job"]["id"] == job
    assert shown["job"]["counts"] == {
        **dict.fromkeys(("updated", "unchanged", "deleted", "skipped", "with_warnings"), 0),
        "read": 2,
        "created": 1,
        "failed": 1,
    }


async def test_batches_come_newest_first_page_by_page(house: House) -> None:
    made = [await opened(house, comment=str(number)) for number in range(7)]
    for limit in (1, 3, 7, 500):
        listed = await pages(house, f"{PATH}/batches?limit={limit}", "batches")
        assert [batch["id"] for batch in listed] == made[::-1]
        assert [batch["comment"] for batch in listed] == [str(number) for number in range(6, -1, -1)]


async def test_batches_are_found_by_what_is_asked(house: House) -> None:
    first, second = await opened(house, comment="Alpha 100%"), await opened(house, comment="Beta")
    done, _ = await imported(house, ADA, comment="Gamma")
    for question, answer in (
        ("text=alpha", [first]),
        ("text=100%25", [first]),
        (f"text={second}", [second]),
        ("state=complete", [done]),
        ("state=uploading", [second, first]),
        ("state=uploading&text=beta", [second]),
        ("api=haplo-standard", [done, second, first]),
        ("api=voss", []),
        ("process=people&limit=1", [done, second, first]),
        ("process=other", []),
    ):
        assert [b["id"] for b in await pages(house, f"{PATH}/batches?{question}", "batches")] == answer, question


async def test_batches_are_found_by_time(house: House) -> None:
    made = [await opened(house, comment=str(number)) for number in range(3)]
    times = [(await house.engine.batches.get(None, each)).created for each in made]
    middle = times[1].isoformat().replace("+", "%2B")
    east = times[1].astimezone().isoformat()  # a plus that was not escaped
    for question, answer in (
        (f"created_from={middle}", made[:0:-1]),
        (f"created_from={east}", made[:0:-1]),
        (f"created_from={middle}&limit=1", made[:0:-1]),
        (f"created_before={middle}", made[:1]),
        (f"created_from={middle}&created_before={(times[1] + timedelta(microseconds=1)).isoformat()[:26]}", [made[1]]),
        ("created_from=2999-01-01", []),
        ("created_before=2001-01-01T00:00:00%2B02:00", []),
        ("created_before=2999-01-01&process=people&state=uploading", made[::-1]),
    ):
        listed = await pages(house, f"{PATH}/batches?{question}", "batches")
        assert [batch["id"] for batch in listed] == answer, question


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/batches?lmit=3", "parameter_unknown", "'lmit' here; it takes api, state, process, text, created_from"),
        ("/batches?limit=3&limit=4", "parameter_repeated", "limit"),
        ("/batches?limit=0", "parameter_wrong", "limit is '0', should be a whole number from 1 to 500"),
        ("/batches?limit=501", "parameter_wrong", "from 1 to 500"),
        ("/batches?limit=ten", "parameter_wrong", "limit is 'ten'"),
        ("/batches?state=done", "parameter_wrong", "one of uploading, ready, scheduled, running"),
        ("/batches?before=x", "parameter_wrong", "before is 'x', should be the identifier of a batch"),
        ("/batches?created_from=yesterday", "parameter_wrong", "created_from is 'yesterday', should be a date"),
        ("/batches?created_from=0001-01-01T00:00:00%2B14:00", "parameter_wrong", "should be a date"),
        ("/batches?text=%00", "parameter_wrong", "text"),
        ("/jobs?state=complete", "parameter_wrong", "one of queued, running, done, failed, cancelled"),
        ("/jobs?batch=nothing", "parameter_wrong", "should be the identifier of a batch"),
        ("/records?limit=1", "parameter_unknown", "it takes none"),
        ("/records/people?after=-1", "parameter_wrong", "after is '-1'"),
        ("/records/people/one", "parameter_wrong", "id is 'one'"),
        ("/records/people/9007199254740993", "parameter_wrong", "id is"),
        ("/events?job=%FF&what=1", "parameter_unknown", "what"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(house: House, path: str, code: str, words: str) -> None:
    found, message = await refused(house, PATH + path)
    assert (found, words in message) == (code, True), message


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/batches/none", "batch_not_found"),
        ("/batches/none/files/1", "batch_not_found"),
        ("/jobs/none", "job_not_found"),
        ("/jobs/none/log", "job_not_found"),
        ("/jobs/none/outcomes", "job_not_found"),
        ("/records/none", "table_not_found"),
        ("/records/sqlite_master", "table_not_found"),
        ("/records/_checkpoints", "table_not_found"),
        ("/records/people/1", "row_not_found"),
        ("/processes/none", "process_not_found"),
        ("/nothing", "path_unknown"),
        ("", "path_unknown"),
    ],
)
async def test_what_is_not_there_is_not_found(house: House, path: str, code: str) -> None:
    assert (await refused(house, PATH + path, 404))[0] == code


async def test_a_file_of_another_batch_is_not_found(house: House) -> None:
    mine, other = await opened(house, ADA), await opened(house, BOB)
    file = (await get(house, f"{PATH}/batches/{other}"))["files"][0]["id"]
    assert (await refused(house, f"{PATH}/batches/{mine}/files/{file}", 404))[0] == "file_not_found"


async def test_a_file_whose_bytes_are_gone_is_an_answer(house: House) -> None:
    batch, _ = await imported(house, ADA)
    file = (await get(house, f"{PATH}/batches/{batch}"))["files"][0]
    digest = file["digest"]
    (house.data_dir / "blobs/sha256" / digest[:2] / digest[2:4] / digest).unlink()
    code, message = await refused(house, f"{PATH}/batches/{batch}/files/{file['id']}", 404)
    assert (code, "penstock fsck" in message) == ("file_not_found", True)


async def test_a_file_is_downloaded_under_its_name(house: House) -> None:
    batch = await opened(house, ADA, filename='März "1" <x>.html')
    file = (await get(house, f"{PATH}/batches/{batch}"))["files"][0]
    url = f"{house.address}{PATH}/batches/{batch}/files/{file['id']}"
    async with house.session.get(url, headers=bearer(house)) as answer:
        assert json.loads(await answer.read()) == ADA
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename=\"M_rz _1_ <x>.html\"; filename*=UTF-8''M%C3%A4rz%20%221%22%20%3Cx%3E.html"
        )
        tag = answer.headers["ETag"]
    for extra, status, body in (
        ({"Range": "bytes=2-6"}, 206, b"email"),
        ({"Range": "bytes=99999-"}, 416, b""),
        ({"If-None-Match": tag}, 304, b""),
        ({"If-Match": '"other"'}, 412, b""),
    ):
        async with house.session.get(url, headers=bearer(house) | extra) as answer:
            assert (answer.status, await answer.read()) == (status, body)


async def test_jobs_come_newest_first_and_by_state_process_and_batch(house: House) -> None:
    done, first = await imported(house, ADA)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later, second = await scheduled(house, BOB, plan=Plan(due=tomorrow))
    for question, answer in (
        ("limit=1", [second, first]),
        ("state=done", [first]),
        ("state=queued&limit=1", [second]),
        ("process=people&limit=1", [second, first]),
        ("process=other", []),
        (f"batch={done}", [first]),
        (f"batch={later}&state=done", []),
        (f"before={second}", [first]),
    ):
        assert [job["id"] for job in await pages(house, f"{PATH}/jobs?{question}", "jobs")] == answer, question
    found = await get(house, f"{PATH}/jobs/{second}")
    assert (found["batch"], found["api"], found["due"][:10]) == (later, "haplo-standard", f"{tomorrow:%Y-%m-%d}")


async def test_a_job_has_its_log_and_its_outcomes_page_by_page(house: House) -> None:
    _, job = await imported(house, *[NOBODY] * 5, ADA)
    log = await pages(house, f"{PATH}/jobs/{job}/log?limit=2", "lines")
    assert [line["position"] for line in log] == list(range(len(log)))
    assert [line["message"] for line in log] == [log_text(line) for line in await house.engine.jobs.log(job)]
    failed = await pages(house, f"{PATH}/jobs/{job}/outcomes?limit=2&status=failed", "outcomes")
    assert [outcome["record"] for outcome in failed] == list(range(5))
    assert json.loads(failed[0]["original"]) == NOBODY
    assert failed[0]["original_base64"] is None
    assert await pages(house, f"{PATH}/jobs/{job}/outcomes?status=deleted", "outcomes") == []


async def test_rows_are_told_as_they_are_exported(house: House) -> None:
    _, job = await imported(house, ADA, BOB)
    assert await get(house, f"{PATH}/records") == {
        "tables": [
            {"name": "people", "names": ["_id", "email", "name", "tags"]},
            *[table for table in (await get(house, f"{PATH}/records"))["tables"] if table["name"] != "people"],
        ]
    }
    rows = await pages(house, f"{PATH}/records/people?limit=1", "rows")
    assert rows == [{"_id": 1, **ADA}, {"_id": 2, **BOB}]
    one = await get(house, f"{PATH}/records/people/2")
    assert one["row"] == rows[1]
    assert (one["job"], one["record"], one["version"]) == (job, 1, 1)


async def test_large_rows_make_short_pages_and_none_is_left_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_pages, "PAGE_BYTES", 10_000)
    monkeypatch.setattr(record_pages, "STEP", 3)
    await imported(house, *({"email": f"{n}@example.org", "name": "x" * 2000} for n in range(20)))
    for limit in (1, 2, 3, 7, 19, 20, 500):
        page = await get(house, f"{PATH}/records/people?limit={limit}")
        assert len(page["rows"]) == min(limit, 6)
        assert [row["_id"] for row in await pages(house, f"{PATH}/records/people?limit={limit}", "rows")] == [
            *range(1, 21)
        ]


async def test_a_table_that_only_a_model_describes_has_no_rows(house: House) -> None:
    assert await get(house, f"{PATH}/records/people") == {"rows": [], "next": None}


async def test_processes_and_models_are_told(house: House) -> None:
    found = (await get(house, f"{PATH}/processes"))["processes"]
    assert [(each["id"], each["label"], each["model"]) for each in found] == [
        ("people", "People feed", "example:people")
    ]
    one = await get(house, f"{PATH}/processes/people")
    assert one == found[0] | {"control": CONTROL}
    models = {model["name"]: model for model in (await get(house, f"{PATH}/models"))["models"]}
    names = models["example:people"]["destinations"][0]["names"]
    assert [(name["name"], name["required"], name["multivalue"]) for name in names] == [
        ("email", True, False),
        ("name", False, False),
        ("tags", False, True),
    ]


@pytest.mark.parametrize("path", ["/batches", "/jobs/none", "/records/none", "/models", "/events"])
async def test_nothing_is_said_without_a_key_of_the_scope(house: House, path: str) -> None:
    for headers, status, code in (
        ({}, 401, "key_missing"),
        ({"Authorization": "Bearer wrong"}, 401, "key_unknown"),
        (bearer(house, "haplo-batch"), 403, "scope_missing"),
    ):
        async with house.session.get(house.address + PATH + path, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_a_key_may_come_as_a_bearer_or_by_basic(house: House) -> None:
    for headers in (bearer(house), bearer(house, "admin"), basic("me", house.keys["native"])):
        async with house.session.get(house.address + PATH + "/models", headers=headers) as answer:
            assert answer.status == 200


async def test_other_methods_are_not_taken(house: House) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await house.ask(Ask(method, PATH + "/batches", headers=bearer(house)))
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        assert json.loads(answer.body)["error"]["code"] == "method_not_allowed"


async def test_the_head_of_every_page_can_be_asked_for(house: House) -> None:
    headers = bearer(house)
    for path in ("/batches", "/jobs", "/records", "/processes", "/models"):
        async with house.session.get(house.address + PATH + path, headers=headers) as answer:
            size = len(await answer.read())
        async with house.session.head(house.address + PATH + path, headers=headers) as answer:
            assert (answer.status, await answer.read(), answer.headers["Content-Length"]) == (200, b"", str(size))
        async with house.session.head(house.address + PATH + path) as answer:
            assert (answer.status, await answer.read()) == (401, b"")
    async with house.session.head(house.address + PATH + "/events", headers=headers) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


async def test_options_name_the_methods_of_a_path(house: House) -> None:
    for path, allowed in ((PATH + "/batches", "GET,HEAD"), (PATH + "/events", "GET")):
        async with house.session.options(house.address + path) as answer:
            assert (answer.status, answer.headers["Allow"], await answer.read()) == (204, allowed, b"")
    async with house.session.options(house.address + "/nowhere") as answer:
        assert answer.status == 404


async def test_a_page_is_the_same_while_others_arrive(house: House) -> None:
    """A page that was linked to does not move when newer batches come."""
    made = [await opened(house, comment=str(number)) for number in range(4)]
    first = await get(house, f"{PATH}/batches?limit=2")
    await asyncio.gather(*(opened(house, comment="late") for _ in range(3)))
    second = await get(house, first["next"])
    assert [batch["id"] for batch in first["batches"] + second["batches"]] == made[::-1]
