"""Translates errors of SQLite and of the system into storage errors.

Code that opens a database or a file, begins, commits or reads does so under `told`. An error stays as it is unless its
cause is the disk, a lock or a lack of descriptors.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.errors import DatabaseBusy, DatabaseFailed, NoDescriptors, StorageFull

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_FAILING = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_A_PAGE = 64 * 1024  # with less free space than this, an I/O error counts as a full disk


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Translates the errors of a block; `path` is the database or the folder in use."""
    try:
        yield
    except Exception as error:
        translated = translate(path, error)
        if translated is error:
            raise
        raise translated from error


def translate(path: Path, error: BaseException) -> BaseException:
    """Returns a storage error with `error` as its cause, or `error` itself."""
    translated = _translated(path, error)
    if translated is None:
        return error
    translated.__cause__ = error
    return translated


def _translated(path: Path, error: BaseException) -> Exception | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, PoolTimeout):
        return DatabaseBusy(str(path), "all its readers are at work")
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(path, cause)
    if isinstance(cause, OSError):
        return _of_system(path, cause)
    return None


def _of_sqlite(path: Path, error: sqlite3.Error) -> Exception | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in _BUSY:
        return DatabaseBusy(str(path), str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free(path) < _A_PAGE):
        return StorageFull(_free(path), 0)
    if code == sqlite3.SQLITE_CANTOPEN and _out_of_descriptors():
        return NoDescriptors()
    return DatabaseFailed(str(path), str(error)) if code in _FAILING else None


def _of_system(path: Path, error: OSError) -> Exception | None:
    if error.errno in _NO_SPACE:
        return StorageFull(_free(path), 0)
    return NoDescriptors() if error.errno in _NO_DESCRIPTORS else None


def _free(path: Path) -> int:
    """Returns the free bytes, or a sufficient number where they are unknown."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free
    return _A_PAGE


def _out_of_descriptors() -> bool:
    """Whether no file can be opened, found by trying: SQLite says only that it cannot open its own."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in _NO_DESCRIPTORS
    return False
