"""Segments of UN/EDIFACT (ISO 9735): a file cut at its end marks, and what each segment holds.

A service string (UNA) holds for the interchange that follows it. Without one the usual characters hold. Carriage
returns and line feeds mean nothing, wherever a mail program has put them, unless the service string names them.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from server.readers.base import BadRecord, FileBroken, shorten

STEP = 1 << 20
LONGEST_SEGMENT = 1 << 20
SERVICE = 9  # bytes of a service string

_BETWEEN = re.compile(rb"(?:[ \t\r\n\x00\x1a]+|\xef\xbb\xbf)*")  # no part of a segment
_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"U\x00N\x00", b"\x00U\x00N")
_LOOK_AHEAD = 64
# UNA and six characters, the last of which may be a line end; others between them come from wrapping.
_SERVICE = re.compile(
    rb"U[\r\n]*N[\r\n]*A((?:[\r\n]*[^\r\n]){5})(?:[\r\n]*([^\r\nU])|([\r\n]))(?=[ \t\r\n]*(?:U[\r\n]*N|\Z))",
    re.IGNORECASE,
)
# An interchange begins here, even where the segment before it has lost its end mark.
_NEW = re.compile(rb"UNA.{6}[ \t\r\n]*UN[BGH]|UNB.UNO[A-Z].[0-9]", re.DOTALL | re.IGNORECASE)
_LINE_ENDS = "\r\n"
_PARTS_OF_8859 = {"C": 1, "D": 2, "E": 5, "F": 7, "G": 3, "H": 4, "I": 6, "J": 8, "K": 9, "L": 15}
_GUESSED = ""  # UTF-8 where it can be, else Latin-1
_CHARSETS = {f"UNO{level}": f"iso8859-{part}" for level, part in _PARTS_OF_8859.items()} | {
    "UNOW": "utf-8",
    "UNOY": "utf-8",
    "UNOA": _GUESSED,
    "UNOB": _GUESSED,
    "": _GUESSED,
}
_LATIN = _CHARSETS["UNOC"]
_EUROPEAN = re.compile("[\0-\x7f\xa1-\u017f\u2010-\u20ac]*")
_CONTROLS = re.compile("[\x80-\x9f]")  # no letters in any part of ISO 8859: the text is in another charset


class Syntax(NamedTuple):
    """The characters that mean something. `release` is empty where none is used."""

    component: str = ":"
    element: str = "+"
    release: str = "?"
    terminator: str = "'"


USUAL = Syntax()


class Segment(NamedTuple):
    """`service` is the service string that held for it, or empty."""

    raw: bytes
    tag: str
    parsed: dict[str, object] | BadRecord
    syntax: Syntax = USUAL
    service: bytes = b""

    @property
    def fault(self) -> str | None:
        return self.parsed.message if isinstance(self.parsed, BadRecord) else None

    def component(self, element: int, component: int = 0) -> str:
        """What stands there, or nothing. Elements are counted from 0, behind the tag."""
        elements = self.parsed["elements"] if isinstance(self.parsed, dict) else []
        found = elements[element] if isinstance(elements, list) and len(elements) > element else []
        return str(found[component]) if len(found) > component else ""


class _Cut(NamedTuple):
    raw: bytes
    syntax: Syntax
    service: bytes
    ended: bool = True  # with the end mark
    unicode: bool = False  # a byte order mark has said UTF-8
    fault: str | None = None


def segments(file: BinaryIO) -> Iterator[Segment]:
    """The segments of a file, each with what it holds or why it cannot be read. A good service string is none."""
    charset, named = _GUESSED, ""
    for cut in _Cutter(file).cuts():
        if cut.raw[:3].upper() == b"UNB":
            named = _parsed(cut, _GUESSED, "").component(0).strip().upper()
            charset = _CHARSETS.get(named, "ascii")
        yield _parsed(cut, "utf-8" if cut.unicode else charset, named)


class _Cutter:
    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file = file
        self._data = file.read(STEP)
        self._at = 0
        self._syntax = USUAL
        self._service = b""
        self._chosen = False  # a service string stands right before
        self._unicode = False
        if self._data.startswith(_UTF16):
            raise FileBroken("The file is in UTF-16: save it as UTF-8, or in the charset that its UNB names")

    def cuts(self) -> Iterator[_Cut]:
        first = True
        while self._begin():
            tag = _tag(self._data[self._at : self._at + _LOOK_AHEAD])
            cut = self._choose(first) if tag == "UNA" else self._segment(tag)
            first = False
            if cut is not None:
                yield cut

    def _begin(self) -> bool:
        """Moves to the next segment; False at the end of the file."""
        while self._has(_LOOK_AHEAD) or self._at < len(self._data):
            between = _BETWEEN.match(self._data, self._at)
            self._at = between.end() if between else self._at
            self._unicode = self._unicode or bool(between and _MARK in between[0])
            if len(self._data) - self._at >= _LOOK_AHEAD or not self._has(_LOOK_AHEAD):
                return self._at < len(self._data)
        return False

    def _has(self, count: int) -> bool:
        while len(self._data) - self._at < count:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        chunk = self._file.read(STEP)
        self._data = self._data[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _choose(self, first: bool) -> _Cut | None:
        found = _SERVICE.match(self._data, self._at)
        syntax = _syntax(found)
        service = found[0] if found else self._data[self._at : self._at + SERVICE]
        self._at += len(service)
        self._syntax, self._service, self._chosen = syntax or USUAL, service if syntax else b"", True
        if syntax is not None:
            return None
        fault = f"The service string names characters that cannot be told apart: {shorten(service)}"
        if first:
            raise FileBroken(fault)
        return _Cut(service, USUAL, b"", fault=fault)

    def _segment(self, tag: str) -> _Cut:
        if tag == "UNB" and not self._chosen and self._data[self._at + 3 : self._at + 4] in (b"+", b"\r", b"\n"):
            self._syntax, self._service = USUAL, b""
        self._chosen = False
        found = _whole(self._syntax).match(self._data, self._at)
        while found is None and self._longer():
            found = _whole(self._syntax).match(self._data, self._at)
        end = found.end() if found else len(self._data)
        new = self._interruption(end)
        raw = self._data[self._at : end if new is None else new]
        self._at += len(raw)
        return _Cut(raw, self._syntax, self._service, found is not None and new is None, self._unicode)

    def _longer(self) -> bool:
        if len(self._data) - self._at > LONGEST_SEGMENT:
            head = shorten(self._data[self._at : self._at + 60])
            raise FileBroken(f"A segment is longer than {LONGEST_SEGMENT:,} bytes: {head}")
        return self._more()

    def _interruption(self, end: int) -> int | None:
        """Where another interchange begins inside of what looks like one segment."""
        upper = self._data[self._at + 1 : end].upper()
        if b"UNA" not in upper and b"UNB" not in upper:
            return None
        length = end - self._at
        self._has(length + _LOOK_AHEAD)
        found = _NEW.search(self._data, self._at + 1, self._at + length + _LOOK_AHEAD)
        return found.start() if found and found.start() < self._at + length else None


def _tag(raw: bytes) -> str:
    return raw[:_LOOK_AHEAD].translate(None, b"\r\n")[:3].decode("latin-1").upper()


def _syntax(found: re.Match[bytes] | None) -> Syntax | None:
    """The characters that a service string names; a blank in the place of the release character means none."""
    if found is None:
        return None
    named = found[1].translate(None, b"\r\n").decode("latin-1")
    syntax = Syntax(named[0], named[1], named[3].strip(" "), (found[2] or found[3]).decode("latin-1"))
    used = [one for one in syntax if one]
    if len(set(used)) < len(used) or any(one.isalnum() for one in used) or " " in syntax[:2]:
        return None
    return syntax


@lru_cache(maxsize=64)
def _whole(syntax: Syntax) -> re.Pattern[bytes]:
    """A segment with its end mark. It takes each byte in one way only, so it cannot go back far."""
    end, release = re.escape(syntax.terminator.encode("latin-1")), re.escape(syntax.release.encode("latin-1"))
    plain = b"[^" + end + release + b"]*"
    if not release:
        return re.compile(plain + end)
    skipped = re.escape(_meaningless(syntax).encode("latin-1"))
    gap, kept = (b"[" + skipped + b"]*", b"[^" + skipped + b"]") if skipped else (b"", rb"[\s\S]")
    return re.compile(plain + b"(?:" + release + gap + kept + plain + b")*" + end)


def _meaningless(syntax: Syntax) -> str:
    return "".join(one for one in _LINE_ENDS if one not in syntax)


def _parsed(cut: _Cut, charset: str, named: str) -> Segment:
    raw, tag, syntax = cut.raw, _tag(cut.raw), cut.syntax
    fault = cut.fault
    text = ""
    try:
        text = _decoded(raw, charset)
    except ValueError as error:
        fault = fault or _not_text(raw, charset, named, error)
    for one in _meaningless(syntax):
        text = text.replace(one, "")
    if fault is None and not cut.ended:
        fault = f"a segment has no end mark: {shorten(text)}"
    if fault is not None:
        return Segment(raw, tag, BadRecord(fault), syntax, cut.service)
    return Segment(raw, tag, _elements(text[:-1], syntax), syntax, cut.service)


def _decoded(raw: bytes, charset: str) -> str:
    if charset == _LATIN and not raw.isascii() and (text := _surely_utf8(raw)) is not None:
        return text
    if charset != _GUESSED:
        return _without_controls(raw.decode(charset)) if charset.startswith("iso") else raw.decode(charset)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _without_controls(raw.decode("latin-1"))


def _surely_utf8(raw: bytes) -> str | None:
    """The text, where its letters are the usual ones of Europe in UTF-8: in Latin-1 it would read like `MÃ¼ller`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if _EUROPEAN.fullmatch(text) else None


