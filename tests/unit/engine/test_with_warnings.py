"""Records that are stored with warnings: counted, kept with their reasons, and to be had back as a file."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.batches.failure_causes import Kind, warning_text
from server.engine.documents import state_in_words
from server.engine.engine import EngineConfig, open_engine
from server.engine.execution.run import MOST_WARNINGS
from server.engine.execution.worker import WorkerResult
from tests.unit.engine.test_job_runner import END, MODEL, NOW, START, Ended, Site, control, field

NEW = {"action": "new", "destination": "thing"}
NAMED = [NEW, field("code"), field("name"), field("size")]
LISTS = [{"code": str(number), "name": ["a", number]} for number in range(3)]
MIXED = [*LISTS, {"code": "9", "size": "many"}, {"code": "9"}, {"code": "10", "name": "good"}]
WHAT = "is not stored as text, should be a text, a number, true or false"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    models = tmp_path / "imports" / "models"
    models.mkdir(parents=True)
    (models / "things.json").write_text(json.dumps(MODEL))
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports", clock=lambda: NOW)) as engine:
        await asyncio.to_thread(engine.definitions.load)
        yield Site(engine, tmp_path / "data")


async def outcomes(site: Site, batch: str, **asked: Any) -> Any:
    job = (await site.engine.batches.get(None, batch)).job or ""
    return await site.engine.jobs.outcomes(job, **asked)


LOG = [
    START,
    *(f'name: "[\\"a\\",{number}]" {WHAT} (record {number})' for number in range(3)),
    "Invalid integer for input field size: many (record 3)",
    "things: another row already has code '9' (record 4)",
    END,
]
COUNTS = {"read": 6, "created": 5, "failed": 1, "with_warnings": 4}


@pytest.mark.parametrize(("mode", "state"), [("import", "complete"), ("dry-run", "dry-run")])
async def test_what_has_no_message_of_the_vendor_is_a_warning_and_no_error(site: Site, mode: str, state: str) -> None:
    assert await site.run(control(NAMED), ("f", MIXED), mode=mode) == Ended(state, 2, LOG, COUNTS)


@pytest.mark.parametrize("mode", ["import", "dry-run"])
async def test_a_job_that_is_begun_again_counts_and_tells_them_once(site: Site, mode: Any) -> None:
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in MIXED)
    batch = await site.schedule(control(NAMED, read="json-lines"), ("f", lines), mode=mode)
    assert await asyncio.to_thread(site.work, heartbeat=threading.Event.set) == WorkerResult("interrupted")
    assert await asyncio.to_thread(site.work) == WorkerResult("done")
    ended = await site.ended(batch)
    assert (ended.log, ended.counts) == (LOG, COUNTS)


async def test_an_outcome_keeps_its_warnings_apart_from_errors(site: Site) -> None:
    batch = await site.schedule(control(NAMED), ("f", MIXED))
    await asyncio.to_thread(site.work)
    warned = await outcomes(site, batch, warned=True)
    assert [(one.record, one.status, one.message) for one in warned] == [
        (0, "created", None),
        (1, "created", None),
        (2, "created", None),
        (3, "created", "Invalid integer for input field size: many"),
    ]
    assert warned[1].warnings == [
        {"what": WHAT, "source": "name", "value": '["a",1]', "destination": "thing", "name": "name"}
    ]
    (failed,) = await outcomes(site, batch, statuses=["failed"])
    assert failed.warnings is None


async def test_a_record_keeps_so_many_warnings_at_most(site: Site) -> None:
    each = {"action": "for-each", "source": "all", "wrapValues": True, "instructions": [NEW, field("value")]}
    each["instructions"] = [NEW, {**field("name"), "source": "value"}]
    record = {"all": [[number] for number in range(MOST_WARNINGS + 5)]}
    batch = await site.schedule(control([each]), ("f", [record]))
    await asyncio.to_thread(site.work)
    (one,) = await outcomes(site, batch, warned=True)
    assert len(one.warnings) == MOST_WARNINGS


async def test_they_are_listed_by_cause_and_given_back_as_a_file(site: Site) -> None:
    identifier = await site.schedule(control(NAMED), ("f", MIXED))
    await asyncio.to_thread(site.work)
    batch = await site.engine.batches.get(None, identifier)
    job = await site.engine.jobs.get(batch.job or "")
    causes = await site.engine.monitoring.failure_causes.causes(job, "warnings")
    assert [(cause.count, cause.record) for cause in causes.causes] == [(3, 0), (1, 3)]
    page = await site.engine.monitoring.failure_causes.page(job, kind="warnings", cause=causes.causes[0].id, limit=2)
    assert ([one.record for one in page.records], page.next_cursor) == ([0, 1], 1)
    (offer,) = await asyncio.to_thread(site.engine.corrections.offers, batch, "warnings")
    assert offer.filename == "f-warnings.json"

    def file(kind: Kind) -> Any:
        return json.loads(b"".join(site.engine.corrections.pieces(batch, "f", kind)))

    assert await asyncio.to_thread(file, "warnings") == MIXED[:4]
    assert await asyncio.to_thread(file, "failed") == MIXED[4:5]
    assert state_in_words(batch.state, job) == "complete, 1 failed, 4 with warnings"


def test_a_warning_reads_as_a_sentence() -> None:
    warning = {"what": WHAT, "source": "name", "value": "[1]", "destination": "thing", "name": "name"}
    assert warning_text(warning) == f'name: "[1]" {WHAT}'


async def test_in_short_form_such_a_record_fails_and_says_what_would_be_right(site: Site) -> None:
    strict = {**control(NAMED), "onBadValue": "fail"}
    ended = await site.run(strict, ("f", [{"code": "a", "size": "many"}, {"code": "b", "size": 1}, None, 5, {"x": 1}]))
    assert ended.counts == {"read": 5, "created": 1, "failed": 4}
    assert ended.log[1:-1] == [
        "Invalid integer for input field size: many (record 0)",
        'size: "many" is not stored as integer, should be a whole number such as 1250. '
        "The record is not stored (record 0)",
        "The record is no object with names and values: null (record 2)",
        "The record is no object with names and values: 5 (record 3)",
        "Nothing of the record is read: it has none of the fields that this import takes, or they are empty (record 4)",
    ]
    assert await site.rows("code") == ["b"]
