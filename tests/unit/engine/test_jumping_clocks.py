"""The time of day is set ahead or back while a server runs: nothing is old, over or trusted because of that."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.engine.access.keys import REMEMBERED, Keys
from server.engine.access.sessions import Sessions
from server.engine.errors import KeyUnknown
from server.engine.uploads.unreferenced import UnreferencedBlobs
from server.engine.uploads.uploads import Uploads
from server.engine.vendors.folio.staged_uploads import StagedUploads
from storage.catalog.folio import staging
from storage.opening import Storage, open_storage, refers_to

JUMPS = [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1), -timedelta(days=365)]
BOTH_WAYS = pytest.mark.parametrize("jump", JUMPS, ids=str)


@dataclass
class Clocks:
    """The time of day, which may be set, and the steady clock beside it."""

    day: datetime = field(default_factory=lambda: datetime(2025, 3, 1, 9, 30, tzinfo=UTC))
    seconds: float = 100.0

    def now(self) -> datetime:
        return self.day

    def steady(self) -> float:
        return self.seconds

    def passes(self, time: timedelta) -> None:
        self.day += time
        self.seconds += time.total_seconds()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    storage = await asyncio.to_thread(open_storage, tmp_path / "data")
    yield storage
    await storage.close()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@BOTH_WAYS
async def test_a_key_revoked_elsewhere_is_trusted_no_longer_than_it_is_remembered(
    storage: Storage, clocks: Clocks, jump: timedelta
) -> None:
    keys, elsewhere = (Keys(storage.catalog, clocks.now, steady=clocks.steady) for _ in range(2))
    key, secret = await keys.create("client", ["native"])
    assert (await keys.authorize(secret, "native")).id == key.id
    clocks.day += jump
    assert (await keys.authorize(secret, "native")).id == key.id
    await elsewhere.revoke(key.id)
    clocks.passes(timedelta(seconds=REMEMBERED))
    with pytest.raises(KeyUnknown):
        await keys.authorize(secret, "native")
    await keys.close()


@BOTH_WAYS
async def test_parts_of_an_upload_underway_outlive_a_jump(storage: Storage, clocks: Clocks, jump: timedelta) -> None:
    uploads = Uploads(storage.blobs)
    unreferenced = UnreferencedBlobs(storage.catalog, storage.blobs, refers_to)
    staged = StagedUploads(storage.catalog, storage.blobs, uploads, unreferenced, clocks.now, clocks.steady)
    underway = await staged.begin("diku", "books.mrc")
    tag = await staged.put_part(underway.id, 1, await uploads.receive_octets(_bytes(b"one")))
    clocks.day += jump
    later = await staged.begin("diku", "others.mrc")
    async with await staged.assemble(underway, [tag]) as upload:
        assert upload.size == 3
    clocks.day -= jump
    clocks.passes(timedelta(days=7, seconds=1))
    await staged.begin("diku", "last.mrc")
    assert await _ids(storage, underway.id) == []
    assert await _ids(storage, later.id) == [later.id] * (jump > timedelta(0))
    await uploads.close()


@BOTH_WAYS
async def test_a_login_is_over_when_its_time_is_and_a_new_one_works_at_once(
    storage: Storage, clocks: Clocks, jump: timedelta
) -> None:
    """One that began while the clock was far ahead does not last until then."""
    key, _ = await Keys(storage.catalog, clocks.now).create("client", ["folio"])
    sessions = Sessions(storage.catalog, clocks.now, 600, 3000)
    clocks.day += jump
    ahead = await sessions.begin(key, "ada", "diku")
    assert (await sessions.key(ahead.access.text, "folio", "diku")).id == key.id
    clocks.day -= jump
    for token in (ahead.access, ahead.refresh):
        with pytest.raises(KeyUnknown):
            await sessions.key(token.text, "folio", "diku", "access" if token is ahead.access else "refresh")
    again = await sessions.begin(key, "ada", "diku")
    clocks.day -= timedelta(seconds=599)
    assert (await sessions.key(again.access.text, "folio", "diku")).id == key.id, "set back a little"


async def _ids(storage: Storage, *ids: str) -> list[str]:
    found = [await storage.catalog.read(staging.get, id) for id in ids]
    return [one.id for one in found if one is not None]


def _bytes(content: bytes) -> Any:
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    return read
