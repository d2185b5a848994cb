"""What becomes of files: one row for each record, those that cannot be read too, and a job that says so."""

import asyncio
import dataclasses
import json

import orjson
import pytest

from tests.support.replay import House
from tests.wire.folio.client import V1, Client
from tests.wire.folio.records import EDIFACT, JOBS, META, entries, marc, processed, seen, torn


async def test_a_file_of_records_is_committed(house: House, client: Client) -> None:
    (job,) = await processed(client, ("books.mrc", marc(1) + marc(2)))
    assert (job["status"], job["uiStatus"]) == ("COMMITTED", "RUNNING_COMPLETE")
    assert job["progress"] == {"jobExecutionId": job["id"], "current": 2, "total": 2}
    assert (job["subordinationType"], job["parentJobId"], job["hrId"]) == ("PARENT_SINGLE", job["id"], 1)
    assert job["jobProfileInfo"]["dataType"] == "MARC"
    assert {"startedDate", "completedDate"} <= job.keys()
    rows = await house.rows("source_records")
    assert [row.values["title"] for row in rows] == ["A title 1 / more", "A title 2 / more"]
    first = rows[0].values
    assert (first["job"], first["tenant"], first["order"]) == (job["id"], "diku", 0)
    assert (first["control_number"], first["format"], first["error"]) == ("n1", "MARC_RAW", None)
    assert first["raw"] == marc(1).decode()
    assert first["leader"] == marc(1)[:24].decode()
    assert orjson.loads(str(first["parsed"]))["fields"][0] == {"001": "n1"}


async def test_bad_records_fail_alone_and_leave_a_row_each(house: House, client: Client) -> None:
    (job,) = await processed(client, ("mixed.mrc", marc(1) + torn(2) + marc(3) + torn(4)))
    assert (job["status"], job["uiStatus"], job["progress"]["current"]) == ("ERROR", "ERROR", 4)
    assert "errorStatus" not in job
    rows = await house.rows("source_records")
    assert [row.values["error"] is None for row in rows] == [True, False, True, False]
    assert [row.values["order"] for row in rows] == [0, 1, 2, 3]
    assert rows[1].values["raw"] == torn(2).decode()
    assert "MARC record 2 in the file" in str(rows[1].values["error"])
    summary = (await client.ask("GET", f"{META}/jobSummary/{job['id']}")).json
    assert summary["totalErrors"] == 2
    assert summary["sourceRecordSummary"]["totalCreatedEntities"] == 2


async def test_the_counts_of_the_engines_job_add_up(house: House, client: Client) -> None:
    await processed(client, ("mixed.mrc", marc(1) + torn(2) + marc(3)))
    (ended,) = await house.engine.jobs.list()
    assert (ended.counts.read, ended.counts.created, ended.counts.failed) == (3, 2, 1)
    (outcome,) = await house.engine.jobs.outcomes(ended.id)
    assert (outcome.record, outcome.status) == (1, "failed")
    assert await asyncio.to_thread(lambda: list(house.engine.operations.fsck.run(deep=True))) == []


async def test_several_files_are_children_of_one_job(client: Client) -> None:
    jobs = await processed(client, ("a.mrc", marc(1)), ("b.mrc", marc(2) + torn(3)))
    assert [job["status"] for job in jobs] == ["COMMITTED", "ERROR"]
    assert {job["subordinationType"] for job in jobs} == {"CHILD"}
    parent = jobs[0]["parentJobId"]
    assert (await seen(client, parent))["status"] == "PARENT"
    children = (await client.ask("GET", f"{JOBS}/{parent}/children")).json
    assert [child["id"] for child in children["jobExecutions"]] == [job["id"] for job in jobs]
    assert children["totalRecords"] == 2
    listed = (await client.ask("GET", f"{META}/jobExecutions")).json
    assert {job["id"] for job in listed["jobExecutions"]} == {job["id"] for job in jobs}


