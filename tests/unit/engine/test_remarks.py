"""What a reader remarks about a file: in the log once, as a warning, however often the job was begun."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from server.engine.engine import EngineConfig, open_engine
from server.engine.execution.tally import REMARK_CAP, TOO_MANY_REMARKS, TOO_MANY_WARNINGS, WARNING_CAP, RunTally
from server.engine.execution.worker import WorkerResult
from server.readers.base import START as BEGINNING
from server.readers.base import Block, Position
from server.readers.formats import FORMATS
from storage.records.base import Checkpoint
from tests.unit.engine.test_job_runner import END, MODEL, NOW, START, Ended, Site, control, field

LINES = b'{"name": "A"}\n{"name": "B"}\n{"name": "C"}\n'
NAMED = [{"action": "new", "destination": "thing"}, field("name")]


class Remarking:
    """JSON Lines whose blocks come with a remark each, and one more at the end."""

    whole_file = False

    def __init__(self) -> None:
        self._inner = FORMATS["json-lines"].reader

    def check(self, options: Mapping[str, object]) -> str | None:
        return self._inner.check(options)

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = BEGINNING, size: int = 1000
    ) -> Iterator[Block]:
        end = start
        for block in self._inner.blocks(file, options, start=start, size=size):
            end = block.end
            yield block._replace(remarks=(f"up to {end.record}", "always"))
        yield Block((), (), lambda index: b"", end, remarks=("the end says 4 records, 3 came",))


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setitem(FORMATS, "remarking", replace(FORMATS["json-lines"], name="remarking", reader=Remarking()))
    models = tmp_path / "imports" / "models"
    models.mkdir(parents=True)
    (models / "things.json").write_text(json.dumps(MODEL))
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports", clock=lambda: NOW)) as engine:
        await asyncio.to_thread(engine.definitions.load)
        yield Site(engine, tmp_path / "data")


SAID = ["f: up to 2", "f: always", "f: up to 3", "f: the end says 4 records, 3 came"]


@pytest.mark.parametrize(("mode", "state"), [("import", "complete"), ("dry-run", "dry-run")])
async def test_each_sentence_is_logged_once_and_is_no_error(site: Site, mode: Any, state: str) -> None:
    ended = await site.run(control(NAMED, read="remarking"), ("f", LINES), mode=mode)
    assert ended == Ended(state, 0, [START, *SAID, END], {"read": 3, "created": 3})


async def test_a_job_that_is_begun_again_does_not_repeat_them(site: Site) -> None:
    batch = await site.schedule(control(NAMED, read="remarking"), ("f", LINES))
    assert await asyncio.to_thread(site.work, heartbeat=threading.Event.set) == WorkerResult("interrupted")
    assert (await site.ended(batch)).log == [START, *SAID[:2]]
    await asyncio.to_thread(site.work)
    assert (await site.ended(batch)).log == [START, *SAID, END]


async def test_a_file_of_nothing_but_a_remark_has_it_in_the_log(site: Site) -> None:
    ended = await site.run(control(NAMED, read="remarking"), ("f", b""))
    assert ended == Ended("complete", 0, [START, SAID[-1], END], {})


@pytest.mark.parametrize(("read", "data"), [("json-lines", b"\n"), ("json", b"[]"), ("csv-with-name-row", b"name\n")])
async def test_a_file_without_records_is_told_as_such(site: Site, read: str, data: bytes) -> None:
    ended = await site.run(control(NAMED, read=read), ("f", data))
    assert ended == Ended("complete", 0, [START, "f: the file has no records", END], {})


async def test_they_are_warnings(site: Site) -> None:
    batch = await site.schedule(control(NAMED, read="remarking"), ("f", LINES))
    await asyncio.to_thread(site.work)
    job = (await site.engine.batches.get(None, batch)).job or ""
    assert {line.level for line in await site.engine.jobs.log(job) if line.message in SAID} == {"warning"}


def test_a_chunk_that_does_not_commit_has_remarked_nothing() -> None:
    tally = RunTally()

    def fail() -> None:
        with tally.rolled_back_on_error():
            tally.remark("one")
            tally.warn("two")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert (tally.remarks, tally.warned, tally.lines, tally.position) == ([], 0, [], 0)


def test_remarks_and_warnings_have_a_bound_of_their_own_that_survives_a_restart() -> None:
    tally, checkpoint = RunTally(), Checkpoint()
    for number in range(REMARK_CAP + 5):
        tally.remark(f"remark {number}")
    for number in range(WARNING_CAP + 5):
        tally.warn("odd", number)
    assert len(tally.lines) == REMARK_CAP + WARNING_CAP
    assert tally.lines[REMARK_CAP - 1].message == TOO_MANY_REMARKS
    assert tally.lines[-1].message == TOO_MANY_WARNINGS
    tally.save(checkpoint)
    again = RunTally.restore(checkpoint)
    again.remark("one more")
    again.warn("odd")
    assert (again.lines, again.errors, again.warned) == ([], 0, WARNING_CAP + 6)
