"""Folders and files that only the user of the server can read, with any umask and in any folder."""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
_OTHERS = 0o077
_FOLDERS = ("blobs", "incoming", "locks")
_DATABASES = ("catalog.db", "records.db")
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock", ".lock.turn")

log = logging.getLogger(__name__)


def make_private(data_dir: Path) -> None:
    """Makes the data directory, and removes the permissions of other users from existing files."""
    private_folder(data_dir)
    for name in _FOLDERS:
        private_folder(data_dir / name)
    for name in _DATABASES:
        _private_file(data_dir / name)
        for suffix in _BESIDE:
            _close(data_dir / f"{name}{suffix}", FILE)


def private_folder(path: Path) -> None:
    """Makes the folder and its missing parents; removes the permissions of other users from an existing one."""
    if not path.is_dir():
        missing = [path, *(parent for parent in path.parents if not parent.exists())]
        for folder in reversed(missing):
            folder.mkdir(mode=FOLDER, exist_ok=True)
    _close(path, FOLDER)


def _private_file(path: Path) -> None:
    """Makes the database file private; SQLite gives its other files the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE))


def _close(path: Path, mode: int) -> None:
    with suppress(FileNotFoundError):
        found = stat.S_IMODE(path.stat().st_mode)
        if not found & _OTHERS:
            return
        try:
            path.chmod(found & mode)
        except PermissionError:
            log.warning("%s can be read by others, and belongs to another user: close it to them", path)
        else:
            log.warning("%s could be read by others and is closed to them now", path)
