"""Where bytes live. A blob is named by the SHA-256 of its bytes and never changes.

Everything here is synchronous and does disk work: call it from a worker thread, few and large.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from storage.digest import Digest


def go_on() -> None:
    """Does nothing: for callers that need no pause in a long reading."""


class Stored(NamedTuple):
    digest: Digest
    size: int  # bytes


class BlobWriter(Protocol):
    """One body on its way in. Ends in exactly one of `settle` or `discard`.

    * `write` appends pieces in order and hashes them; few large pieces are best. Raises StorageFull when free space
      falls below the floor.
    * `seal` ends the body: digest and size are known, nothing is visible yet.
    * `publish` (after `seal`) makes the blob durable and visible: fsync, name, fsync of the folder, read-only. The same
      bytes published twice are kept once. Until `settle`, a crash makes the next `sweep` remove a blob that nothing
      refers to.
    * `settle` says that a reference to the blob is now durable: the blob stays for good.
    * `discard` drops the body, and the blob if this writer made it and no other writer has published or settled the
      same bytes. Safe in any state, twice; does nothing after `settle`.
    """

    def write(self, *pieces: bytes | bytearray | memoryview) -> None: ...

    def seal(self) -> Stored: ...

    def publish(self) -> Stored: ...

    def settle(self) -> None: ...

    def discard(self) -> None: ...


class BlobStore(Protocol):
    """Content-addressed files.

    * `writer` starts a body; raises StorageFull below the free-space floor.
    * `path` is the file of a blob for reading; raises BlobMissing.
    * `open` opens it for reading; raises BlobMissing.
    * `has` and `size` answer without reading the bytes; `size` raises BlobMissing.
    * `verify` reads the bytes and raises BlobDamaged when their digest differs, BlobMissing when there are none; it
      calls `between` every few megabytes, which may raise to end it.
    * `digests` yields every blob there is, in no order.
    * `remove` deletes a blob, unless a living writer has published the same bytes; nothing happens when there is none.
    * `sweep` removes what dead processes left in flight: bodies never published, and published blobs that were never
      settled and for which `referenced(digest)` is false. Bodies of living processes stay, other processes' too.
      Returns how many bodies it removed.
    * `in_flight` counts bodies being written now, by any process.
    """

    def writer(self) -> BlobWriter: ...

    def path(self, digest: str) -> Path: ...

    def open(self, digest: str) -> BinaryIO: ...

    def has(self, digest: str) -> bool: ...

    def size(self, digest: str) -> int: ...

    def verify(self, digest: str, between: Callable[[], None] = go_on) -> None: ...

    def digests(self) -> Iterator[Digest]: ...

    def remove(self, digest: str) -> None: ...

    def sweep(self, referenced: "Referenced") -> int: ...

    def in_flight(self) -> int: ...


class Referenced(Protocol):
    def __call__(self, digest: str) -> bool: ...
