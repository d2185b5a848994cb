"""Guesses a file's format from its name and first bytes, for people who hand in a file without saying what it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from server.readers.text.likely_charset import HEAD as HEAD
from server.readers.text.likely_charset import charset_of, decoded

_WORKBOOKS = ("xlsx", "xlsm", "xlsb", "ods")
_IN_WORKBOOKS = (b"xl/", b"xl\\", b"opendocument.spreadsheet")

_SEPARATORS = ",;\t|"
_MARC_LEADER = re.compile(rb"\d{5}.{5}22\d{5}.{3}45|\d{5}[acdnpsx].{13}.{3}45", re.DOTALL)
_COMMENT = r"<!--(?:(?!-->).)*-->"  # cannot run past its end, so that there is one way only to read what follows
_FIRST_CHILD = re.compile(rf"<[A-Za-z_][^<>]*>\s*(?:{_COMMENT}\s*)*<[A-Za-z_][^\s/>]*\s[^<>]*/>", re.DOTALL)
_PROLOG = re.compile(rf"\s*(?:(?:<\?(?:(?!\?>).)*\?>|{_COMMENT})\s*)*", re.DOTALL)


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
    charset = charset_of(head)
    return None if charset is None else _text(suffix, decoded(head, charset), charset)


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
