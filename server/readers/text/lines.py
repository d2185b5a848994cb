"""Lines of a file in large steps, never more than a line's cap in memory."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Generic, TypeVar

from server.readers.base import FileBroken

STEP = 256 << 10
LINE_CAP = 16 << 20

Line = TypeVar("Line")  # bytes or str


class LongLine:
    """A line over the cap: its beginning and its length in bytes, its newline included."""

    __slots__ = ("head", "length")

    def __init__(self, head: bytes, length: int) -> None:
        self.head = head
        self.length = length


def whole_lines(
    file: BinaryIO, *, cr: bool = False, step: int = STEP, cap: int = LINE_CAP
) -> Iterator[bytes | LongLine]:
    """Runs of complete lines with their newlines (the last may lack one). With `cr`, a lone CR may end a run too."""
    rest = b""
    while chunk := file.read(step):
        data = rest + chunk if rest else chunk
        cut = data.rfind(b"\n") + 1 or (cr and _last_cr(data))
        if cut:
            yield data[:cut]
            rest = data[cut:]
        elif len(data) > cap:
            long, rest = _pass_long_line(file, data, step)
            yield long
        else:
            rest = data
    if rest:
        yield rest


def _last_cr(data: bytes) -> int:
    """The index after the last CR, or 0. A CR at the very end may be half of a CRLF."""
    return data.rfind(b"\r", 0, len(data) - 1) + 1


def _pass_long_line(file: BinaryIO, data: bytes, step: int) -> tuple[LongLine, bytes]:
    head, length = data[:400], len(data)
    while chunk := file.read(step):
        end = chunk.find(b"\n") + 1
        if end:
            return LongLine(head, length + end), chunk[end:]
        length += len(chunk)
    return LongLine(head, length), b""


class LineBatch(Generic[Line]):
    """Lines that follow each other, and whether any of them needs the slow path."""

    __slots__ = ("lines", "needs_slow_path")

    def __init__(self, lines: Sequence[Line | LongLine], needs_slow_path: bool) -> None:
        self.lines = lines
        self.needs_slow_path = needs_slow_path


class LineFeed(Generic[Line]):
    """Hands out as many lines as are asked for, whichever batches they came in."""

    def __init__(self, batches: Iterator[LineBatch[Line]]) -> None:
        self._batches = batches
        self._fault: FileBroken | None = None  # of what comes after the lines at hand
        self._lines: Sequence[Line | LongLine] = []
        self._next = 0
        self._slow = 0  # the lines at hand before this one need the slow path

    def take(self, count: int) -> LineBatch[Line]:
        """The next `count` lines, fewer only at the end. Raises FileBroken once all lines before the fault are out."""
        while len(self._lines) - self._next < count and (batch := self._next_batch()) is not None:
            self._add(batch)
        taken, needs_slow_path = self._lines[self._next : self._next + count], self._next < self._slow
        self._next += len(taken)
        if not taken and self._fault is not None:
            raise self._fault
        return LineBatch(taken, needs_slow_path)

    def put_back(self, batch: LineBatch[Line]) -> None:
        """Takes lines back that are to be read once more, before those at hand."""
        left, slow = self._left()
        self._lines = [*batch.lines, *left]
        self._slow = len(batch.lines) + slow if batch.needs_slow_path or slow else 0

    def _next_batch(self) -> LineBatch[Line] | None:
        if self._fault is not None:
            return None
        try:
            return next(self._batches, None)
        except FileBroken as error:
            self._fault = error
            return None

    def _add(self, batch: LineBatch[Line]) -> None:
        left, slow = self._left()
        self._lines = [*left, *batch.lines] if left else batch.lines
        self._slow = len(self._lines) if batch.needs_slow_path else slow

    def _left(self) -> tuple[Sequence[Line | LongLine], int]:
        """The lines at hand that were not taken, and how many of them need the slow path; counts begin with them."""
        left, slow = self._lines[self._next :], max(self._slow - self._next, 0)
        self._next = 0
        return left, slow
