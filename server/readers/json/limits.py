"""What JSON may hold here: integers of 64 bit, and no more levels than can be written again. The parser takes more."""

import json
import re
from collections import Counter
from collections.abc import Sequence

import orjson

from server.readers.base import shorten

MAX_DEPTH = 254  # of orjson.dumps
SHALLOW = 2 * MAX_DEPTH  # bytes: nothing so short opens and closes more levels
_LOOKED_INTO = 4 << 20  # bytes of a document in which a name is searched for
DEEP = f"it is nested deeper than {MAX_DEPTH} levels"

_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG = b"0" * 19  # the shortest integer that may not fit has 19 digits
_NUMBERS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|-?\d[\d.eE+\-]*', re.DOTALL)  # texts too, so as not to look inside


def suspect_numbers(data: bytes) -> bool:
    """Whether there may be an integer over 64 bit in it (a long text of digits looks the same)."""
    return _LONG in data.translate(_DIGITS)


def suspect_depth(data: bytes) -> bool:
    return data.count(b"{") + data.count(b"[") > MAX_DEPTH


def suspect_lines(run: bytes, lines: Sequence[bytes]) -> bool:
    """Whether a line of the run may hold what is refused."""
    if suspect_numbers(run):
        return True
    return suspect_depth(run) and any(suspect_depth(line) for line in lines if len(line) > SHALLOW)


def too_deep(value: object) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def fault(document: bytes, value: object) -> str | None:
    """Why a document that the parser took is refused all the same, or None."""
    if suspect_depth(document) and too_deep(value):
        return DEEP
    if suspect_numbers(document):
        return next(filter(None, map(_number_fault, _NUMBERS.finditer(document))), None)
    return None


def _number_fault(match: re.Match[bytes]) -> str | None:
    number = match[0]
    digits = number.lstrip(b"-")
    if len(digits) < 19 or not digits.isdigit():
        return None
    if len(digits) <= 20 and -(1 << 63) <= int(number) < 1 << 64:
        return None
    return f"the integer {number[:40].decode()}{'…' if len(number) > 40 else ''} does not fit into 64 bits"


def repeats_names(document: bytes, value: object) -> bool:
    """Whether an object in it may have a name twice: what was parsed has fewer quotes then than what was read."""
    try:
        return _quotes(document) > orjson.dumps(value).count(b'"')
    except orjson.JSONEncodeError:
        return False  # too deep, which is refused elsewhere


def _quotes(document: bytes) -> int:
    """Those that are written as codes, too."""
    return document.count(b'"') + document.count(b"\\u0022")


def on_repeated_name(document: bytes, value: object) -> str | None:
    """What is said of a document in which an object has a name twice; None where none has."""
    if not repeats_names(document, value):
        return None
    name = _repeated_name(document) if len(document) <= _LOOKED_INTO else None
    if name is None and b"\\\\u0022" in document:
        return None
    called = "a name" if name is None else f"the name {shorten(name)}"
    return f"an object has {called} more than once; only the last value is read"


def _repeated_name(document: bytes) -> str | None:
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        times = Counter(name for name, _ in pairs)
        found.extend(name for name, count in times.items() if count > 1)

    try:
        json.loads(document, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None
