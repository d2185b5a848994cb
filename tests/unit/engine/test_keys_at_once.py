"""A burst of calls with one key asks the catalog for it once."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.engine.access.keys import Keys
from server.engine.clock import utc_now
from storage.opening import open_catalog


async def test_of_many_who_ask_at_once_one_reads(tmp_path: Path) -> None:
    catalog = await asyncio.to_thread(open_catalog, tmp_path)
    keys = Keys(catalog, utc_now)
    key, secret = await keys.create("client", ["native"])
    reads, read = [], catalog.read

    async def counted(query: Callable[..., Any], *args: Any) -> Any:
        reads.append(query)
        return await read(query, *args)

    catalog.read = counted  # type: ignore[assignment, method-assign]
    found = await asyncio.gather(*(keys.authorize(secret, "native") for _ in range(64)))
    assert {one.id for one in found} == {key.id}
    assert len(reads) == 1
    await keys.close()
    await catalog.close()