MARC_JSON = json.dumps([{"leader": "x" * 24, "fields": [{"001": "n1"}]}, {"leader": 1}]).encode()
MARC_XML = b'<collection><record><leader>0</leader><controlfield tag="001">n1</controlfield></record></collection>'


@pytest.mark.parametrize(
    ("name", "content", "data_type", "status", "numbers"),
    [
        ("a.JSON", MARC_JSON, "MARC", "ERROR", ["n1", None]),
        ("a.xml", MARC_XML, "MARC", "COMMITTED", ["n1"]),
        ("a.edi", EDIFACT, "EDIFACT", "ERROR", ["94999", None]),
    ],
)
async def test_profile_and_suffix_choose_the_format(
    house: House, client: Client, name: str, content: bytes, data_type: str, status: str, numbers: list[str | None]
) -> None:
    (job,) = await processed(client, (name, content), data_type=data_type)
    assert job["status"] == status
    assert [row.values["control_number"] for row in await house.rows("source_records")] == numbers


@pytest.mark.parametrize(
    ("name", "content", "data_type"),
    [
        ("empty.mrc", b"", "MARC"),
        ("broken.xml", b"<collection><record>", "MARC"),
        ("broken.json", b"[{]", "MARC"),
        ("rows.csv", b"a,b\n1,2\n", "Delimited"),
    ],
)
async def test_a_file_without_records_is_an_error_of_the_file(
    house: House, client: Client, name: str, content: bytes, data_type: str
) -> None:
    (job,) = await processed(client, (name, content), data_type=data_type)
    assert (job["status"], job["errorStatus"], job["progress"]["total"]) == ("ERROR", "FILE_PROCESSING_ERROR", 0)
    assert "completedDate" in job
    assert (await client.ask("GET", f"{META}/jobSummary/{job['id']}")).status == 404
    assert await entries(client, job["id"]) == []


async def test_jobs_follow_their_files_before_processing(client: Client) -> None:
    definition = await client.define("a.mrc", "b.mrc")
    one, other = (file["jobExecutionId"] for file in definition["fileDefinitions"])
    found = await seen(client, one)
    assert (found["status"], found["uiStatus"]) == ("NEW", "INITIALIZATION")
    assert found["progress"] == {"jobExecutionId": one, "current": 0, "total": 100}
    await client.send(definition, 0, marc(1))
    file = definition["fileDefinitions"][1]["id"]
    await client.ask("DELETE", f"{V1}/definition/file/{file}?uploadDefinitionId={definition['id']}")
    assert (await seen(client, one))["status"] == "FILE_UPLOADED"
    assert (await seen(client, other))["status"] == "DISCARDED"


async def test_processing_twice_imports_once(house: House, client: Client) -> None:
    definition = await client.define("a.mrc")
    await client.send(definition, 0, marc(1))
    body = definition | {"status": "COMPLETED"}
    for _ in range(2):
        assert (await client.ask("PUT", f"{V1}/definition/{definition['id']}", body)).status == 200
    await house.engine.jobs.wait((await house.engine.jobs.list())[0].id)
    assert len(await house.engine.jobs.list()) == 1
    assert len(await house.rows("source_records")) == 1


async def test_tenants_do_not_see_each_others_jobs(client: Client) -> None:
    (job,) = await processed(client, ("a.mrc", marc(1)))
    stranger = dataclasses.replace(client, tenant="other")
    assert (await stranger.ask("GET", f"{JOBS}/{job['id']}")).status == 404
    assert (await stranger.ask("GET", f"{META}/jobExecutions")).json["totalRecords"] == 0
    assert await entries(stranger, job["id"]) == []
    assert (await stranger.ask("GET", f"{META}/jobSummary/{job['id']}")).status == 404
    (entry,) = await entries(client, job["id"])
    path = f"{META}/incomingRecords/{entry['incomingRecordId']}"
    assert [(await who.ask("GET", path)).status for who in (client, stranger)] == [200, 404]
    (theirs,) = await processed(stranger, ("a.mrc", marc(1)))
    assert theirs["hrId"] == 1
