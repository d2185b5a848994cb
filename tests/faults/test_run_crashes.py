"""A worker that dies at any step of a job: run again, the job ends as if nothing had happened."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.engine.batches.scheduling import Plan
from server.engine.engine import EngineConfig, open_engine
from tests.support.crash_points import NOW

PROJECT = Path(__file__).parents[2]
LONG = 280.0  # seconds: a slow machine is not a fault

pytestmark = pytest.mark.timeout(300)

MODEL: dict[str, Any] = {
    "name": "example:crash",
    "label": "People and books",
    "destinations": [
        {
            "name": "profile",
            "table": "people",
            "kind": "object",
            "optional": True,
            "title": "title",
            "key": ["email"],
            "names": {
                "title": {"type": "text", "required": True},
                "email": {"type": "text"},
                "manager": {"type": "ref", "refers_to": "people"},
            },
        },
        {
            "name": "book",
            "table": "books",
            "kind": "object",
            "depends": "profile",
            "depends_column": "author",
            "optional": True,
            "title": "title",
            "names": {"title": {"type": "text", "required": True}, "year": {"type": "integer"}},
        },
        {
            "name": "note",
            "table": "notes",
            "kind": "dictionary",
            "optional": True,
            "names": {"text": {"required": True}},
        },
    ],
}

PLAIN: list[dict[str, Any]] = [
    {"action": "new", "destination": "note"},
    {"source": "text", "destination": "note", "name": "text"},
]

FEED: list[dict[str, Any]] = [
    {"action": "upsert", "destination": "profile"},
    {"source": "name", "destination": "profile", "name": "title"},
    {"source": "email", "destination": "profile", "name": "email"},
]

LINKED: list[dict[str, Any]] = [
    *FEED,
    {"source": "boss", "destination": "profile", "name": "manager"},
    {
        "action": "for-each",
        "source": "books",
        "instructions": [
            {"action": "new", "destination": "book"},
            {"source": "title", "destination": "book", "name": "title"},
            {"source": "year", "destination": "book", "name": "year"},
        ],
    },
]

NOTES = b'{"text": "one"}\n{"text": "two"}\n{"text": \n{"text": "four"}\n{}\n'

PEOPLE = b"".join(
    json.dumps(person).encode() + b"\n"
    for person in (
        {"name": "Ada", "email": "a@example.org"},
        {"name": "Ben", "email": "b@example.org"},
        {"name": "Ada Moss", "email": "a@example.org"},
        {"email": "nameless@example.org"},
        {"name": {"an": "object"}, "email": "d@example.org"},
    )
)

FAMILY = json.dumps(
    [
        {"name": "Ada", "email": "a@example.org", "books": [{"title": "One", "year": 2001}, {"title": "Two"}]},
        {"name": "Ada", "email": "a@example.org", "books": [{"title": "Four", "year": "no year"}, {"year": 3}]},
        "no record",
        {"name": "Dan", "email": "d@example.org"},
    ]
).encode()


WARNED = json.dumps(
    [
        {"name": "Ada", "email": "a@example.org", "books": [{"title": "One", "year": "no year"}, {"title": "Two"}]},
        {"name": "Ben", "email": "b@example.org", "boss": "nobody that is known"},
        {"name": "Dan", "email": "d@example.org", "books": "no list"},
    ]
).encode()


@dataclass(frozen=True)
class Case:
    """One import: what is read with what instructions."""

    read: str
    instructions: list[dict[str, Any]]
    files: tuple[bytes, ...]
    mode: str = "import"
    created: int = 0
    warned: int = 0
    attempts: int = 1000

    def control(self) -> bytes:
        return json.dumps(
            {
                "dataImportControlFileVersion": 0,
                "model": MODEL["name"],
                "files": {"DEFAULT": {"read": self.read}},
                "instructions": self.instructions,
            }
        ).encode()


CASES = {
    "rows without a key": Case("json-lines", PLAIN, (NOTES, NOTES[:16]), created=4),
    "rows with a key": Case("json-lines", FEED, (PEOPLE, PEOPLE[:80]), created=2),
    "linked rows of a whole document": Case("json", LINKED, (FAMILY, FAMILY), created=3),
    "a dry run": Case("json", LINKED, (FAMILY, FAMILY), mode="dry-run", created=3),
    "rows stored with warnings": Case("json", LINKED, (WARNED,), created=3, warned=3),
    "a broken file": Case("json", LINKED, (FAMILY, FAMILY[:-9])),
}


async def prepare(folder: Path, case: Case) -> Path:
    """A data directory with one scheduled job."""
    imports = folder / "imports"
    (imports / "models").mkdir(parents=True)
    (imports / "models" / "crash.json").write_text(json.dumps(MODEL))
    data_dir = folder / "prepared"
    async with open_engine(data_dir, EngineConfig(imports=imports, clock=lambda: NOW)) as engine:
        await asyncio.to_thread(engine.definitions.load)
        control = await engine.batches.add_control("test", case.control(), "a control file")
        batch = await engine.batches.create("test", control=control, comment="a batch")
        for number, content in enumerate(case.files):
            upload = await engine.uploads.receive_octets(reading(content))
            await engine.batches.add_file("test", batch.identifier, f"data{number}", upload)
        plan = Plan(mode=case.mode, attempts=case.attempts)  # type: ignore[arg-type]
        await engine.batches.schedule("test", batch.identifier, case.mode, plan=plan)  # type: ignore[arg-type]
    (data_dir / "model.json").write_text(json.dumps(MODEL))
    return data_dir


def reading(content: bytes) -> Any:
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read


@pytest.fixture(params=CASES)
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    return CASES[request.param]  # type: ignore[return-value]


def crash(prepared: Path, *how: str) -> list[dict[str, str]]:
    work = prepared.parent / "-".join(how)
    work.mkdir()
    command = [sys.executable, "-m", "tests.support.crash_points", str(prepared), str(work), *how]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=LONG, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


def undisturbed(prepared: Path, case: Case) -> dict[str, list[tuple[Any, ...]]]:
    """What the job leaves when nothing dies."""
    assert crash(prepared, "every", "0") == []
    folder = prepared.parent / "every-0" / "every"
    job = job_of(folder)
    assert (job["count_created"], job["count_with_warnings"]) == (case.created, case.warned)
    return picture(folder)


def picture(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a job leaves, but for times of rows and how often it was tried."""
    shown = {}
    for database in ("catalog", "records"):
        with sqlite3.connect(data_dir / f"{database}.db") as connection:
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in sorted(names):
                if name != "_checkpoints":  # one of a job that has ended means nothing any more
                    shown[f"{database} {name}"] = rows(connection, name)
        connection.close()
    return shown


