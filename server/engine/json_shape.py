"""What a small JSON body may look like: so many levels and so many values. Looked at before anything parses it."""

from server.engine.errors import UploadMalformed

MOST_LEVELS = 100
MOST_VALUES = 200_000
MOST_WRITTEN = 500_000  # values of a control file, a model or a process
LARGE = 64 * 1024  # bytes; to look at more takes a thread

_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALIKE = bytes.maketrans(b"{}", b"[]")


def check_shape(body: bytes) -> None:
    """Raises UploadMalformed; what is no JSON at all is left to the parser."""
    if has_more_values(body, MOST_VALUES):
        raise UploadMalformed(f"the JSON has more than {MOST_VALUES} values; send it in parts")
    if body.count(b"[") + body.count(b"{") > MOST_LEVELS and _is_deep(_without_texts(body)):
        raise UploadMalformed(f"the JSON is nested deeper than {MOST_LEVELS} levels")


def has_more_values(body: bytes, most: int) -> bool:
    """A value of three bytes takes 72 once it is parsed, and the parser blocks the event loop while it works."""
    return body.count(b",") >= most and _without_texts(body).count(b",") >= most


def _without_texts(body: bytes) -> bytes:
    """In passes of the standard library: no pattern over clients' bytes."""
    return b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _is_deep(bare: bytes) -> bool:
    """Takes away the innermost level so many times: of what is nested deeper, something that fits together is left."""
    left = bare.translate(_ALIKE, _OTHERS)
    for _ in range(MOST_LEVELS):
        left = left.replace(b"[]", b"")
        if b"[]" not in left:
            return False
    return True
