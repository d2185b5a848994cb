"""How much of its files a run has read: for people who wait."""

from collections.abc import Sequence
from typing import BinaryIO

from server.readers.base import Block


class Extent:
    """`weights` of the files: bytes, or records for all of them. Nobody can tell where one of them is not known."""

    def __init__(self, weights: Sequence[int | None]) -> None:
        self._weights = [weight or 0 for weight in weights]
        self._total = 0 if None in weights else sum(self._weights)

    def fraction(self, index: int, block: Block, file: BinaryIO) -> float | None:
        """With everything before file `index`, and that file as far as this block."""
        if not self._total:
            return None
        weight = self._weights[index]
        # a reader without byte offsets has read ahead by some MiB at most
        read = weight * block.share if block.share is not None else block.end.offset or file.tell()
        return (sum(self._weights[:index]) + min(read, weight)) / self._total
