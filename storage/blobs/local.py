"""Blobs as files of one folder tree on the local disk.

    blobs/sha256/ab/cd/<digest>   whole, durable; read-only (0400) once it is settled, 0600 before
    incoming/                     bodies in flight

A published blob that was never settled may belong to an upload whose promise was never made: the file in `incoming/`
that carries its digest says so, to this process and to any other that sweeps after a crash.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from io import BufferedReader
from pathlib import Path

from storage.blobs.base import Referenced, Stored, go_on
from storage.blobs.incoming import Incoming, digest_in
from storage.blobs.writeback import start_writeback
from storage.digest import Digest, is_digest
from storage.errors import BlobDamaged, BlobMissing, StorageFull
from storage.private import private_folder
from storage.translating import told

WRITEBACK_EVERY = 16 * 1024 * 1024
LOOK_AT_SPACE_EVERY = 64 * 1024 * 1024
MOST_PIECES = 1024  # the limit of one writev
VERIFY_STEP = 4 * 1024 * 1024
SETTLED = 0o400

log = logging.getLogger(__name__)


class LocalBlobs:
    """A BlobStore; any number of them, in any number of processes, may share one data folder."""

    def __init__(self, data_dir: str | os.PathLike[str], min_free_bytes: int = 0) -> None:
        self._root = Path(data_dir) / "blobs" / "sha256"
        private_folder(self._root)
        self._min_free = min_free_bytes
        self._durable_folders = bytearray(1 << 16)  # one flag for each folder ab/cd; set once its name is durable
        self._durable_parents: set[str] = set()
        self.incoming = Incoming(Path(data_dir) / "incoming")

    def writer(self) -> "LocalWriter":
        self.check_space()
        with self.telling():
            return LocalWriter(self)

    def place(self, digest: str) -> Path:
        """Returns the path of a blob, whether it exists or not."""
        if not is_digest(digest):
            raise BlobMissing(digest)
        return self._root / digest[:2] / digest[2:4] / digest

    def path(self, digest: str) -> Path:
        place = self.place(digest)
        if not place.is_file():
            raise BlobMissing(digest)
        return place

    def open(self, digest: str) -> BufferedReader:
        try:
            with self.telling():
                return self.place(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def has(self, digest: str) -> bool:
        return is_digest(digest) and self.place(digest).is_file()

    def size(self, digest: str) -> int:
        try:
            return self.place(digest).stat().st_size
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def verify(self, digest: str, between: Callable[[], None] = go_on) -> None:
        with self.open(digest) as file, self.telling():
            found = _digest_of(file, between)
        if found != digest:
            raise BlobDamaged(digest, found)

    def digests(self) -> Iterator[Digest]:
        for name in (file.name for file in self._root.glob("??/??/*")):
            if is_digest(name):
                yield Digest(name)

    def remove(self, digest: str) -> None:
        if not is_digest(digest):
            return
        with self.incoming.alone():
            if not any(map(self.incoming.is_alive, self.incoming.names_of(digest))):
                self.place(digest).unlink(missing_ok=True)

    def sweep(self, referenced: Referenced) -> int:
        return sum(self._sweep(name, referenced) for name in self.incoming.names())

    def in_flight(self) -> int:
        return self.incoming.count_alive()

    def _sweep(self, name: str, referenced: Referenced) -> bool:
        digest = digest_in(name)
        with self.incoming.alone():
            same = self.incoming.names_of(digest) if digest else [name]
            if any(map(self.incoming.is_alive, same)):
                return False  # its writer lives, or another writer relies on the same blob: leave it to a later sweep
            if digest:
                self._judge(digest, referenced(digest))
            return self.incoming.remove(name)

    def _judge(self, digest: Digest, is_referenced: bool) -> None:
        place = self.place(digest)
        with suppress(FileNotFoundError):
            if is_referenced:
                os.chmod(place, SETTLED)
            else:
                os.unlink(place)

    def check_space(self) -> None:
        disk = os.statvfs(self._root)
        free = disk.f_bavail * disk.f_frsize
        if free < self._min_free:
            raise StorageFull(free, self._min_free)

    def telling(self) -> AbstractContextManager[None]:
        """Translates errors of the system into StorageFull and StorageBusy."""
        return told(self._root)

    def make_folder(self, digest: Digest) -> None:
        """Makes the blob's folder and its name durable, also if another process created it."""
        number = int(digest[:4], 16)
        if self._durable_folders[number]:
            return
        folder = self.place(digest).parent
        private_folder(folder)
        sync(folder.parent)
        if folder.parent.name not in self._durable_parents:
            sync(self._root)
            self._durable_parents.add(folder.parent.name)
        self._durable_folders[number] = 1


