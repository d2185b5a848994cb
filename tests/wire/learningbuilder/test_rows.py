"""What comes of the rows of a batch, and how a batch is found again."""

import asyncio
import gzip
import json
import os

import pytest

from server.engine.uploads.flow import UploadLimits
from tests.support.replay import Ask, House, MakeHouse
from tests.wire.learningbuilder.members import PATH, create, created, lines, messages, path


async def members(house: House) -> list[dict[str, object]]:
    names = ("UniqueId", "Email", "Credits", "Active", "Tags")
    return [{name: row.values[name] for name in names if row.values.get(name) is not None} for row in await rows(house)]


async def rows(house: House):  # type: ignore[no-untyped-def]
    return await house.rows("members")


ADA = {"UniqueId": "1", "Email": "ada@example.org", "Credits": 3, "Active": True, "Tags": ["a", "b"]}
ADA_STORED = {**ADA, "Active": 1, "Tags": '["a","b"]'}


async def test_attributes_go_to_the_names_they_are_called_like(house: House) -> None:
    batch = await created(house, lines(ADA, {"UniqueId": "2", "Active": False}))
    assert await members(house) == [ADA_STORED, {"UniqueId": "2", "Active": 0}]
    assert (batch.state, batch.comment) == ("complete", "ACME 2026/11/22")
    assert await messages(house, batch) == [("completed", None)] * 2


async def test_the_creation_path_is_stored_with_its_prefix_and_found(house: House) -> None:
    batch = await created(house, lines(ADA), creationPath="LH")
    await created(house, lines(ADA), creationPath="OTHER", importProcessId="upsert")
    assert batch.properties["creation_path"] == "IMPORT_QUEUE_API:LH"
    for text in ("IMPORT_QUEUE_API:LH", "queue_api:l"):
        assert [found.id for found in await house.engine.batches.list(text=text)] == [batch.id]


async def test_a_batch_notes_process_key_and_file(house: House) -> None:
    batch = await created(house, lines(ADA))
    (key,) = [key for key in await house.engine.access.keys.list() if key.id == batch.created_by]
    assert (batch.process, key.scopes) == ("12", ("learningbuilder",))
    assert await house.filenames(batch.identifier) == ["rows.jsonl"]


async def test_a_row_with_an_unknown_column_fails_alone(house: House) -> None:
    batch = await created(house, lines({"UniqueId": "1"}, {"UniqueId": "2", "Phone": "5"}, {"UniqueId": "3"}))
    assert await members(house) == [{"UniqueId": "1"}, {"UniqueId": "3"}]
    (done, failed, _) = await messages(house, batch)
    assert done == ("completed", None)
    assert failed[0] == "failed"
    assert (failed[1] or "").startswith("Unknown column Phone; this import takes UniqueId, Email, Credits, Active, ")


async def test_columns_of_the_process_are_the_ones_that_count(house: House) -> None:
    good, bad = {"Member No": "1", "E-mail": "ada@example.org"}, {"Member No": "2", "Email": "bob@example.org"}
    batch = await created(house, lines(good, bad), importProcessId="mapped")
    assert await members(house) == [{"UniqueId": "1", "Email": "ada@example.org"}]
    assert [state for state, _ in await messages(house, batch)] == ["completed", "failed"]


async def test_a_process_with_a_control_file(house: House) -> None:
    batch = await created(house, lines({"No": "1"}, {":No": "1"}, {"UniqueId": "2"}), importProcessId="control")
    assert await members(house) == [{"UniqueId": "1", "Credits": 5}]
    assert [state for state, _ in await messages(house, batch)] == ["completed", "completed", "failed"]


@pytest.mark.parametrize("process", ["12", "update", "upsert"])
async def test_identifiers_find_the_row_to_update(house: House, process: str) -> None:
    await created(house, lines(ADA))
    batch = await created(
        house,
        lines({":UniqueId": "1", "Credits": 4}, {":Email": "ada@example.org", "Tags": ["c"], "Active": None}),
        importProcessId=process,
    )
    assert await messages(house, batch) == [("completed", None)] * 2
    assert await members(house) == [{**ADA_STORED, "Credits": 4, "Tags": '["c"]'}]


@pytest.mark.parametrize("process", ["12", "update"])
async def test_no_row_to_update_fails_the_row(house: House, process: str) -> None:
    batch = await created(house, lines({":UniqueId": "9", "Credits": 4}), importProcessId=process)
    assert await messages(house, batch) == [("failed", "There is no member with UniqueId = 9")]
    assert await members(house) == []


async def test_an_upsert_makes_the_row_that_is_not_there(house: House) -> None:
    batch = await created(
        house, lines({":UniqueId": "9", "Credits": 4}, {":UniqueId": "9", "Credits": 5}), importProcessId="upsert"
    )
    assert await messages(house, batch) == [("completed", None)] * 2
    assert await members(house) == [{"UniqueId": "9", "Credits": 5}]


async def test_several_rows_to_update_fail_the_row(house: House) -> None:
    await created(house, lines({"UniqueId": "1", "Credits": 1}, {"UniqueId": "2", "Credits": 1}))
    batch = await created(house, lines({":Credits": 1, "Email": "x@example.org"}))
    assert await messages(house, batch) == [("failed", "There is more than one member with Credits = 1")]


