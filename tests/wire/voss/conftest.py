"""One server for the tests of a module, and the models it knows."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.wire.voss.house import BulkHouse, open_bulk_house

USERS = {
    "name": "data/Users",
    "destinations": [
        {
            "name": "user",
            "table": "users",
            "kind": "dictionary",
            "key": ["username"],
            "names": {
                "username": {"required": True},
                "email": {"type": "email-address"},
                "age": {"type": "integer"},
                "active": {"type": "boolean"},
            },
        }
    ],
}


@pytest.fixture(scope="session")
def bulk_imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    (folder / "models").mkdir()
    (folder / "models" / "users.json").write_text(json.dumps(USERS))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bulk(tmp_path_factory: pytest.TempPathFactory, bulk_imports: Path) -> AsyncIterator[BulkHouse]:
    async with open_bulk_house(tmp_path_factory.mktemp("bulk") / "data", bulk_imports) as house:
        yield house
