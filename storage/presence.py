"""Knows which processes live: each holds a lock on its own file, and the kernel drops it when the process dies."""

import fcntl
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from storage.private import private_folder

_SLOT = ":"  # before the name of a part of a process: "IDENTITY:SLOT"


class ProcessRegistry:
    """Registers this process among those that work on one data directory.

    * `identity` names this process; no other process ever has the same.
    * `owner` names a part of it, such as a slot of the dispatcher.
    * `is_dead` is true once the process of an identity or owner has ended, however it ended; its file is removed then.
    * `close` removes this process: from then on its identity is dead.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)
        self.identity = f"{os.getpid()}-{time.time_ns():x}-{secrets.token_hex(4)}"
        self._held: int | None = self._appear()

    def owner(self, part: str) -> str:
        return f"{self.identity}{_SLOT}{part}"

    def is_dead(self, owner: str) -> bool:
        identity = owner.partition(_SLOT)[0]
        if identity == self.identity:
            return self._held is None
        path = self._folder / identity
        try:
            found = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(found)

    def sweep(self) -> int:
        """Removes the files of dead processes, and returns their number."""
        return sum(self.is_dead(path.name) for path in self._folder.iterdir() if not path.name.startswith("."))

    def close(self) -> None:
        if self._held is not None:
            with suppress(FileNotFoundError):
                (self._folder / self.identity).unlink()
            os.close(self._held)
            self._held = None

    def _appear(self) -> int:
        # another process must not find the file before it is locked, and take this process for dead
        hidden = self._folder / f".{self.identity}"
        held = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        hidden.rename(self._folder / self.identity)
        return held
