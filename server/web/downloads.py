"""The header that names a download."""

import re
from urllib.parse import quote

_UNSAFE = re.compile(r"[^ !#-\[\]-~]|[%*/]")
_TURNING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def attachment(name: str) -> str:
    """Returns a Content-Disposition with the name in its own letters, and in ASCII for old programs (RFC 6266).

    Characters that change the direction of text are left out: they could make a program look like a workbook.
    """
    shown = _TURNING.sub("_", name) or "file"
    encoded = quote(shown, safe="", errors="replace")
    return f"attachment; filename=\"{_UNSAFE.sub('_', shown)}\"; filename*=UTF-8''{encoded}"
