"""The whole application on a real socket over a real data directory."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from server.engine.uploads.flow import UploadLimits
from tests.support.replay import House, MakeHouse, Maker, open_house


@pytest.fixture(scope="module")
def limits() -> UploadLimits:
    """What uploads may take; a module with other wishes has a fixture of this name."""
    return UploadLimits(min_free_bytes=0)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def make_house(
    tmp_path: Path, log: list[Any], imports: Path, makers: Mapping[str, Maker]
) -> AsyncIterator[MakeHouse]:
    """Starts servers on one data directory; each is checked at the end to have left no body in flight."""
    async with AsyncExitStack() as stack:

        async def make(limits: UploadLimits) -> House:
            return await stack.enter_async_context(open_house(tmp_path / "data", imports, limits, log, makers))

        yield make
    assert not in_flight(tmp_path / "data")
    assert not faults(log)


@pytest.fixture
async def house(make_house: MakeHouse, limits: UploadLimits) -> House:
    return await make_house(limits)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(
    tmp_path_factory: pytest.TempPathFactory, imports: Path, makers: Mapping[str, Maker], limits: UploadLimits
) -> AsyncIterator[House]:
    data_dir = tmp_path_factory.mktemp("shared") / "data"
    async with open_house(data_dir, imports, limits, [], makers) as house:
        yield house
    assert not in_flight(data_dir)


@pytest.fixture
def shared_house(module_house: House, log: list[Any]) -> Iterator[House]:
    """One server for a whole table of requests; its tests run on the loop of the module."""
    yield replace(module_house, log=log)
    assert not faults(log)


def in_flight(data_dir: Path) -> list[str]:
    return [path.name for path in (data_dir / "incoming").iterdir() if not path.name.startswith(".")]


def faults(log: list[Any]) -> list[Any]:
    return [line for line in log if line["log_level"] in ("error", "critical")]
