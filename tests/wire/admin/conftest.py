"""The admin site over the real application, and the imports folder it shows."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.wire.admin.house import AdminHouse, Signed, open_admin

MODEL = {
    "name": "example:people",
    "label": "People",
    "destinations": [
        {
            "name": "profile",
            "table": "people",
            "kind": "dictionary",
            "key": ["email"],
            "names": {
                "email": {"type": "email-address", "required": True},
                "name": {"type": "text"},
                "age": {"type": "integer"},
            },
        }
    ],
}


def control(reads: str) -> dict[str, Any]:
    return {
        "dataImportControlFileVersion": 0,
        "model": "example:people",
        "files": {"DEFAULT": {"read": reads}},
        "instructions": [
            {"action": "new", "destination": "profile"},
            *({"source": name, "destination": "profile", "name": name} for name in ("email", "name", "age")),
        ],
    }


PROCESSES = {
    "people": {"id": "people", "label": "People", "control": control("json-lines")},
    "people-csv": {"id": "people-csv", "label": "People from a spreadsheet", "control": control("csv-with-name-row")},
}


def write_imports(folder: Path) -> Path:
    documents: Mapping[str, Mapping[str, object]] = {"models": {"people": MODEL}, "processes": PROCESSES}
    for room, files in documents.items():
        (folder / room).mkdir(parents=True)
        for name, document in files.items():
            (folder / room / f"{name}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    """A folder of its own for each test: some change it."""
    return write_imports(tmp_path / "imports")


@pytest.fixture
async def admin(tmp_path: Path, imports: Path) -> AsyncIterator[AdminHouse]:
    async with open_admin(tmp_path / "data", imports) as house:
        yield house


@pytest.fixture
async def site(admin: AdminHouse) -> Signed:
    """A signed-in visitor: `get`, `post`, `send`, and the engine behind the site."""
    return await admin.signed()
