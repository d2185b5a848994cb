"""From an error of SQLite or of the system to one of ours.

All code that opens a database or a file, begins, commits or reads does so under `told`. What is no fault of the disk, a
lock or descriptors stays as it is.
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
_A_PAGE = 64 * 1024  # less free space than this, and an error of the disk is one of room


@contextmanager
def told(path: Path) -> Iterator[None]:
    """`path` is the database or the folder that is worked on."""
    try:
        yield
    except Exception as error:
        translated = translate(path, error)
        if translated is error:
            raise
        raise translated from error


def translate(path: Path, error: BaseException) -> BaseException:
    """One of ours, caused by `error`; or `error` itself."""
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
    """Bytes; enough where the number is not known."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free
    return _A_PAGE


def _out_of_descriptors() -> bool:
    """SQLite says only that a file cannot be opened; whether any can is found out by trying."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in _NO_DESCRIPTORS
    return False
