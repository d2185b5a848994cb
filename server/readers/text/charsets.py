"""Names of character sets, Java's included, as Python codecs."""

import codecs
import re

# Java names that Python's own aliases do not cover, without case and punctuation.
_JAVA = {
    "windows31j": "cp932",
    "xwindows31j": "cp932",
    "xsjis": "shift_jis",
    "pck": "shift_jis",
    "xpck": "shift_jis",
    "ms874": "cp874",
    "xwindows874": "cp874",
    "windows874": "cp874",
    "ms949": "cp949",
    "xwindows949": "cp949",
    "ms950": "cp950",
    "xwindows950": "cp950",
    "ms936": "gbk",
    "xmswin936": "gbk",
    "xeuccn": "gb2312",
    "xjohab": "johab",
    "xeucjplinux": "euc_jp",
    "xutf16lebom": "utf-16",
    "xutf32lebom": "utf-32",
    "xutf32bebom": "utf-32",
    "unicodebig": "utf-16",
    "unicodelittle": "utf-16",
    "unicodebigunmarked": "utf-16-be",
    "unicodelittleunmarked": "utf-16-le",
    "xmaccentraleurope": "mac_latin2",
    "xmacroman": "mac_roman",
    "xmaccyrillic": "mac_cyrillic",
    "xmacgreek": "mac_greek",
    "xmacturkish": "mac_turkish",
    "xmaciceland": "mac_iceland",
    "xmaccroatian": "mac_croatian",
    "xmacromania": "mac_romanian",
    "utf8": "utf-8",
    "utf8sig": "utf-8",  # a mark is dropped anyway
}
_STATEFUL = ("utf-7", "utf-16", "utf-32", "hz", "iso2022")
_NOT_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem")
_ASCII = bytes(range(128))
# the longer marks first: that of UTF-32 begins like the one of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 64
_UNMARKED_UTF32 = re.compile(rb"[^\0]\0\0\0|\0\0\0[^\0]")


def marked_codec(head: bytes) -> str | None:
    """What the byte order mark at the beginning of a file says that it is in."""
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), None)


def wide_charset(head: bytes) -> str | None:
    """UTF-16 or UTF-32, marked or not, as people call it; None for what may be UTF-8."""
    marked = marked_codec(head)
    if marked is not None:
        return None if marked == "utf-8" else marked.upper()
    return "UTF-32" if _UNMARKED_UTF32.match(head) else unmarked_utf16(head)


def unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark, where the beginning is plain ASCII: each other byte is zero then."""
    even, odd = head[:_LOOKED_AT:2], head[1:_LOOKED_AT:2]
    if len(odd) < 2 or marked_codec(head):
        return None
    even = even[: len(odd)]
    if not odd.strip(b"\0") and 0 not in even:
        return "UTF-16LE"
    return "UTF-16BE" if not even.strip(b"\0") and 0 not in odd else None


def python_codec(name: str) -> str | None:
    """The codec for a charset's name, or None where there is none."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _lookup(_JAVA.get(plain, name)) or _lookup(re.sub(r"^(?:x-?)?(?:ibm|cp)-?0*(?=\d)", "cp", name.lower()))


def _lookup(name: str) -> str | None:
    try:
        codec = codecs.lookup(name)
        "a".encode(name)  # refuses codecs that are not text: base64, rot13
    except (LookupError, ValueError, UnicodeError):
        return None
    return None if codec.name.replace("_", "-") in _NOT_CHARSETS else codec.name


def is_linewise(codec: str) -> bool:
    """Whether a file may be cut at the byte LF and each piece decoded on its own."""
    if codec.replace("_", "-").startswith(_STATEFUL):
        return False
    return _ASCII.decode(codec, "replace") == _ASCII.decode("ascii")
