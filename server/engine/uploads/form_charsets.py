"""Decodes texts in the charsets that a form may declare."""

import encodings.aliases

from server.engine.errors import UploadMalformed

KNOWN = (
    *("ascii", "utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "latin_1", "koi8_r", "koi8_u", "mac_roman"),
    *(f"iso8859_{number}" for number in (*range(2, 12), *range(13, 17))),
    *(f"cp{number}" for number in (437, 850, 852, 866, 874, 932, 949, *range(1250, 1259))),
    *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "euc_jp", "euc_kr", "iso2022_jp"),
)
"""Codecs of Python that read each text in time and memory that grow with its length only."""

_NAMES = {name.replace("_", ""): name for name in KNOWN} | {
    alias.replace("_", ""): name for alias, name in encodings.aliases.aliases.items() if name in KNOWN
}


def codec_of(charset: str) -> str | None:
    """Returns the codec for a charset's name, in upper or lower case; None for an unknown name."""
    return _NAMES.get("".join(letter for letter in charset[:40].lower() if letter.isascii() and letter.isalnum()))


def text_of(data: bytes, charset: str, what: str) -> str:
    """Decodes a text. `charset` is "" where none was declared; `what` names the text in a refusal."""
    codec = codec_of(charset or "utf-8")
    if codec is None:
        raise UploadMalformed(f"{what} declares the charset {charset[:40]!r}, which is not known; send UTF-8")
    try:
        return data.decode(codec)
    except UnicodeError:
        if charset:
            way_out = f"in the charset {charset[:40]!r} that was declared for it"
        else:
            way_out = "in UTF-8; declare its charset, or send UTF-8"
        raise UploadMalformed(f"{what} is not {way_out}: {data[:40]!r}") from None


def name_of(data: bytes, charset: str = "") -> str:
    """Decodes a name in a header: as UTF-8, else as declared, else as Western Windows clients send it."""
    for codec in ("utf-8", codec_of(charset) or "cp1252"):
        try:
            return data.decode(codec)
        except UnicodeError:
            continue
    return data.decode("latin-1")
