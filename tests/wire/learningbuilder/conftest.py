"""The imports folder that the requests rely on, and what they can name."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.replay import House, Maker
from tests.wire.learningbuilder.members import MODEL, PROCESSES


async def key(house: House) -> str:
    return house.keys["learningbuilder"]


async def other_key(house: House) -> str:
    return house.keys["haplo-batch"]


async def admin_key(house: House) -> str:
    return house.keys["admin"]


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {maker.__name__: maker for maker in (key, other_key, admin_key)}


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for name, documents in (("models", [MODEL]), ("processes", PROCESSES)):
        (folder / name).mkdir()
        for number, document in enumerate(documents):
            (folder / name / f"{number}.json").write_text(json.dumps(document))
    return folder
