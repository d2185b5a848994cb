"""A dialect without state of its own is one module: nothing else in the product names it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from server.app import make_app
from server.dialects import DIALECTS, SCOPES, scopes_of
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.uploads.flow import UploadLimits
from tests.support import toy_dialect
from tests.support.toy_dialect import PATH, Toy

MODEL = {
    "name": "people",
    "destinations": [{"name": "one", "table": "people", "kind": "dictionary", "names": {"name": {"type": "text"}}}],
}
PROCESS = {"id": "people", "model": "people", "destination": "one", "read": "json-lines", "write": "create"}
MOST_LINES = 60


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    for room, document in (("models", MODEL), ("processes", PROCESS)):
        (tmp_path / "imports" / room).mkdir(parents=True)
        (tmp_path / "imports" / room / "people.json").write_text(json.dumps(document))
    limits = UploadLimits(min_free_bytes=0)
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports", uploads=limits)) as engine:
        await asyncio.to_thread(engine.definitions.load)
        yield engine


@pytest_asyncio.fixture
async def client(engine: Engine) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    async with TestClient(TestServer(make_app(engine, (*DIALECTS, Toy)))) as client:
        yield client


def test_it_is_short() -> None:
    assert len(Path(toy_dialect.__file__).read_text("utf-8").splitlines()) <= MOST_LINES


def test_it_brings_its_scope() -> None:
    assert scopes_of((*DIALECTS, Toy)).items() - SCOPES.items() == {("toy", "the toy API")}


async def test_it_imports_rows(engine: Engine, client: TestClient) -> None:  # type: ignore[type-arg]
    _, secret = await engine.access.keys.create("toy", ["toy"])
    headers = {"Authorization": f"Bearer {secret}"}
    answer = await client.post(PATH, params={"process": "people"}, data=b'{"name": "Ada"}\n', headers=headers)
    assert answer.status == 200, await answer.text()
    batch = await engine.batches.get(None, await answer.text())
    job = await engine.jobs.wait(batch.job or "")
    assert (batch.api, job.state, job.counts.created) == ("toy", "done", 1)


async def test_it_refuses_in_its_own_way(engine: Engine, client: TestClient) -> None:  # type: ignore[type-arg]
    assert (await client.post(PATH)).status == 401
    _, other = await engine.access.keys.create("other", ["folio"])
    assert (await client.post(PATH, headers={"Authorization": f"Bearer {other}"})).status == 403
    _, secret = await engine.access.keys.create("toy", ["toy"])
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await client.post(PATH, params={"process": "none"}, headers=headers)).status == 404


async def test_pages_and_documents_show_it(engine: Engine, client: TestClient) -> None:  # type: ignore[type-arg]
    _, secret = await engine.access.keys.create("admin", ["admin"])
    document = await (await client.get("/openapi.json", headers={"Authorization": f"Bearer {secret}"})).json()
    assert PATH in document["paths"]
    signed_in = await client.post("/admin/sign-in", data={"key": secret}, headers={"Origin": str(client.make_url(""))})
    assert signed_in.status == 200, await signed_in.text()
    assert "the toy API" in await (await client.get("/admin/keys/new")).text()
    process = await (await client.get("/admin/processes/people")).text()
    assert "/toy/rows?process=people" in process
