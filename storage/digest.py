"""SHA-256 as 64 lower-case hex digits: the one form of a digest everywhere (the dialects require it)."""

import hashlib
import re
from typing import NewType

Digest = NewType("Digest", str)

_FORM = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


def digest_of(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())
