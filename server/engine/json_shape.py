"""Limits on small JSON bodies: the number of levels and of values. The check comes before the parser."""

from server.engine.errors import UploadMalformed

MOST_LEVELS = 100
MOST_VALUES = 200_000
MOST_WRITTEN = 500_000  # values of a control file, a model or a process
LARGE = 64 * 1024  # bytes; a larger body is checked in a thread

_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALIKE = bytes.maketrans(b"{}", b"[]")


def check_shape(body: bytes) -> None:
    """Raises UploadMalformed for too many values or levels. A body that is not JSON is left to the parser."""
    if has_more_values(body, MOST_VALUES):
        raise UploadMalformed(f"the JSON has more than {MOST_VALUES} values; send it in parts")
    if body.count(b"[") + body.count(b"{") > MOST_LEVELS and _is_deep(_without_texts(body)):
        raise UploadMalformed(f"the JSON is nested deeper than {MOST_LEVELS} levels")


def has_more_values(body: bytes, most: int) -> bool:
    """Whether the JSON has more values than `most`.

    A value of three bytes takes 72 once it is parsed, and the parser blocks the event loop.
    """
    return body.count(b",") >= most and _without_texts(body).count(b",") >= most


def _without_texts(body: bytes) -> bytes:
    """Removes all texts. It uses methods of `bytes`, so no pattern runs over clients' bytes."""
    return b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _is_deep(bare: bytes) -> bool:
    """Removes the innermost level MOST_LEVELS times; if a bracket pair is left, the JSON is nested deeper."""
    left = bare.translate(_ALIKE, _OTHERS)
    for _ in range(MOST_LEVELS):
        left = left.replace(b"[]", b"")
        if b"[]" not in left:
            return False
    return True
