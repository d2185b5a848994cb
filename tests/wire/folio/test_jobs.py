"""The job service that clients feed with records and poll: requests and answers."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.support.replay import House
from tests.wire.folio.client import PROFILE, USER, Client
from tests.wire.folio.records import JOBS, MESSAGE, META, chunk, entries, marc, online, seen, torn, until

NOBODY = "11111111-2222-4333-8444-555555555555"


async def post(client: Client, job: str, body: object) -> int:
    return (await client.ask("POST", f"{JOBS}/{job}/records", body)).status


async def made(client: Client, **more: Any) -> dict[str, Any]:
    reply = await client.ask("POST", JOBS, {"sourceType": "FILES", "userId": USER, **more})
    assert reply.status == 201, reply
    found: dict[str, Any] = reply.json
    return found


async def finished(client: Client, *records: bytes) -> str:
    job = await online(client)
    assert await post(client, job, chunk([one.decode() for one in records], last=True)) == 204
    await until(client, job)
    return job


async def listed(client: Client, query: str) -> list[str]:
    reply = await client.ask("GET", f"{META}/jobExecutions?{query}")
    assert reply.status == 200, reply
    return [job["id"] for job in reply.json["jobExecutions"]]


# making jobs


async def test_one_file_is_its_own_parent_and_several_have_one(client: Client) -> None:
    alone = await made(client, files=[{"name": "a.mrc"}])
    (job,) = alone["jobExecutions"]
    assert (job["subordinationType"], job["status"], job["id"]) == (
        "PARENT_SINGLE",
        "NEW",
        alone["parentJobExecutionId"],
    )
    several = await made(client, files=[{"name": "a.mrc"}, {"name": "b.mrc"}])
    assert [job["subordinationType"] for job in several["jobExecutions"]] == ["PARENT_MULTIPLE", "CHILD", "CHILD"]
    assert [job["hrId"] for job in several["jobExecutions"]] == [2, 3, 4]
    assert {job["parentJobId"] for job in several["jobExecutions"]} == {several["parentJobExecutionId"]}
    part = await made(client, sourceType="COMPOSITE", parentJobId=several["parentJobExecutionId"])
    assert part["jobExecutions"][0]["subordinationType"] == "CHILD"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sourceType": "FILES", "userId": USER}, 400),
        ({"sourceType": "FILES", "userId": USER, "files": []}, 400),
        ({"sourceType": "ELSEWHERE", "userId": USER}, 400),
        ({"sourceType": "ONLINE"}, 422),
        ({}, 422),
        ({"sourceType": "COMPOSITE", "userId": USER, "parentJobId": NOBODY}, 404),
    ],
)
async def test_jobs_that_are_not_made(client: Client, body: object, status: int) -> None:
    assert (await client.ask("POST", JOBS, body)).status == status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"id": NOBODY, "status": "NEW"}),
        ("GET", "/children", None),
        ("PUT", "/status", {"status": "ERROR"}),
        ("PUT", "/jobProfile", PROFILE),
        ("POST", "/records", chunk(["x"])),
        ("DELETE", "/records", None),
    ],
)
async def test_nobodys_job_is_not_found(client: Client, method: str, path: str, body: object) -> None:
    reply = await client.ask(method, f"{JOBS}/{NOBODY}{path}", body)
    assert (reply.status, reply.type) == (404, "text/plain")
    assert NOBODY in reply.text


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", ""), ("PUT", "/status"), ("PUT", "/jobProfile"), ("POST", "/records")]
)
async def test_an_empty_object_lacks_what_is_required(client: Client, method: str, path: str) -> None:
    reply = await client.ask(method, f"{JOBS}/{await online(client)}{path}", {})
    assert reply.errors[0][0] == "may not be null"


# changing jobs


async def test_a_job_sent_back_with_a_file_name_gets_it(client: Client) -> None:
    job = await online(client)
    changed = await client.ask("PUT", f"{JOBS}/{job}", await seen(client, job) | {"fileName": "books.mrc"})
    assert (changed.status, changed.json["fileName"]) == (200, "books.mrc")


async def test_a_profile_is_set_once(client: Client) -> None:
    job = await online(client)
    reply = await client.ask("PUT", f"{JOBS}/{job}/jobProfile", PROFILE)
    assert (reply.status, reply.json["hrId"], reply.json["jobProfileInfo"]["id"]) == (200, 1, PROFILE["id"])
    again = await client.ask("PUT", f"{JOBS}/{job}/jobProfile", PROFILE)
    assert again.status == 400
    assert again.text == f"JobExecution already associated to JobProfile with id '{PROFILE['id']}'"


async def test_a_status_that_ends_a_job_has_a_date(client: Client) -> None:
    job = await online(client)
    body = {"status": "ERROR", "errorStatus": "RECORD_UPDATE_ERROR"}
    changed = (await client.ask("PUT", f"{JOBS}/{job}/status", body)).json
    assert (changed["status"], changed["uiStatus"], changed["errorStatus"]) == ("ERROR", "ERROR", "RECORD_UPDATE_ERROR")
    assert "completedDate" in changed
    assert (await client.ask("PUT", f"{JOBS}/{job}/status", {"status": "WELL"})).status == 400


async def test_parents_of_several_keep_their_status(client: Client) -> None:
    several = await made(client, files=[{"name": "a.mrc"}, {"name": "b.mrc"}])
    for job, status in ((several["parentJobExecutionId"], "NEW"), (several["jobExecutions"][1]["id"], "PARENT")):
        assert (await client.ask("PUT", f"{JOBS}/{job}/status", {"status": status})).status == 400


async def test_deleted_jobs_are_gone(client: Client) -> None:
    job = await online(client)
    reply = await client.ask("DELETE", JOBS, {"ids": [job, NOBODY]})
    details = [(one["jobExecutionId"], one["isDeleted"]) for one in reply.json["jobExecutionDetails"]]
    assert (reply.status, details) == (200, [(job, True), (NOBODY, False)])
    assert (await client.ask("GET", f"{JOBS}/{job}")).status == 404
    assert await listed(client, "limit=10") == []


# posting records


async def test_chunks_become_rows_in_order(house: House, client: Client) -> None:
    job = await online(client)
    for first in (0, 2):
        body = chunk([marc(n).decode() for n in (first, first + 1)], counter=first + 2, total=5)
        assert await post(client, job, body) == 204
    assert (await seen(client, job))["status"] == "PARSING_IN_PROGRESS"
    assert await post(client, job, chunk([marc(4).decode()], counter=5, last=True, total=5)) == 204
    found = await until(client, job)
    assert (found["status"], found["progress"]["current"], found["progress"]["total"]) == ("COMMITTED", 5, 5)
    rows = await house.rows("source_records")
    assert [(row.values["order"], row.values["control_number"]) for row in rows] == [(n, f"n{n}") for n in range(5)]
    assert [entry["sourceRecordOrder"] for entry in await entries(client, job)] == list("01234")


async def test_a_chunk_sent_again_is_refused_and_imported_once(house: House, client: Client) -> None:
    job = await online(client)
    body = chunk([marc(1).decode()], last=True)
    assert [await post(client, job, body) for _ in range(3)] == [204, 400, 400]
    await until(client, job)
    assert len(await house.rows("source_records")) == 1


async def test_chunks_sent_at_once_are_all_imported(house: House, client: Client) -> None:
    job = await online(client)
    bodies = [chunk([marc(n).decode()], counter=n + 1, last=n == 29) for n in range(30)]
    assert set(await asyncio.gather(*(post(client, job, body) for body in bodies))) == {204}
    found = await until(client, job)
    assert (found["status"], found["progress"]["current"]) == ("COMMITTED", 30)
    assert {row.values["order"] for row in await house.rows("source_records")} == set(range(30))


@pytest.mark.parametrize(
    ("kind", "record", "good"),
    [
        ("MARC_RAW", marc(1).decode(), True),
        ("MARC_RAW", (marc(1) + marc(2)).decode(), False),
        ("MARC_RAW", torn(1).decode(), False),
        ("MARC_RAW", "", False),
        ("MARC_JSON", '{"leader": "x", "fields": [{"001": "n1"}]}', True),
        ("MARC_JSON", '{"leader": "x"}', False),
        ("MARC_XML", '<record><leader>x</leader><controlfield tag="001">n1</controlfield></record>', True),
        ("MARC_XML", "<record>", False),
        ("EDIFACT_RAW", MESSAGE, True),
        ("EDIFACT_RAW", "UNH+1'", False),
    ],
)
async def test_each_kind_of_record(house: House, client: Client, kind: str, record: str, good: bool) -> None:
    job = await online(client)
    assert await post(client, job, chunk([record, record], last=True, kind=kind)) == 204
    found = await until(client, job)
    assert found["status"] == ("COMMITTED" if good else "ERROR")
    rows = await house.rows("source_records")
    assert [row.values["error"] is None for row in rows] == [good, good]
    assert {row.values["format"] for row in rows} == {kind}


async def test_the_clients_own_numbers_are_kept(house: House, client: Client) -> None:
    job = await online(client)
    body = chunk([marc(1).decode(), marc(2).decode()], last=True)
    for record, order in zip(body["initialRecords"], (17, 11), strict=True):
        record["order"] = order
    await post(client, job, body)
    await until(client, job)
    assert [row.values["order"] for row in await house.rows("source_records")] == [17, 11]


async def test_a_job_without_records_fails(client: Client) -> None:
    job = await online(client)
    assert await post(client, job, chunk([], last=True)) == 204
    found = await until(client, job)
    assert (found["status"], found["errorStatus"]) == ("ERROR", "FILE_PROCESSING_ERROR")


async def test_a_cancelled_job_takes_no_more_records(client: Client) -> None:
    job = await online(client)
    await post(client, job, chunk([marc(1).decode()]))
    assert (await client.ask("DELETE", f"{JOBS}/{job}/records")).status == 204
    found = await seen(client, job)
    assert (found["status"], found["uiStatus"]) == ("CANCELLED", "CANCELLED")
    assert "completedDate" in found
    assert await post(client, job, chunk([marc(2).decode()])) == 400


async def test_cancelling_what_has_ended_changes_nothing(client: Client) -> None:
    job = await finished(client, marc(1))
    assert (await client.ask("DELETE", f"{JOBS}/{job}/records")).status == 204
    assert (await seen(client, job))["status"] == "COMMITTED"


async def test_an_accepted_chunk_is_in_the_catalog(house: House, client: Client) -> None:
    job = await online(client)
    await house.engine.background.stop()
    body = chunk([marc(1).decode()], last=True)
    assert await post(client, job, body) == 204

    def stored() -> list[Any]:
        with closing(sqlite3.connect(house.data_dir / "catalog.db")) as connection:
            return connection.execute("SELECT name, digest FROM batch_files").fetchall()

    ((name, digest),) = await asyncio.to_thread(stored)
    assert name == body["id"]
    assert (house.data_dir / "blobs/sha256" / digest[:2] / digest[2:4] / digest).exists()
    house.engine.background.start()
    assert (await until(client, job))["status"] == "COMMITTED"


# following jobs


async def test_lists_are_filtered_by_status(client: Client) -> None:
    good, bad = await finished(client, marc(1)), await finished(client, torn(1))
    new = await online(client)
    assert await listed(client, "statusAny=COMMITTED&statusAny=ERROR&sortBy=completed_date%2Cdesc") == [bad, good]
    assert await listed(client, "uiStatusAny=RUNNING_COMPLETE") == [good]
    assert await listed(client, "uiStatusAny=RUNNING&uiStatusAny=READY_FOR_PREVIEW&statusNot=DISCARDED") == []
    assert await listed(client, "statusNot=COMMITTED&statusNot=ERROR") == [new]
    assert await listed(client, "statusAny=NEW&uiStatusAny=ERROR") == []


async def test_lists_are_filtered_by_everything_else(client: Client) -> None:
    one = (await made(client, files=[{"name": "Books.mrc"}], jobProfileInfo=PROFILE))["parentJobExecutionId"]
    other = (await made(client, files=[{"name": "other_1.mrc"}]))["parentJobExecutionId"]
    hidden = await made(client, files=[{"name": "c.mrc"}], jobProfileInfo=PROFILE | {"hidden": True})
    assert hidden["parentJobExecutionId"] not in await listed(client, "limit=100")
    assert await listed(client, "hrId=1") == [one]
    assert await listed(client, "fileName=*books*") == [one]
    assert await listed(client, "fileName=other?1.mrc") == []
    assert await listed(client, "fileNameNotAny=Books.mrc") == [other]
    assert await listed(client, f"profileIdAny={PROFILE['id']}") == [one]
    assert await listed(client, f"profileIdNotAny={PROFILE['id']}") == [other]
    assert await listed(client, f"excludeJobProfileName={PROFILE['name']}") == [other]
    assert await listed(client, "subordinationTypeNotAny=PARENT_SINGLE") == []
    assert await listed(client, f"userId={USER}&sortBy=file_name,asc") == [one, other]
    assert await listed(client, "userId=nobody") == []
    assert await listed(client, "completedAfter=2020-01-01") == []
    assert await listed(client, "sortBy=hrid,asc&limit=1&offset=1") == [other]
    profiles = (await client.ask("GET", f"{META}/jobExecutions/jobProfiles")).json
    assert [profile["id"] for profile in profiles["jobProfilesInfo"]] == [PROFILE["id"]]
    users = (await client.ask("GET", f"{META}/jobExecutions/users")).json
    assert [user["userId"] for user in users["jobExecutionUsersInfo"]] == [USER]


@pytest.mark.parametrize(
    "query", ["sortBy=colour", "sortBy=status,up", "limit=-1", "hrId=x", "completedAfter=soon", "offset=2147483648"]
)
async def test_wrong_parameters_of_lists(client: Client, query: str) -> None:
    reply = await client.ask("GET", f"{META}/jobExecutions?{query}")
    assert (reply.status, reply.type) == (400, "text/plain")


async def test_log_entries_name_what_failed(client: Client) -> None:
    job = await finished(client, marc(1), torn(2), marc(3))
    found = await entries(client, job, limit="10")
    assert [entry["sourceRecordActionStatus"] for entry in found] == ["CREATED", "DISCARDED", "CREATED"]
    assert [bool(entry["error"]) for entry in found] == [False, True, False]
    assert found[0]["sourceRecordTitle"] == "A title 1 / more"
    assert found[0]["sourceRecordType"] == "MARC_BIBLIOGRAPHIC"
    assert await entries(client, job, errorsOnly="true") == [found[1]]
    assert await entries(client, job, order="desc", limit="2") == [found[2], found[1]]
    assert await entries(client, job, offset="2") == [found[2]]
    path = f"{META}/jobLogEntries/{job}/records/{found[1]['sourceRecordId']}"
    assert (await client.ask("GET", path)).json == found[1]
    raw = (await client.ask("GET", f"{META}/incomingRecords/{found[1]['incomingRecordId']}")).json
    assert (raw["rawRecordContent"], raw["order"]) == (torn(2).decode(), 1)
    journal = (await client.ask("GET", f"{META}/journalRecords/{job}?limit=2")).json
    assert [record["actionStatus"] for record in journal["journalRecords"]] == ["COMPLETED", "ERROR"]
    assert journal["totalRecords"] == 3


async def test_what_is_unknown_to_the_logs(client: Client) -> None:
    assert await entries(client, NOBODY) == []
    for path in (f"jobLogEntries/{NOBODY}/records/{NOBODY}", f"incomingRecords/{NOBODY}", "incomingRecords/x"):
        assert (await client.ask("GET", f"{META}/{path}")).status == 404
    assert (await client.ask("GET", f"{META}/jobSummary/{NOBODY}")).status == 404
    assert (await client.ask("GET", f"{META}/jobLogEntries/{NOBODY}?sortBy=x")).status == 400
    assert (await client.ask("GET", f"{META}/jobSummary/{await online(client)}")).status == 404


async def test_profiles_to_choose_from(client: Client) -> None:
    found = (await client.ask("GET", "/data-import-profiles/jobProfiles?limit=1000")).json
    assert found["totalRecords"] == len(found["jobProfiles"])
    assert found["jobProfiles"][0]["id"] == PROFILE["id"]
    one = await client.ask("GET", f"/data-import-profiles/jobProfiles/{PROFILE['id']}")
    assert one.json == found["jobProfiles"][0]
    assert (await client.ask("GET", f"/data-import-profiles/jobProfiles/{NOBODY}")).status == 404


@pytest.mark.parametrize("path", [JOBS, f"{META}/jobExecutions", "/data-import-profiles/jobProfiles"])
async def test_without_a_key_nothing_is_said(house: House, path: str) -> None:
    stranger = Client(house.session, house.address, None)
    assert (await stranger.ask("POST" if path == JOBS else "GET", path, {} if path == JOBS else None)).status == 401
