"""Locks that hold between threads and between processes, on files."""

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType


class FileLock:
    """One holder at a time, over every thread and process that names the same path. Blocking and not re-entrant.

    Waiters queue at a turnstile (a second file), so that a holder which lets go and asks again at once cannot starve
    them. The kernel drops the lock when its holder dies. The files stay; they are empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.Lock()
        self._door = _open(path)
        self._turnstile = _open(path.with_name(path.name + ".turn"))

    def __enter__(self) -> "FileLock":
        self._threads.acquire()
        try:
            fcntl.flock(self._turnstile, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._door, fcntl.LOCK_EX)
            finally:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._door, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Gives the files back; the lock cannot be taken through this object any more."""
        with self._threads:
            for descriptor in (self._door, self._turnstile):
                if descriptor >= 0:
                    os.close(descriptor)
            self._door = self._turnstile = -1


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
