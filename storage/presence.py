"""Who is alive: each process holds a lock on a file of its own, and the kernel lets go of it when the process dies."""

import fcntl
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from storage.private import private_folder

_SLOT = ":"  # an owner may be a part of a process: "IDENTITY:SLOT"


class ProcessRegistry:
    """This process among those that work on one data directory.

    * `identity` names this process; no other process ever has the same.
    * `owner` names a part of it, such as a slot of the dispatcher.
    * `is_dead` is true once the process of an identity or owner has ended, however it ended; its file is removed then.
    * `close` says goodbye: from then on the identity is dead.
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
        """Removes what the dead left behind; how many there were."""
        return sum(self.is_dead(path.name) for path in self._folder.iterdir() if not path.name.startswith("."))

    def close(self) -> None:
        if self._held is not None:
            with suppress(FileNotFoundError):
                (self._folder / self.identity).unlink()
            os.close(self._held)
            self._held = None

    def _appear(self) -> int:
        hidden = (
            self._folder / f".{self.identity}"
        )  # locked before another process can find it and take this one for dead
        held = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        hidden.rename(self._folder / self.identity)
        return held