def rows(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    unlike = {"attempts", "_created_at", "_updated_at", "owner", "lease_until"}
    cursor = connection.execute(f"SELECT * FROM {table}")
    kept = [place for place, column in enumerate(cursor.description) if column[0] not in unlike]
    return sorted((tuple(row[place] for place in kept) for row in cursor), key=repr)


def job_of(data_dir: Path) -> dict[str, Any]:
    connection = sqlite3.connect(data_dir / "catalog.db")
    connection.row_factory = sqlite3.Row
    job = dict(connection.execute("SELECT jobs.*, batches.state AS batch_state FROM jobs, batches").fetchone())
    job["log"] = connection.execute("SELECT kind, message FROM job_log ORDER BY position").fetchall()
    connection.close()
    return job


async def test_death_at_each_step_changes_nothing(tmp_path: Path, case: Case) -> None:
    prepared = await prepare(tmp_path, case)
    wanted = undisturbed(prepared, case)
    deaths = crash(prepared, "points")
    assert {death["step"] for death in deaths} >= {"before a catalog write", "after a catalog write"}
    for death in deaths:
        assert picture(Path(death["folder"])) == wanted, f"after death {death}"


async def test_a_run_goes_through_every_kind_of_step(tmp_path: Path) -> None:
    prepared = await prepare(tmp_path, Case("json-lines", PLAIN, (b'{"text": "one"}',)))
    steps = [death["step"] for death in crash(prepared, "points")]
    assert steps == [
        *("before a catalog write", "after a catalog write", "before the tables", "before the session"),
        *("before a catalog write", "after a catalog write"),
        *("before a chunk", "before a chunk's commit", "after a chunk's commit"),
        *("before a catalog write", "after a catalog write"),
        *("before the checkpoint is dropped", "after the checkpoint is dropped"),
    ]


@pytest.mark.parametrize("number", [11, 12, 14])
async def test_death_again_and_again_while_it_gets_on(tmp_path: Path, number: int) -> None:
    case = CASES["linked rows of a whole document"]
    prepared = await prepare(tmp_path, case)
    wanted = undisturbed(prepared, case)
    deaths = crash(prepared, "every", str(number))
    assert len(deaths) > 1
    assert picture(Path(deaths[-1]["folder"])) == wanted


@pytest.mark.parametrize("number", [2, 5, 7, 8])
async def test_a_job_that_kills_its_worker_before_it_gets_on_is_given_up(tmp_path: Path, number: int) -> None:
    case = Case("json-lines", PLAIN, (NOTES,), attempts=3)
    prepared = await prepare(tmp_path, case)
    deaths = crash(prepared, "worker", str(number))
    folder = Path(deaths[-1]["folder"])
    job = job_of(folder)
    assert (len(deaths), job["state"], job["batch_state"]) == (3, "failed", "error"), deaths
    (kind, message), (last, _) = job["log"][-2:]
    assert (kind, message[:26], last) == ("exception", "given up after 3 attempts:", "end")


@pytest.mark.parametrize("number", [2, 7])
async def test_deaths_of_the_server_give_no_job_up(tmp_path: Path, number: int) -> None:
    """The job did nothing wrong: it goes on, however few attempts it has and however often the server was killed."""
    case = Case("json-lines", PLAIN, (NOTES,), attempts=1, created=3)
    prepared = await prepare(tmp_path, case)
    wanted = undisturbed(prepared, case)
    deaths = crash(prepared, "times", str(number), "5")
    assert picture(Path(deaths[-1]["folder"])) == wanted


async def test_what_was_said_by_a_run_that_committed_nothing_is_forgotten(tmp_path: Path) -> None:
    """The second run finds another model in force, under which nothing is wrong with the records."""
    case = Case("json-lines", FEED, (b'{"email": "a@example.org"}\n{"email": "b@example.org"}\n',))
    prepared = await prepare(tmp_path, case)
    death = next(d for d in crash(prepared, "points") if d["step"] == "before a chunk's commit")
    (dead,) = crash(prepared, "once", Path(death["folder"]).name)
    folder = Path(dead["folder"])
    assert len(picture(folder)["catalog outcomes"]) == 2
    (folder / "model.json").write_text(
        json.dumps(MODEL).replace(', "required": true', "").replace('"title": "title", ', "")
    )
    assert crash(folder, "every", "0") == []
    ended = folder.parent / "every-0" / "every"
    assert picture(ended)["catalog outcomes"] == []
    assert [kind for kind, _ in job_of(ended)["log"]] == ["start", "end"]
