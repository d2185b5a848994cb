"""Receives files in parts. Each part has its own address, which is signed and expires."""

import asyncio
import hashlib
import hmac
import secrets as system
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.clock import Clock
from server.engine.errors import KeyUnknown, PartsWrong, StagedUploadNotFound
from server.engine.uploads.flow import STEP
from server.engine.uploads.unreferenced import UnreferencedBlobs
from server.engine.uploads.uploads import Upload, Uploads
from storage.blobs.base import BlobStore
from storage.catalog.base import Catalog
from storage.catalog.folio import staging as sql
from storage.catalog.folio.rows import StagedPart as StagedPart
from storage.catalog.folio.rows import StagedUpload as StagedUpload

MOST_PARTS = 10_000
_KEPT = timedelta(days=7)  # staged parts that no client has assembled by then are removed


class StagedUploads:
    def __init__(
        self,
        catalog: Catalog,
        blobs: BlobStore,
        uploads: Uploads,
        unreferenced: UnreferencedBlobs,
        clock: Clock,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._uploads = uploads
        self._unreferenced = unreferenced
        self._clock = clock
        self._steady = steady
        self._since = clock(), steady()

    async def begin(self, tenant: str, filename: str) -> StagedUpload:
        now = self._clock()
        path = f"data-import/{tenant}/{int(now.timestamp() * 1000)}-{filename}"
        new = StagedUpload(uuid4().hex, tenant, path, system.token_hex(32), now)
        await self._forget_old(self._surely() - _KEPT)
        await self._catalog.write(sql.add, new)
        return new

    async def get(self, tenant: str, id: str, path: str) -> StagedUpload:
        staged = await self._catalog.read(sql.get, id)
        if staged is None or (staged.tenant, staged.path) != (tenant, path):
            raise StagedUploadNotFound(id)
        return staged

    async def admitted(self, id: str, number: int, expires: int, signature: str) -> None:
        """Checks the address of a part; raises KeyUnknown for a wrong signature or an expired address."""
        staged = await self._catalog.read(sql.get, id)
        right = sign(staged, number, expires) if staged is not None else ""
        if (
            not right
            or not hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogatepass"))
            or expires < self._clock().timestamp()
        ):
            raise KeyUnknown

    async def put_part(self, id: str, number: int, upload: Upload) -> str:
        """Stores a part, replacing one with the same number, and returns its tag."""
        async with upload:
            await upload.publish()
            part = StagedPart(id, number, upload.digest, upload.size, self._clock())
            before = await self._catalog.write(_put, part)
            await upload.settle()
        await self._unreferenced.drop([before])
        return upload.digest

    async def assemble(self, staged: StagedUpload, tags: Sequence[str]) -> Upload:
        """Joins the parts to one file. The parts stay until `forget`."""
        parts = await self._catalog.read(sql.parts, staged.id)
        numbers = [part.number for part in parts]
        if not parts or numbers != list(range(1, len(parts) + 1)):
            raise PartsWrong(f"parts 1 to {max(numbers, default=1)} are needed; there are {numbers[:20]}")
        if [part.digest for part in parts] != [tag.strip('"') for tag in tags]:
            raise PartsWrong(f"the tags are not those of the {len(parts)} parts that came; send them in order")
        joined = _Joined(self._blobs, parts)
        try:
            return await self._uploads.receive_octets(joined)
        finally:
            await asyncio.to_thread(joined.close)

    async def forget(self, staged: StagedUpload) -> None:
        await self._unreferenced.drop(await self._catalog.write(sql.remove, staged.id))

    def until(self, seconds: int) -> int:
        """Returns the time, in seconds since 1970, at which an address made now expires."""
        return int(self._clock().timestamp()) + seconds

    def _surely(self) -> datetime:
        """Returns the time, limited by the steady clock: a clock that jumps ahead must not make parts old."""
        began, at = self._since
        return min(self._clock(), began + timedelta(seconds=self._steady() - at))

    async def _forget_old(self, moment: datetime) -> None:
        if old := await self._catalog.read(sql.begun_before, moment):
            await self._unreferenced.drop(await self._catalog.write(_remove_all, old))


class _Joined:
    """Yields the bytes of all parts, one part after another."""

    def __init__(self, blobs: BlobStore, parts: Sequence[StagedPart]) -> None:
        self._blobs = blobs
        self._digests = [part.digest for part in parts]
        self._file: BinaryIO | None = None

    async def __call__(self) -> bytes:
        return await asyncio.to_thread(self._next)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _next(self) -> bytes:
        while True:
            data = self._file.read(STEP) if self._file is not None else b""
            if data or not self._digests:
                return data
            self.close()
            self._file = self._blobs.open(self._digests.pop(0))


def sign(staged: StagedUpload, number: int, expires: int) -> str:
    """Returns the signature of a part's address that is valid until `expires`."""
    message = f"{staged.id}:{number}:{expires}".encode()
    return hmac.new(staged.secret.encode(), message, hashlib.sha256).hexdigest()


def _put(connection: Connection, part: StagedPart) -> str | None:
    if sql.get(connection, part.upload) is None:  # assembled or forgotten while this part arrived
        raise StagedUploadNotFound(part.upload)
    return sql.put_part(connection, part)


def _remove_all(connection: Connection, uploads: Sequence[str]) -> list[str]:
    return [digest for upload in uploads for digest in sql.remove(connection, upload)]
