"""A server, and clients of it with keys of the scope `folio`."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.replay import House, Maker
from tests.wire.folio.client import Client


@pytest.fixture(scope="session")
def makers() -> Mapping[str, Maker]:
    return {}


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imports")


async def new_client(house: House) -> Client:
    _, secret = await house.engine.access.keys.create("ann", ["folio"])
    return Client(house.session, house.address, secret)


@pytest.fixture
async def client(house: House) -> Client:
    """On a server of its own."""
    return await new_client(house)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_client(module_house: House) -> Client:
    return await new_client(module_house)


@pytest.fixture
def shared(shared_house: House, module_client: Client) -> Client:
    """On one server for a whole module, whose loop its tests run on."""
    return module_client