def _without_controls(text: str) -> str:
    found = _CONTROLS.search(text)
    if found is not None:
        raise ValueError(f"the byte {ord(found[0]):02X} means nothing there")
    return text


def _not_text(raw: bytes, charset: str, named: str, error: ValueError) -> str:
    if charset == "ascii":
        return (
            f"UNB names the charset {named[:20]!r}, which is not known here, and a segment is not ASCII: {shorten(raw)}"
        )
    reason = error.reason if isinstance(error, UnicodeDecodeError) else error
    return f"a segment is not valid {charset or 'iso8859-1'}, {reason}: {shorten(raw)}"


def _elements(text: str, syntax: Syntax) -> dict[str, object] | BadRecord:
    elements = [_split(element, syntax) for element in _parts(text, syntax.element, syntax)]
    tag = elements[0][0].upper()
    if len(tag) != 3 or not (tag.isascii() and tag.isalnum()):
        return BadRecord(f"a segment has no tag of three letters: {shorten(text)}")
    segment: dict[str, object] = {"tag": tag, "elements": elements[1:]}
    return segment | {"nesting": elements[0][1:]} if len(elements[0]) > 1 else segment


def _parts(text: str, separator: str, syntax: Syntax) -> list[str]:
    """Cut at separators that are not released; what is released stays marked."""
    parts = text.split(separator)
    if not syntax.release or syntax.release not in text:
        return parts
    whole: list[str] = []
    released = False
    for part in parts:
        if released:
            whole[-1] += separator + part
        else:
            whole.append(part)
        released = (len(part) - len(part.rstrip(syntax.release))) % 2 == 1
    return whole


def _split(element: str, syntax: Syntax) -> list[str]:
    parts = _parts(element, syntax.component, syntax)
    if not syntax.release or syntax.release not in element:
        return parts
    release = re.escape(syntax.release)
    return [re.sub(f"{release}(.)", r"\1", part, flags=re.DOTALL) for part in parts]
