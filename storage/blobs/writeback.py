"""Asks the kernel to start writing a part of a file now, so that the fsync at its end finds little left to do."""

import ctypes
import sys
from collections.abc import Callable

_START = 2  # SYNC_FILE_RANGE_WRITE: start, do not wait

Starter = Callable[[int, int, int], None]


def _nothing(fd: int, offset: int, length: int) -> None:
    """Does nothing, on a system without early write-back: fsync does all the work."""


def _find() -> Starter:
    if not sys.platform.startswith("linux"):
        return _nothing
    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if call is None:
        return _nothing
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def start(fd: int, offset: int, length: int) -> None:
        call(fd, offset, length, _START)  # a refusal costs speed, never safety: fsync follows

    return start


start_writeback: Starter = _find()
