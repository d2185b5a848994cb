"""The progress of a run: how much of its files it has read."""

from collections.abc import Sequence
from typing import BinaryIO

from server.readers.base import Block


class Progress:
    """Measures progress by the files' weights: all in bytes, or all in records. One unknown weight makes it unknown."""

    def __init__(self, weights: Sequence[int | None]) -> None:
        self._weights = [weight or 0 for weight in weights]
        self._total = 0 if None in weights else sum(self._weights)

    def fraction(self, index: int, block: Block, file: BinaryIO) -> float | None:
        """Returns the part of all files, 0 to 1, that has been read once this block of file `index` has been."""
        if not self._total:
            return None
        weight = self._weights[index]
        # a reader without byte offsets has read ahead by some MiB at most
        read = weight * block.share if block.share is not None else block.end.offset or file.tell()
        return (sum(self._weights[:index]) + min(read, weight)) / self._total
