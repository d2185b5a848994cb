"""A job as a worker does it: what is in the log, to the letter, which record is which, and what is left behind."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from server.engine.batches.log_text import log_text
from server.engine.definitions import record_processors as processors
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.worker import JobOrder, JobSignals, WorkerResult
from server.engine.worker_process import job_runner
from server.mapping.model.model import Model, parse_model
from storage.opening import open_storage
from storage.queues import jobs
from tests.support.workbook_parts import number, text, xlsx

NOW = datetime(2018, 2, 10, tzinfo=UTC)
START = "START: Sat Feb 10 2018 00:00:00 GMT+0000 (UTC)"
END = "END: Sat Feb 10 2018 00:00:00 GMT+0000 (UTC)"
TOO_MANY = "Too many errors in import batch, no further errors will be reported"
MODEL = {
    "name": "test:things",
    "destinations": [
        {
            "name": "thing",
            "table": "things",
            "kind": "dictionary",
            "key": ["code"],
            "names": {"code": {}, "name": {}, "size": {"type": "integer"}},
        }
    ],
}
MODELS = {"test:things": parse_model(MODEL, "things.json")}
NEW = {"action": "new", "destination": "thing"}


def field(name: str, destination: str = "thing") -> dict[str, Any]:
    return {"source": name, "destination": destination, "name": name}


NAMED = [NEW, field("name"), field("size")]
BY_CODE = [
    field("code", "load:thing"),
    {"action": "load", "destination": "thing", "using": "load:thing", "otherwise": [NEW, field("code")]},
    field("name"),
]


@dataclass(frozen=True)
class Ended:
    state: str
    errors: int
    log: Sequence[str]
    counts: Mapping[str, int]  # those that are not 0


class Site:
    """A data directory, and jobs done in this process."""

    def __init__(self, engine: Engine, data_dir: Path) -> None:
        self.engine = engine
        self._data_dir = data_dir
        self._job = ""

    async def run(
        self, control: Mapping[str, object], *uploads: tuple[str, object], mode: Any = "import", **worker: Any
    ) -> Ended:
        batch = await self.schedule(control, *uploads, mode=mode)
        await asyncio.to_thread(self.work, **worker)
        return await self.ended(batch)

    async def schedule(self, control: Mapping[str, object], *uploads: tuple[str, object], mode: Any = "import") -> str:
        content = json.dumps({"dataImportControlFileVersion": 0, "model": "test:things", **control}).encode()
        digest = await self.engine.batches.add_control("test", content, "a control file")
        batch = await self.engine.batches.create("test", control=digest, comment="a batch")
        for name, data in uploads:
            upload = await self.engine.uploads.receive_octets(reading(data))
            await self.engine.batches.add_file("test", batch.identifier, name, upload)
        await self.engine.batches.schedule("test", batch.identifier, mode)
        return batch.identifier

    def work(
        self,
        models: Mapping[str, Model] = MODELS,
        heartbeat: Callable[[threading.Event], None] = lambda stop: None,
        chunk: int = 2,
    ) -> WorkerResult:
        """What a worker process would do: with the job that it was doing, or with the next."""
        storage = open_storage(self._data_dir)
        stop = threading.Event()
        try:
            self._job = self._job or storage.catalog.write_now(claimed)
            return job_runner(storage, lambda: NOW)(
                JobOrder(self._job, "a worker", models, chunk), JobSignals(stop, lambda read: heartbeat(stop))
            )
        finally:
            storage.close_now()

    async def ended(self, identifier: str) -> Ended:
        batch = await self.engine.batches.get(None, identifier)
        assert batch.job is not None
        job = await self.engine.jobs.get(batch.job)
        counts = {name: getattr(job.counts, name) for name in job.counts.__dataclass_fields__}
        log = [log_text(line) for line in await self.engine.jobs.log(batch.job)]
        return Ended(batch.state, batch.errors, log, {name: count for name, count in counts.items() if count})

    async def rows(self, *columns: str) -> list[Any]:
        def read() -> list[Any]:
            if "things" not in self.engine.records.store.tables():
                return []
            rows = self.engine.records.store.rows("things")
            return [tuple(row.values.get(column) for column in columns) for row in rows]

        found = await asyncio.to_thread(read)
        return [row[0] for row in found] if len(columns) == 1 else found


def claimed(connection: Any) -> str:
    job = jobs.claim(connection, "a worker", NOW, 30, lambda owner: False, lambda *_: None)
    assert job is not None
    return job.id


def reading(data: object) -> Callable[[], Any]:
    pieces = [data if isinstance(data, bytes) else json.dumps(data).encode(), b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    models = tmp_path / "imports" / "models"
    models.mkdir(parents=True)
    (models / "things.json").write_text(json.dumps(MODEL))
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports", clock=lambda: NOW)) as engine:
        await asyncio.to_thread(engine.definitions.load)
        yield Site(engine, tmp_path / "data")


def control(instructions: Sequence[object] = NAMED, read: str = "json", **files: str) -> dict[str, object]:
    return {
        "files": {name: {"read": reader} for name, reader in {"DEFAULT": read, **files}.items()},
        "instructions": instructions,
    }


async def test_the_log_of_a_batch_without_faults_is_two_lines(site: Site) -> None:
    ended = await site.run(control(), ("a", [{"name": "A"}]))
    assert ended == Ended("complete", 0, [START, END], {"read": 1, "created": 1})


async def test_records_are_numbered_over_all_files_in_the_order_of_the_first_uploads(site: Site) -> None:
    """A file sent again replaces the first, at its place; one without an entry is read as DEFAULT says."""
    ended = await site.run(
        control(table="tsv-with-name-row", feed="xml-text-of-children", never="json"),
        ("again", [{"name": "old", "size": "old"}]),
        ("table", b"name\tsize\nT1\t1\nT2\tbad\n\n"),
        ("again", [{"name": "A1", "size": "x"}, {"name": "A2"}]),
        ("feed", b"<r><e><name>X1</name><size>4.0</size></e></r>"),
    )
    assert ended.log == [
        START,
        "Invalid integer for input field size: x (record 0)",
        "Invalid integer for input field size: bad (record 3)",
        "Invalid integer for input field size: 4.0 (record 4)",
        END,
    ]
    assert (ended.errors, ended.counts) == (3, {"read": 5, "created": 5, "with_warnings": 3})
    assert await site.rows("name", "size") == [("A1", None), ("A2", None), ("T1", 1), ("T2", None), ("X1", None)]


async def test_faults_found_before_the_first_record_name_none(site: Site) -> None:
    instructions = [*NAMED, field("colour"), {"action": "log-error", "message": "seen"}]
    ended = await site.run(control(instructions), ("a", [{"name": "A"}]))
    assert ended.log == [START, "Unknown name in field colour for destination thing", "seen (record 0)", END]
    assert (ended.state, ended.errors) == ("complete", 2)


@pytest.mark.parametrize(
    ("read", "broken", "reason"),
    [
        ("json", b'[{"name": "B"},', "last: Line 1, byte 16: the file ends before the array does"),
        ("xml-attributes", b'<r><a name="B"/>', "last: Line 1, column 17: not well-formed XML, no element found"),
    ],
)
async def test_a_broken_file_keeps_those_before_it_out(site: Site, read: str, broken: bytes, reason: str) -> None:
    ended = await site.run(control(last=read, first="tsv-with-name-row"), ("first", b"name\nA\n"), ("last", broken))
    assert ended == Ended("error", 1, [START, f"EXCEPTION: Error during import: {reason}", END], {})
    assert await site.rows("name") == []


async def test_a_file_without_an_entry_ends_the_batch_before_any_record(site: Site) -> None:
    document = control()
    document["files"] = {"a": {"read": "json"}}
    ended = await site.run(document, ("a", [{"name": "A"}]), ("b", [{"name": "B"}]))
    missing = "Could not find file specification in control file for file b (and DEFAULT file entry does not exist)"
    assert ended == Ended("error", 1, [START, f"EXCEPTION: Error during import: {missing}", END], {})
    assert await site.rows("name") == []


async def test_a_destination_that_is_not_there_ends_the_batch_at_its_record(site: Site) -> None:
    odd = {"action": "if-exists", "source": "odd", "then": [{"action": "new", "destination": "nope"}]}
    ended = await site.run(control([*NAMED, odd]), ("a", [{"name": "A"}, {"name": "B", "odd": 1}, {"name": "C"}]))
    assert (ended.state, ended.counts) == ("error", {"read": 2, "created": 1, "failed": 1})
    assert ended.log == [START, "EXCEPTION: Error during import: Unknown destination: nope", END]
    assert await site.rows("name") == ["A"]


async def test_of_many_errors_499_are_told_and_an_exception_always(site: Site) -> None:
    odd = {"action": "if-exists", "source": "odd", "then": [{"action": "new", "destination": "nope"}]}
    instructions = [*NAMED, {"action": "log-error", "message": "m"}, odd]
    records = [{"name": "A"}] * 600 + [{"name": "B", "odd": 1}]
    ended = await site.run(control(instructions), ("a", records), chunk=250)
    assert ended.errors == 602
    assert ended.log[:500] == [START, *(f"m (record {number})" for number in range(499))]
    assert ended.log[500:] == [TOO_MANY, "EXCEPTION: Error during import: Unknown destination: nope", END]


async def test_a_model_that_is_gone_when_the_batch_runs_ends_it(site: Site) -> None:
    ended = await site.run(control(), ("a", [{"name": "A"}]), models={})
    assert ended.log == [START, "EXCEPTION: Error during import: Model not implemented: test:things", END]
    assert (ended.state, ended.errors, ended.counts) == ("error", 1, {})


async def test_a_model_that_goes_in_the_middle_leaves_what_was_said_and_counted(site: Site) -> None:
    records = b'{"name": "A", "size": "x"}\n{"name": "B"}\n{"name": "C"}\n'
    batch = await site.schedule(control(read="json-lines"), ("a", records))
    result = await asyncio.to_thread(site.work, heartbeat=threading.Event.set)
    assert result == WorkerResult("interrupted")
    await asyncio.to_thread(site.work, models={})
    ended = await site.ended(batch)
    assert ended.log == [
        START,
        "Invalid integer for input field size: x (record 0)",
        "EXCEPTION: Error during import: Model not implemented: test:things",
        END,
    ]
    assert (ended.state, ended.errors) == ("error", 2)
    assert ended.counts == {"read": 2, "created": 2, "with_warnings": 1}


DUPLICATE = "things: another row already has code 'k' (record 1)"


@pytest.mark.parametrize(
    ("mode", "state", "left"), [("import", "complete", ["one", "three"]), ("dry-run", "dry-run", [])]
)
async def test_a_dry_run_tells_what_only_a_commit_finds(site: Site, mode: str, state: str, left: list[str]) -> None:
    records = [{"code": "k", "name": "one"}, {"code": "k", "name": "two"}, {"code": "l", "name": "three"}]
    ended = await site.run(control([NEW, field("code"), field("name")]), ("a", records), mode=mode)
    assert ended == Ended(state, 1, [START, DUPLICATE, END], {"read": 3, "created": 2, "failed": 1})
    assert await site.rows("name") == left


@pytest.mark.parametrize(("mode", "left"), [("import", ["two"]), ("dry-run", [])])
async def test_a_dry_run_finds_the_rows_that_it_would_have_made(site: Site, mode: str, left: list[str]) -> None:
    records = [{"code": "k", "name": name} for name in ("one", "two", "two")]
    ended = await site.run(control(BY_CODE), ("a", records), mode=mode)
    assert (ended.errors, ended.counts) == (0, {"read": 3, "created": 1, "updated": 1, "unchanged": 1})
    assert await site.rows("name") == left


# record processors


def joins(files: processors.Files) -> processors.Files:
    """People with the sizes that lie in another file."""
    by_name = dict(files)
    sizes = {each["name"]: each["size"] for each in by_name["sizes"]}  # type: ignore[index]
    return [("joined", ({**person, "size": sizes[person["name"]]} for person in by_name["people"]))]  # type: ignore


def chains(files: processors.Files) -> processors.Files:
    """All files as one."""
    return [("all", (record for _, records in files for record in records))]


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint(f"test:{name}", f"{__name__}:{name}", processors.GROUP) for name in ("joins", "chains")]
    monkeypatch.setattr(processors, "_found", lambda: {entry.name: entry for entry in entries})


@pytest.mark.usefixtures("_installed")
class TestRecordProcessor:
    people = ("people", [{"name": name} for name in "ABC"])

    def control(self) -> dict[str, object]:
        return {**control(sizes="tsv-with-name-row"), "recordProcessor": "test:joins"}

    async def test_what_it_makes_is_imported(self, site: Site) -> None:
        ended = await site.run(self.control(), self.people, ("sizes", b"name\tsize\nA\t1\nB\tx\nC\t3\n"))
        assert ended.log == [START, "Invalid integer for input field size: x (record 1)", END]
        assert await site.rows("name", "size") == [("A", 1), ("B", None), ("C", 3)]

    async def test_a_broken_file_keeps_all_out(self, site: Site) -> None:
        document = {**control(), "recordProcessor": "test:chains"}
        ended = await site.run(document, self.people, ("more", b'[{"name": "D"}'))
        broken = "more: Line 1, byte 15: the file ends before the array does"
        assert ended == Ended("error", 1, [START, f"EXCEPTION: Error during import: {broken}", END], {})
        assert await site.rows("name") == []

    async def test_it_may_make_records_of_nothing(self, site: Site) -> None:
        ended = await site.run({**control(), "recordProcessor": "test:chains"})
        assert ended == Ended("complete", 0, [START, END], {})


BRACES = "x{v.__doc__[11]};open(chr(120),chr(119)).close()#"
EITHER = {
    "action": "if-value-one-of",
    "source": "code",
    "values": [False],
    "then": [{"action": "set-value", "destination": "thing", "name": "code", "value": BRACES}],
    "else": [field("code")],
}


async def test_a_constant_is_no_code(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    ended = await site.run(control([NEW, EITHER]), ("data0", [{"code": False}, {"code": "{v}"}]))
    assert (ended.state, ended.counts) == ("complete", {"read": 2, "created": 2})
    assert await site.rows("code") == [BRACES, "{v}"]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("records", [[], [{}], [{"code": "a"}, {}, {"x": None}]])
async def test_a_control_file_that_sets_nothing_makes_empty_rows(site: Site, records: list[object]) -> None:
    ended = await site.run(control([NEW]), ("data0", records))
    assert (ended.state, ended.errors) == ("complete", 0)
    assert await site.rows("code") == [None] * len(records)


FEW = {
    "name": "test:few",
    "types": ["clerk"],
    "destinations": [
        {
            "name": "clerk",
            "table": "clerks",
            "kind": "object",
            "title": "title",
            "lookups": {"behaviour": "code", "username": "user", "email": "mail"},
            "types": {"default": "clerk", "allowed": ["clerk"]},
            "names": {"title": {}, "code": {}, "user": {}, "mail": {"type": "email-address"}},
        }
    ],
}
REFERRING = {
    "name": "test:things",
    "destinations": [
        {
            "name": "thing",
            "table": "things",
            "kind": "dictionary",
            "names": {"name": {}, "clerk": {"type": "ref", "refers_to": "clerks"}},
        }
    ],
}
BY_MAPPING = {"refMapping": "m"}


@pytest.mark.parametrize("mode", ["import", "dry-run"])
@pytest.mark.parametrize(
    ("found", "mapping"),
    [
        ({"filters": ["haplo:code-to-ref"]}, {}),
        ({"filters": ["haplo:username-to-ref"]}, {}),
        ({"filters": ["haplo:email-to-ref"]}, {}),
        (BY_MAPPING, {"using": "behaviour", "values": {"x": "x"}}),
        (BY_MAPPING, {"using": "title", "types": ["clerk"], "values": {"x": "x"}}),
    ],
)
async def test_a_table_that_no_import_has_made_yet_has_no_rows(
    site: Site, tmp_path: Path, found: dict[str, object], mapping: dict[str, object], mode: str
) -> None:
    (tmp_path / "imports" / "models" / "few.json").write_text(json.dumps(FEW))
    await asyncio.to_thread(site.engine.definitions.load)
    models = {raw["name"]: parse_model(raw, "m.json") for raw in (FEW, REFERRING)}
    document = {**control([NEW, field("name"), {**field("clerk"), **found}]), "mapping": {"m": mapping}}
    ended = await site.run(document, ("data", [{"name": "A", "clerk": "x"}]), mode=mode, models=models)
    assert ended.counts["read"] == 1
    assert not any("no such table" in line for line in ended.log)
    assert ended.state == ("complete" if mode == "import" else "dry-run")
    assert await site.rows("name", "clerk") == ([("A", None)] if mode == "import" else [])


async def test_an_error_in_a_workbook_counts_where_its_column_is_read(site: Site) -> None:
    error = ' t="e"><v>#N/A</v></c>'
    rows = [[text(" name"), text("size"), text("helper")], [text("a"), number(1), error], [error, number(2), ""]]
    control = {"files": {"DEFAULT": {"read": "xlsx-with-name-row"}}, "instructions": NAMED}
    ended = await site.run(control, ("data0", xlsx(*rows)))
    assert ended.counts == {"read": 2, "created": 1, "failed": 1}
    assert "row 3, column A (' name') holds the error #N/A (record 1)" in ended.log


async def test_every_row_can_be_shown_with_its_batch_and_file(site: Site, tmp_path: Path) -> None:
    files = [("a", [{"name": "A"}, {"name": "B"}]), ("b", [{"name": "C"}])]
    batch = await site.schedule(control(), *files)
    await asyncio.to_thread(site.work)

    def shown() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(tmp_path / "data" / "records.db")) as connection:
            return connection.execute("SELECT name, _batch, _file FROM things_with_source ORDER BY id").fetchall()

    assert await asyncio.to_thread(shown) == [("A", batch, "a"), ("B", batch, "a"), ("C", batch, "b")]


@pytest.mark.parametrize("what", ["changed", "cut short", "gone"])
async def test_a_damaged_file_is_not_imported_and_the_way_out_is_named(site: Site, tmp_path: Path, what: str) -> None:
    content = b'[{"name": "one"}, {"name": "two"}]'
    batch = await site.schedule(control(), ("data", content))
    digest = (await site.engine.batches.files(await site.engine.batches.get(None, batch)))[0].digest
    blob = next((tmp_path / "data" / "blobs").rglob(str(digest)))
    blob.chmod(0o600)
    if what == "gone":
        blob.unlink()
    else:
        blob.write_bytes(content.replace(b"two", b"2wo") if what == "changed" else content[:10])
    await asyncio.to_thread(site.work)
    ended = await site.ended(batch)
    assert (ended.state, ended.counts) == ("error", {})
    reason = ended.log[-2]
    assert f"data: {'no blob with digest' if what == 'gone' else 'blob'} {digest}" in reason
    assert reason.endswith("send the file again, then repeat the import")
    assert await site.rows("name") == []

    site._job = ""
    again = await site.run(control(), ("data", content))
    assert (again.state, again.counts) == ("complete", {"read": 2, "created": 2})
