"""Keeps memory warm: a guest machine gives idle free pages back to its host, and getting them again costs much.

`Holder.hold` takes and touches memory; `Holder.release` frees it right before a measurement, which then finds pages
that the host has already backed.
"""

import mmap
import time

POPULATE_WRITE = 23  # MADV_POPULATE_WRITE
PAGE = 4096


class Holder:
    def __init__(self, size: int) -> None:
        self._size = size
        self._held: mmap.mmap | None = None

    def hold(self) -> float:
        """The seconds that it took: below 0.3 s a GiB the pages were warm."""
        started = time.perf_counter()
        if self._held is None:
            self._held = mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        try:
            self._held.madvise(POPULATE_WRITE)
        except OSError:
            for offset in range(0, self._size, PAGE):
                self._held[offset] = 1
        return time.perf_counter() - started

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