@pytest.mark.parametrize("process", ["12", "update", "upsert"])
async def test_a_blank_identifier_is_an_error(house: House, process: str) -> None:
    body = lines(*({":UniqueId": blank, "UniqueId": "1"} for blank in ("", " ", None)))
    batch = await created(house, body, importProcessId=process)
    told = "Column :UniqueId is blank; give it a value or leave it out"
    assert await messages(house, batch) == [("failed", told)] * 3
    assert await members(house) == []


async def test_plain_and_identified_rows_keep_their_order(house: House) -> None:
    body = lines({"UniqueId": "1", "Credits": 1}, {":UniqueId": "1", "Credits": 2}, {"UniqueId": "1", "Credits": 3})
    await created(house, body * 2, importProcessId="upsert")
    assert await members(house) == [{"UniqueId": "1", "Credits": 3}]


async def test_rows_of_a_page(house: House) -> None:
    batch = await created(house, lines(*({"UniqueId": str(number)} for number in range(10))))
    page = await house.engine.learningbuilder.rows(batch, after=6, limit=2)
    assert [row.record for row in page] == [7, 8]
    assert await house.engine.learningbuilder.rows(batch, after=9) == []


async def test_rows_that_wait_are_queued_and_those_of_a_cancelled_batch_are_not(house: House) -> None:
    await house.engine.background.stop()
    ask = create(lines({"UniqueId": "1"}, {"UniqueId": "2"}))
    answer = await house.ask(ask, await house.things(ask.names()))
    batch = await house.engine.batches.get(None, json.loads(answer.body)["queueBatchId"])
    assert await messages(house, batch) == [("queued", None)] * 2
    await house.engine.jobs.cancel(batch.job or "")
    assert await messages(house, batch) == [("cancelled", None)] * 2
    house.engine.background.start()


async def test_batches_run_in_the_order_in_which_they_came(house: House) -> None:
    for number in range(5):
        ask = create(lines({"UniqueId": "1", "Credits": number}), to=path(importProcessId="upsert"))
        last = await house.ask(ask, await house.things(ask.names()))
    batch = await house.engine.batches.get(None, json.loads(last.body)["queueBatchId"])
    await house.engine.jobs.wait(batch.job or "")
    assert await members(house) == [{"UniqueId": "1", "Credits": 4}]


@pytest.mark.parametrize("bad", [b"[]", b"{", b"\xff"])
async def test_a_bad_last_line_of_a_large_body_leaves_nothing(house: House, bad: bytes) -> None:
    body = lines({"UniqueId": "x" * 1000}) * 5000 + bad
    ask = create(gzip.compress(body), **{"Content-Encoding": "gzip"})
    answer = await house.ask(ask, await house.things(ask.names()))
    assert (answer.status, json.loads(answer.body)["error"]["errorCode"]) == (400, "LINE_INVALID")
    assert json.loads(answer.body)["error"]["message"].startswith("line 5001")
    assert await house.engine.batches.list() == []
    assert _stored(house) == []


def _stored(house: House) -> list[str]:
    folders = [house.data_dir / "incoming", house.data_dir / "blobs" / "sha256"]
    return [name for folder in folders for _, _, files in os.walk(folder) for name in files if name[0] != "."]


async def test_a_small_gzip_body_that_is_large_inside_is_refused(make_house: MakeHouse) -> None:
    house = await make_house(UploadLimits(min_free_bytes=0, max_upload_bytes=1_000_000))
    ask = create(gzip.compress(lines(ADA) * 100_000), **{"Content-Encoding": "gzip"})
    answer = await house.ask(ask, await house.things(ask.names()))
    assert (answer.status, json.loads(answer.body)["error"]["errorCode"]) == (413, "BODY_TOO_LARGE")
    assert await house.engine.batches.list() == []


async def test_a_refused_request_never_sends_its_body(house: House) -> None:
    headers = {
        "Host": "127.0.0.1",
        "Authorization": f"apikey {house.keys['learningbuilder']}",
        "Content-Length": str(10**9),
        "Expect": "100-continue",
    }
    head = [f"POST {path(without='fileName')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    raw = "\r\n".join([*head, "", ""]).encode()
    assert await house.status_line(raw) == b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize(
    ("host", "site"),
    [("example.org:81", "http://example.org:81"), ("[::1]:9", "http://[::1]:9"), ("a/b@c", "http://localhost")],
)
async def test_the_link_leads_back_to_where_the_client_came(house: House, host: str, site: str) -> None:
    ask = create(Host=host)
    answer = await house.ask(ask, await house.things(ask.names()))
    assert json.loads(answer.body)["queueBatchDetails"].startswith(f"{site}/admin/batches/")


async def test_many_at_once(house: House) -> None:
    asks = [create(lines({"UniqueId": str(number)})) for number in range(20)]
    things = await house.things(asks[0].names())
    answers = await asyncio.gather(*(house.ask(ask, things) for ask in asks))
    identifiers = {json.loads(answer.body)["queueBatchId"] for answer in answers}
    assert len(identifiers) == 20


async def test_too_many_wrong_keys_suspend_those_but_not_the_right_one(house: House) -> None:
    wrong = Ask("POST", PATH, headers={"Authorization": "apikey WRONG"})
    for _ in range(20):
        await house.ask(wrong)
    ask = create()
    assert (await house.ask(ask, await house.things(ask.names()))).status == 200
    answer = await house.ask(wrong)
    assert "Retry-After" in answer.headers
    assert (answer.status, json.loads(answer.body)["error"]["errorCode"]) == (429, "TOO_MANY_WRONG_KEYS")
