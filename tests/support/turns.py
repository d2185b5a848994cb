"""Holds an import at the edges of its chunks, one at a time: what is to happen in its middle never comes too late."""

from pathlib import Path

from storage.locking import FileLock


class Turns:
    """Has the turn to write records, as long as the `with` lasts; `give` lets others write one transaction.

    Who waits for the lock gets it next, so an import that is at work commits one chunk at each `give`, and no more.
    """

    def __init__(self, data_dir: Path) -> None:
        self._lock = FileLock(data_dir / "records.db.lock")

    def __enter__(self) -> "Turns":
        self._lock.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(None, None, None)
        self._lock.close()

    def give(self) -> None:
        self._lock.__exit__(None, None, None)
        self._lock.__enter__()
