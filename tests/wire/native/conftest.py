"""The imports folder of these tests, and imports that have been done."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.replay import Maker
from tests.wire.native.house import MODEL, PROCESSES


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {}


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for name, documents in (("models", {"people": MODEL}), ("processes", PROCESSES)):
        (folder / name).mkdir(parents=True)
        for file, document in documents.items():
            (folder / name / f"{file}.json").write_text(json.dumps(document))
    return folder
