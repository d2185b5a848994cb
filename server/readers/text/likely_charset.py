"""What a file of text seems to be in. What is valid UTF-8 is UTF-8; a guess is made only where it is sure enough."""

import codecs
import re

import charset_normalizer

from server.readers.text.charsets import marked_codec

HEAD = 64 << 10  # as much of the file as a guess needs
_SAMPLE = 16 << 10
_HIGH = re.compile(rb"[\x80-\xff]+")
# what no Western text in windows-1252 has; where it has letters beyond ASCII, they stand alone or in pairs
_NOT_WESTERN = re.compile(rb"[\x81\x83\x86-\x90\x98-\x9b\x9d-\x9f\xa4-\xa6\xac\xad\xaf\xd7\xf7]")
_ENOUGH = 64  # bytes beyond ASCII that a guess needs


def charset_of(head: bytes) -> str | None:
    """By the mark, or by the bytes; None where nothing fits."""
    marked = marked_codec(head)
    if marked is not None:
        return marked
    try:
        decoded(head, "utf-8", strict=True)
    except UnicodeDecodeError:
        return _unknown(head)
    return "utf-8"


def likely_charset(data: bytes) -> str | None:
    """What bytes that are not valid UTF-8 seem to be in; None where they are, or where nothing fits."""
    charset = charset_of(data)
    return None if charset == "utf-8" else charset


def decoded(head: bytes, charset: str, *, strict: bool = False) -> str:
    """The last character may be cut."""
    decoder = codecs.getincrementaldecoder(charset)("strict" if strict else "replace")
    return decoder.decode(head).removeprefix("\ufeff")


def _unknown(head: bytes) -> str | None:
    high = _HIGH.findall(head)
    if high and not _NOT_WESTERN.search(head) and max(map(len, high)) < 3:
        return "windows-1252"
    if sum(map(len, high)) < _ENOUGH:
        return None
    first = _HIGH.search(head)
    sample = head[first.start() :][:_SAMPLE] if first else head
    best = charset_normalizer.from_bytes(sample).best()
    if best is None:
        return None
    return "windows-1252" if decoded(sample, "cp1252") == decoded(sample, best.encoding) else best.encoding
