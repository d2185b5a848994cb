"""Changes to the bytes of a good file or request, as real programs, networks and attackers make them."""

from collections.abc import Callable, Sequence
from random import Random

TOKENS = (
    b"\x00", b"\x1a", b"\x1d", b"\x1e", b"\x1f", b"\xff", b"\xef\xbb\xbf", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80",
    b"\r", b"\n", b"\r\n", b"\t", b" ", b'"', b'""', b"'", b",", b";", b"=", b"\\", b"\\u0000", b"\\ud800",
    b"[", b"]", b"{", b"}", b"[" * 300, b"{}", b"null", b"true", b"false", b"NaN", b"-0", b"1e999", b"9" * 400,
    b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&lol;", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml",
    b'<!DOCTYPE a [<!ENTITY b "c">]>', b"UNA:+.? '", b"UNB+UNOA:1", b"UNH+1+X'", b"UNT+2+1'", b"UNZ+9'", b"?'", b"?",
    b"%00", b"%", b"../", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"{v}", b"{0}", b"%s", b"$(", b"=1+1", b"<v/>", b"</c>",
    b't="e"', b't="s"', b"<f>1+1</f>", b"#N/A",
)  # fmt: skip


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(TOKENS) + data[at:]


def _replace(data: bytes, random: Random) -> bytes:
    at, length = random.randint(0, len(data)), random.randint(1, 4)
    return data[:at] + random.choice(TOKENS) + data[at + length :]


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _delete(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.choice((1, 1, 2, 5, 20, 200)) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at : at + random.randint(1, 30)] * random.choice((2, 3, 50)) + data[at:]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _join(data: bytes, random: Random) -> bytes:
    return data + random.choice((b"", b"\n", b"\x1a", b"\x00")) + data


def _swap(data: bytes, random: Random) -> bytes:
    one, other, last = sorted(random.randint(0, len(data)) for _ in range(3))
    return data[:one] + data[other:last] + data[one:other] + data[last:]


def _ends(data: bytes, random: Random) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", random.choice((b"\r", b"\r\n", b"\n\n", b"\n\r")))


CHANGES: Sequence[Callable[[bytes, Random], bytes]] = (
    _insert, _insert, _insert, _replace, _flip, _flip, _delete, _delete, _repeat, _cut, _join, _swap, _ends,
)  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """Applies one to four changes; most files break in one place only."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(CHANGES)(data, random)
    return data


def recoded(data: bytes, random: Random) -> bytes:
    """The same text in another encoding, with or without its mark."""
    text = data.decode("utf-8-sig", "replace")
    encoding = random.choice(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp437"))
    return text.encode(encoding, "replace")
