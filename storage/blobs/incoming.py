"""Bodies in flight: each has a locked file in `incoming/`, so that any process can see whether its writer lives.

The writer holds a lock on the file through its own descriptor, from the file's creation to its end. The kernel drops
the lock when the process dies. The file's name is random, and becomes `<digest>.<random>` before the body is published.
A lock on the whole folder keeps renames and sweeps apart, so that no sweep looks at a file whose name changes.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from storage.digest import Digest, is_digest
from storage.private import FILE, private_folder

LOCK_NAME = ".lock"


class Incoming:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        private_folder(folder)

    def create(self) -> "InFlight":
        """Creates an empty, locked file."""
        path = self.folder / secrets.token_hex(8)
        with self.shared():  # a sweep must not find the file before it is locked
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE)
            fcntl.flock(fd, fcntl.LOCK_EX)
        return InFlight(self, fd, path)

    def names(self) -> list[str]:
        return [name for name in os.listdir(self.folder) if name != LOCK_NAME]

    def names_of(self, digest: str) -> list[str]:
        return [name for name in self.names() if name.startswith(digest)]

    def count_alive(self) -> int:
        return sum(self.is_alive(name) for name in self.names())

    def is_alive(self, name: str) -> bool:
        """Whether some process is still writing or publishing this file."""
        try:
            fd = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def remove(self, name: str) -> bool:
        """Removes a file; returns whether it existed."""
        try:
            os.unlink(self.folder / name)
        except FileNotFoundError:
            return False
        return True

    def shared(self) -> AbstractContextManager[None]:
        """Holds the folder's lock for creating or renaming files; any number may hold it so at once."""
        return self._locked(fcntl.LOCK_SH)

    def alone(self) -> AbstractContextManager[None]:
        """Holds the folder's lock alone: no process creates or renames files meanwhile."""
        return self._locked(fcntl.LOCK_EX)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fd = os.open(self.folder / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)  # drops the lock


class InFlight:
    """One body's file, and the descriptor whose lock says that its writer lives."""

    def __init__(self, incoming: Incoming, fd: int, path: Path) -> None:
        self._incoming = incoming
        self.fd = fd
        self.path = path

    def carry(self, digest: Digest) -> None:
        """Puts the digest into the file's name, so that a sweep knows which blob this file may have become."""
        named = self._incoming.folder / f"{digest}.{self.path.name}"
        with self._incoming.shared():
            os.rename(self.path, named)
        self.path = named

    def drop(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        self.leave()

    def leave(self) -> None:
        """Leaves the file to the next sweep, as if this process had died."""
        os.close(self.fd)


def digest_in(name: str) -> Digest | None:
    """Returns the digest in the name of a file in flight, if it has one."""
    start = name.partition(".")[0]
    return Digest(start) if is_digest(start) else None
