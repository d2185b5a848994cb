"""Checks bodies of JSON Lines line by line while they are stored. Runs in worker threads.

The whole body is refused if one line is not a JSON object. A byte order mark and blank lines are skipped.
"""

import orjson

from server.engine.errors import BodyEmpty, LineInvalid
from server.engine.json_shape import MOST_VALUES, has_more_values
from server.engine.uploads.flow import Sink
from server.engine.uploads.sinks import Kept
from server.readers.base import BadRecord, shorten
from server.readers.json import limits as json_limits
from server.readers.json.json_lines_reader import BOM, record_of
from server.readers.text.lines import LINE_CAP

_OTHER_FORMS = {
    b"\xff\xfe": "the body is in UTF-16; JSON Lines must be in UTF-8",
    b"\xfe\xff": "the body is in UTF-16; JSON Lines must be in UTF-8",
    b"\x1f\x8b": "the body is compressed; say so with the header Content-Encoding: gzip",
}


class LineChecks:
    """Counts the rows of a body that comes in pieces. It never holds more than one line and one piece."""

    def __init__(self) -> None:
        self.rows = 0
        self._lines = 0
        self._begun: list[bytes] = []  # a line whose end has not arrived
        self._size = 0

    def feed(self, data: bytes) -> None:
        cut = data.rfind(b"\n") + 1
        if cut:
            self._check(b"".join([*self._begun, data[:cut]]))
            self._begun, self._size = [], 0
        self._begun.append(data[cut:])
        self._size += len(data) - cut
        if self._size > LINE_CAP:
            raise LineInvalid(_too_long(self._lines + 1))

    def finish(self) -> int:
        self._check(b"".join(self._begun))
        if not self.rows:
            raise BodyEmpty("the body has no rows")
        return self.rows

    def _check(self, run: bytes) -> None:
        """Checks and counts whole lines."""
        if not self._lines:
            run = _without_mark(run)
        lines = run.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if _are_plain_objects(run, lines):
            self.rows += len(lines)
        else:
            for number, text in enumerate(lines, self._lines + 1):
                self.rows += _is_row(text, number)
        self._lines += len(lines)


class LineCheckedSink:
    """Passes a body on and checks its lines. `finish` returns the inner sink's result and the number of rows."""

    def __init__(self, inner: Sink[Kept]) -> None:
        self._inner = inner
        self._checks = LineChecks()

    def feed(self, pieces: list[bytes]) -> None:
        self._checks.feed(b"".join(pieces))
        self._inner.feed(pieces)

    def finish(self, pieces: list[bytes]) -> tuple[Kept, int]:
        self._checks.feed(b"".join(pieces))
        rows = self._checks.finish()
        return self._inner.finish(pieces), rows

    def discard(self) -> None:
        self._inner.discard()


def _without_mark(run: bytes) -> bytes:
    if run[:2] in _OTHER_FORMS:
        raise LineInvalid(f"line 1: {_OTHER_FORMS[run[:2]]}")
    return run.removeprefix(BOM)


def _are_plain_objects(run: bytes, lines: list[bytes]) -> bool:
    """Whether all lines are small, valid objects: a quick check. After False, each line is checked alone."""
    loads = orjson.loads
    if len(run) > LINE_CAP or json_limits.suspect_lines(run, lines) or _has_crowded_line(run, lines):
        return False
    try:
        return all(type(loads(text)) is dict for text in lines)
    except orjson.JSONDecodeError:
        return False


def _has_crowded_line(run: bytes, lines: list[bytes]) -> bool:
    if run.count(b",") < MOST_VALUES:
        return False
    return any(has_more_values(line, MOST_VALUES) for line in lines if len(line) > MOST_VALUES)


def _is_row(text: bytes, number: int) -> bool:
    """Whether the line is a row; False for a blank line. Raises LineInvalid for anything but an object."""
    if len(text) > LINE_CAP:
        raise LineInvalid(_too_long(number))
    if has_more_values(text, MOST_VALUES):
        raise LineInvalid(f"line {number}: more than {MOST_VALUES:,} values; send it as several rows")
    if not text.strip():
        return False
    record = record_of(text, number)
    if isinstance(record, BadRecord):
        raise LineInvalid(record.message)
    if not isinstance(record, dict):
        raise LineInvalid(f"line {number}: not a JSON object: {shorten(text)}")
    return True


def _too_long(number: int) -> str:
    return f"line {number}: longer than {LINE_CAP:,} bytes"
