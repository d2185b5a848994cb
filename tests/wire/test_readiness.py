"""/readyz: it says what is not ready, one disaster at a time, and is ready again once that is over."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.app import make_app
from server.engine.engine import EngineConfig, open_engine
from storage.errors import DatabaseFailed
from storage.locking import FileLock
from tests.support.replay import House, Maker
from tests.support.watched import as_files

MOST = 1 << 62


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {}


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    for name, text in as_files().items():
        (tmp_path / "imports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "imports" / name).write_text(text)
    return tmp_path / "imports"


async def asked(house: House) -> tuple[int, Any]:
    async with house.session.get(f"{house.address}/readyz", headers={"Accept": "application/json"}) as answer:
        return answer.status, await answer.json()


async def in_words(house: House) -> tuple[int, str]:
    async with house.session.get(f"{house.address}/readyz") as answer:
        return answer.status, await answer.text()


def parts(document: Any, kind: str = "problems") -> list[str]:
    return [problem["part"] for problem in document[kind]]


@asynccontextmanager
async def another_writer(house: House) -> AsyncIterator[None]:
    """Another program holds the catalog's lock."""
    lock = FileLock(house.data_dir / "catalog.db.lock")
    await asyncio.to_thread(lock.__enter__)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
        lock.close()


@asynccontextmanager
async def unreadable_catalog(house: House) -> AsyncIterator[None]:
    async def failing(*_asked: object) -> None:
        raise DatabaseFailed("/a/secret/place/catalog.db", "disk I/O error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.engine.storage.catalog, "read", failing)
        yield


@asynccontextmanager
async def unreadable_records(house: House) -> AsyncIterator[None]:
    def failing() -> None:
        raise DatabaseFailed("/a/secret/place/records.db", "disk I/O error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.engine.storage.records, "tables", failing)
        yield


@asynccontextmanager
async def no_place_for_bodies(house: House) -> AsyncIterator[None]:
    incoming = house.data_dir / "incoming"
    incoming.rename(house.data_dir / "elsewhere")
    incoming.touch()  # a missing folder would be made again by the worker, which opens the storage when it starts
    yield
    incoming.unlink()
    (house.data_dir / "elsewhere").rename(incoming)


@asynccontextmanager
async def full_disk(house: House) -> AsyncIterator[None]:
    limits = house.engine.uploads.limits
    object.__setattr__(limits, "min_free_bytes", MOST)  # the module's own limits: put back below
    try:
        yield
    finally:
        object.__setattr__(limits, "min_free_bytes", 0)


@asynccontextmanager
async def dead_slot(house: House) -> AsyncIterator[None]:
    dispatcher = house.engine.background.dispatcher
    assert dispatcher is not None
    dispatcher._slots[0].cancel()
    await asyncio.wait(dispatcher._slots)
    yield
    await house.engine.background.stop()
    house.engine.background.start()


@asynccontextmanager
async def dead_background_tasks(house: House) -> AsyncIterator[None]:
    await house.engine.background.tasks.stop()
    yield
    house.engine.background.tasks.start()


Disaster = Callable[[House], AbstractAsyncContextManager[None]]

DISASTERS: dict[str, tuple[Disaster, list[str], str]] = {
    "another writer": (
        another_writer,
        ["catalog"],
        "catalog: not writable (no answer within 0.3 seconds); check that no",
    ),
    "unreadable catalog": (unreadable_catalog, ["catalog"], "catalog: not readable (DatabaseFailed; the log says"),
    "unreadable records": (
        unreadable_records,
        ["record store"],
        "record store: not readable (DatabaseFailed; the log says",
    ),
    "no place for bodies": (
        no_place_for_bodies,
        ["blob store"],
        "blob store: not writable (NotADirectoryError; the log says",
    ),
    "full disk": (full_disk, ["disk"], f"{MOST} must stay free); free some space, or lower [limits] min_free_bytes"),
    "dead slot": (dead_slot, ["jobs"], "jobs: 1 of 1 slots are not running; restart the server"),
    "dead background tasks": (
        dead_background_tasks,
        ["background tasks"],
        "background tasks: not running, so no mail and no callback is sent; restart",
    ),
}


async def test_a_healthy_server_is_ready(house: House) -> None:
    assert await in_words(house) == (200, "ready")
    assert await asked(house) == (200, {"ready": True, "problems": [], "warnings": []})


async def test_being_asked_leaves_nothing_behind(house: House) -> None:
    before = (house.data_dir / "catalog.db-wal").stat().st_size
    for _ in range(5):
        await asked(house)
    assert (house.data_dir / "catalog.db-wal").stat().st_size == before
    assert [path for path in (house.data_dir / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", DISASTERS)
async def test_what_is_not_ready_is_named_with_the_way_out(house: House, name: str) -> None:
    disaster, wrong, words = DISASTERS[name]
    house.engine.operations.readiness.patience = 0.3
    async with disaster(house):
        status, document = await asked(house)
        assert (status, document["ready"], parts(document)) == (503, False, wrong)
        _, text = await in_words(house)
        assert words in text
        assert len(text.splitlines()) == 1
        assert "/a/secret/place" not in text
    house.engine.operations.readiness.patience = 10
    assert await in_words(house) == (200, "ready")


async def test_several_things_at_once_are_a_line_each(house: House) -> None:
    async with unreadable_records(house), dead_background_tasks(house):
        _, text = await in_words(house)
    assert [line.partition(":")[0] for line in text.splitlines()] == ["record store", "background tasks"]


async def test_what_hangs_is_asked_once_however_many_want_to_know(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for, release = [], asyncio.Event()

    async def hanging(query: object, *_asked: object) -> None:
        asked_for.append(query)
        await release.wait()

    house.engine.operations.readiness.patience = 0.1
    with monkeypatch.context() as patch:
        patch.setattr(house.engine.storage.catalog, "read", hanging)
        found = await asyncio.gather(*(asked(house) for _ in range(5)), asked(house))
        found.append(await asked(house))
    assert {status for status, _ in found} == {503}
    assert len(asked_for) == 1
    release.set()
    house.engine.operations.readiness.patience = 10
    assert (await asked(house))[0] == 200


async def test_a_refused_reload_is_a_warning(house: House, imports: Path) -> None:
    broken = imports / "models" / "broken.json"
    broken.write_text("{")
    await asyncio.to_thread(house.engine.definitions.reload)
    status, document = await asked(house)
    assert (status, document["ready"], parts(document, "warnings")) == (200, True, ["definitions"])
    _, text = await in_words(house)
    assert text.splitlines()[0] == "ready"
    assert text.splitlines()[1].startswith("warning: definitions: the imports folder has 1 mistakes")
    broken.unlink()
    await asyncio.to_thread(house.engine.definitions.reload)
    assert await in_words(house) == (200, "ready")


async def test_before_the_definitions_are_read_it_is_not_ready(tmp_path: Path) -> None:
    async with (
        open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports")) as engine,
        TestClient(TestServer(make_app(engine))) as client,
    ):
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert (await answer.text()).startswith("definitions: models and processes are not loaded; ")


async def test_while_it_stops_it_is_not_ready(house: House) -> None:
    async with open_engine(house.data_dir, EngineConfig(imports=house.data_dir)) as engine:
        await asyncio.to_thread(engine.definitions.reload)
        app = make_app(engine)
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/readyz")).status == 200
            await app.shutdown()
            answer = await client.get("/readyz")
            assert (answer.status, await answer.text()) == (
                503,
                "server: shutting down; wait until it is back, or use another one",
            )
            assert (await client.get("/livez")).status == 200


async def test_alive_and_ready_need_no_key_and_take_no_other_method(house: House) -> None:
    for path in ("/livez", "/readyz"):
        async with house.session.head(house.address + path) as answer:
            assert answer.status == 200
        async with house.session.post(house.address + path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


async def test_a_data_directory_that_went_away_is_no_fault_of_the_asker(house: House) -> None:
    house.engine.operations.readiness.patience = 1
    house.data_dir.rename(house.data_dir.with_name("away"))
    try:
        status, document = await asked(house)
        assert status == 503
        assert "blob store" in parts(document)
    finally:
        shutil.move(house.data_dir.with_name("away"), house.data_dir)
