"""What the requests of this dialect can name, and the imports folder they rely on."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.replay import House, Maker, basic
from tests.wire.haplo.people import CONTROL, MODEL, PROCESSES

DATA = b'[{"email": "ada@example.org", "name": "Ada"}]'


async def control(house: House) -> str:
    return await house.engine.batches.add_control("haplo-batch", CONTROL, "Example control")


async def empty(house: House) -> str:
    """A batch without files."""
    batch = await house.engine.batches.create("haplo-batch", control=await control(house), comment="Example")
    return batch.identifier


async def batch(house: House) -> str:
    """A batch with one file, which names nothing but itself."""
    return await _with_file(house, "haplo-batch", await empty(house))


async def standard_batch(house: House) -> str:
    batch = await house.engine.batches.create("haplo-standard", process="people", comment="Example")
    return await _with_file(house, "haplo-standard", batch.identifier)


async def ready(house: House) -> str:
    """A batch as the pages make it."""
    batch = await house.engine.batches.create(
        "haplo-batch", control=await control(house), comment="Example", state="ready"
    )
    return batch.identifier


async def scheduled(house: House) -> str:
    identifier = await batch(house)
    await house.engine.batches.schedule("haplo-batch", identifier, "dry-run")
    return identifier


async def batch_key(house: House) -> str:
    return house.keys["haplo-batch"]


async def other_user(house: House) -> str:
    return basic("somebody", house.keys["haplo-batch"])["Authorization"]


async def _with_file(house: House, api: str, identifier: str) -> str:
    upload = await house.engine.uploads.receive_octets(_source(DATA), filename="data.json")
    await house.engine.batches.add_file(api, identifier, "data0", upload)
    return identifier


def _source(content: bytes):  # type: ignore[no-untyped-def]
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    made = (control, empty, batch, standard_batch, ready, scheduled, batch_key, other_user)
    return {maker.__name__: maker for maker in made}


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for name, documents in (("models", {"people": MODEL}), ("processes", PROCESSES)):
        (folder / name).mkdir(parents=True)
        for file, document in documents.items():
            (folder / name / f"{file}.json").write_text(json.dumps(document))
    return folder
