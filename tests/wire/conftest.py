"""The whole application on a real socket over a real data directory."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from replay import House, MakeHouse, Maker, open_house

from server.engine.receiving import UploadLimits


@pytest.fixture
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
    assert not [path for path in (tmp_path / "data" / "incoming").iterdir() if not path.name.startswith(".")]
    assert not [line for line in log if line["log_level"] in ("error", "critical")]


@pytest.fixture
async def house(make_house: MakeHouse, limits: UploadLimits) -> House:
    return await make_house(limits)
