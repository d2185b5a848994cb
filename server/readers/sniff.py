"""Guesses a file's format from its name and first bytes, for people who hand in a file without saying what it is."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import charset_normalizer
import orjson

_WORKBOOKS = ("xlsx", "xlsm", "xlsb", "ods")
_IN_WORKBOOKS = (b"xl/", b"xl\\", b"opendocument.spreadsheet")
HEAD = 64 << 10  # as much of the file as a guess needs

_SEPARATORS = ",;\t|"
_MARC_LEADER = re.compile(rb"\d{5}.{5}22\d{5}.{3}45|\d{5}[acdnpsx].{13}.{3}45", re.DOTALL)
_COMMENT = r"<!--(?:(?!-->).)*-->"  # cannot run past its end, so that there is one way only to read what follows
_FIRST_CHILD = re.compile(rf"<[A-Za-z_][^<>]*>\s*(?:{_COMMENT}\s*)*<[A-Za-z_][^\s/>]*\s[^<>]*/>", re.DOTALL)
_PROLOG = re.compile(rf"\s*(?:(?:<\?(?:(?!\?>).)*\?>|{_COMMENT})\s*)*", re.DOTALL)
_HIGH = re.compile(rb"[\x80-\xff]+")
# what no Western text in windows-1252 has; where it has letters beyond ASCII, they stand alone or in pairs
_NOT_WESTERN = re.compile(rb"[\x81\x83\x86-\x90\x98-\x9b\x9d-\x9f\xa4-\xa6\xac\xad\xaf\xd7\xf7]")
_ENOUGH = 64  # bytes beyond ASCII that a guess needs
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Guess:
    """A control file's file entry: the reader's name and its options."""

    read: str
    options: Mapping[str, object] = field(default_factory=dict)


def sniff(name: str, head: bytes) -> Guess | None:
    """What the file seems to be; None for what no reader takes. `head` are its first HEAD bytes, or all of it."""
    suffix = name.rpartition(".")[2].lower()
    if head.startswith(b"PK\x03\x04"):
        return (
            Guess("xlsx-with-name-row") if suffix in _WORKBOOKS or any(sign in head for sign in _IN_WORKBOOKS) else None
        )
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return Guess("xlsx-with-name-row")
    if _MARC_LEADER.match(head):
        return Guess("marc")
    if not head.strip() or (b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
        return None
    charset = _charset(head)
    return None if charset is None else _text(suffix, _decode(head, charset), charset)


def _charset(head: bytes) -> str | None:
    for bom, charset in _BOMS:
        if head.startswith(bom):
            return charset
    try:
        _decode(head, "utf-8", strict=True)
    except UnicodeDecodeError:
        return _unknown_charset(head[: HEAD // 4])
    return "utf-8"


def _unknown_charset(head: bytes) -> str | None:
    """The likeliest; none where there is too little to go by."""
    high = _HIGH.findall(head)
    total = sum(map(len, high))
    if total and not _NOT_WESTERN.search(head) and max(map(len, high)) < 3:
        return "windows-1252"
    best = charset_normalizer.from_bytes(head).best() if total >= _ENOUGH else None
    if best is None:
        return None
    return "windows-1252" if _decode(head, "cp1252") == _decode(head, best.encoding) else best.encoding


def likely_charset(data: bytes) -> str | None:
    """What bytes that are not valid UTF-8 seem to be in; None where they are, or where nothing fits."""
    charset = _charset(data)
    return None if charset == "utf-8" else charset


def _decode(head: bytes, charset: str, *, strict: bool = False) -> str:
    """The last character may be cut."""
    decoder = codecs.getincrementaldecoder(charset)("strict" if strict else "replace")
    return decoder.decode(head).removeprefix("\ufeff")


def _text(suffix: str, text: str, charset: str) -> Guess | None:
    start = text.lstrip()[:1]
    if start == "<":
        return _xml(text)
    if start == "[":
        return Guess("json")
    if start == "{":
        return _json(suffix, text)
    return _delimited(text, charset)


def _xml(text: str) -> Guess:
    if "http://www.loc.gov/MARC21/slim" in text:
        return Guess("marc-xml")
    body = text[_PROLOG.match(text).end() :]  # type: ignore[union-attr]  # it may be empty
    return Guess("xml-attributes" if _FIRST_CHILD.match(body) else "xml-text-of-children")


def _json(suffix: str, text: str) -> Guess:
    if suffix in ("jsonl", "ndjson", "jsonlines"):
        return Guess("json-lines")
    lines = [line for line in text.splitlines()[:3] if line.strip()]
    if len(lines) > 1 and _is_json(lines[0]) and lines[1].lstrip().startswith("{"):
        return Guess("json-lines")
    return Guess("json", {"singleRecord": True})


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _delimited(text: str, charset: str) -> Guess | None:
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if not lines:
        return None
    separator = max(_SEPARATORS, key=lambda one: _evidence(lines, one))
    options: dict[str, object] = {} if charset == "utf-8" else {"charset": charset}
    if separator == "\t" and lines[0].count("\t") and '"' not in text:
        return Guess("tsv-with-name-row", options)
    return Guess("csv-with-name-row", options if separator == "," else {"separator": separator, **options})


def _evidence(lines: list[str], separator: str) -> tuple[int, int]:
    """How many lines have as many of it as the name row, and how many those are."""
    expected = lines[0].count(separator)
    agreeing = sum(line.count(separator) == expected for line in lines[:-1] or lines)
    return (agreeing if expected else 0), expected