class LocalWriter:
    """A BlobWriter over one file in `incoming/`."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs
        self._file = blobs.incoming.create()
        self._hash = hashlib.sha256()
        self._size = 0
        self._written_back = 0
        self._stored: Stored | None = None
        self._published = False
        self._made_blob = False
        self._ended = False

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        size = sum(map(len, pieces))
        with self._blobs.telling():
            self._append(pieces, size)
        for piece in pieces:
            self._hash.update(piece)
        before, self._size = self._size, self._size + size
        if self._size - self._written_back >= WRITEBACK_EVERY:
            start_writeback(self._file.fd, self._written_back, self._size - self._written_back)
            self._written_back = self._size
        if before // LOOK_AT_SPACE_EVERY != self._size // LOOK_AT_SPACE_EVERY:
            self._blobs.check_space()

    def seal(self) -> Stored:
        if self._stored is None:
            self._stored = Stored(Digest(self._hash.hexdigest()), self._size)
        return self._stored

    def publish(self) -> Stored:
        stored = self.seal()
        if not self._published:
            with self._blobs.telling():
                self._publish(stored)
            self._published = True
        return stored

    def settle(self) -> None:
        if self._ended:
            return
        os.chmod(self._blobs.place(self.seal().digest), SETTLED)  # before the name goes: a crash in between leaves both
        self._end()

    def discard(self) -> None:
        if self._ended:
            return
        try:
            if self._made_blob:
                self._take_back(self.seal().digest)
        except OSError as error:  # for example, no descriptor is left
            self._ended = True
            self._file.leave()  # the name of this file tells the next sweep about the blob
            log.warning("%s is left to the next sweep: %s", self._file.path.name, error)
        else:
            self._end()

    def _publish(self, stored: Stored) -> None:
        place = self._blobs.place(stored.digest)
        self._file.carry(stored.digest)  # first: from now on no sweep removes a blob of this digest
        os.fsync(self._file.fd)
        self._blobs.make_folder(stored.digest)
        self._made_blob = self._link(place)
        sync(place.parent)

    def _link(self, place: Path) -> bool:
        """Gives the blob its name; returns whether it is new."""
        try:
            os.link(self._file.path, place)
        except FileExistsError:
            self._replace(place)
            return False
        return True

    def _replace(self, place: Path) -> None:
        """Replaces the blob: the new bytes have just been hashed, the old ones may be damaged or not yet durable."""
        spare = self._file.path.with_name(f"{self._file.path.name}.spare")
        os.link(self._file.path, spare)
        os.rename(spare, place)

    def _take_back(self, digest: Digest) -> None:
        place, incoming = self._blobs.place(digest), self._blobs.incoming
        with incoming.alone(), suppress(FileNotFoundError):
            settled = not place.stat().st_mode & stat.S_IWUSR
            if not settled and incoming.names_of(digest) == [self._file.path.name]:
                place.unlink()

    def _append(self, pieces: Sequence[bytes | bytearray | memoryview], size: int) -> None:
        done = os.writev(self._file.fd, pieces) if len(pieces) <= MOST_PIECES else 0
        if done == size:
            return
        rest = memoryview(b"".join(pieces))
        while done < size:  # a signal or a nearly full disk may cut a write short
            done += os.write(self._file.fd, rest[done:])

    def _end(self) -> None:
        self._ended = True
        self._file.drop()


def sync(path: Path) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _digest_of(file: BufferedReader, between: Callable[[], None]) -> str:
    found = hashlib.sha256()
    buffer = memoryview(bytearray(VERIFY_STEP))
    while size := file.readinto(buffer):
        found.update(buffer[:size])
        if size == VERIFY_STEP:
            between()
    return found.hexdigest()
