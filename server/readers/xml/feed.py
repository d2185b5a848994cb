"""XML as a stream of records: expat without DTDs, entities, or more than a block in memory."""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

from server.readers.base import BadRecord, Block, FileBroken, Position, shorten
from server.readers.text.charsets import marked_codec, python_codec

STEP = 256 << 10
RECORD_CAP = 64 << 20
MAX_DEPTH = 200
MOST_REMARKS = 20  # of one file

_NATIVE = {"utf-8": "utf-8", "ascii": "us-ascii", "iso8859-1": "iso-8859-1"}  # what expat reads itself, by its names
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_WIDE = {b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_END_MARK = b"\x1a"  # of old systems, behind the end


class XmlFeed:
    """A parser and the records that a format's handlers made of what it read.

    The handlers call `begin` at a record's first tag and `finish` at its last, not nested.
    """

    def __init__(self, encoding: str | None = None) -> None:
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.records: list[object] = []
        self.starts: list[int] = []  # byte index of each record begun, so it may be one longer than `records`
        self.ends: list[tuple[int, str]] = []  # where the closing tag of this name begins, or an empty element ends
        self.lines: list[int] = []
        self._remarks: dict[str, str] = {}  # by what they are about: the first place is reported
        self._told = 0

    def begin(self) -> None:
        self.starts.append(self.parser.CurrentByteIndex)
        self.lines.append(self.parser.CurrentLineNumber)

    def reopen(self) -> None:
        """What was begun is only an envelope; the record begins here."""
        self.starts[-1], self.lines[-1] = self.parser.CurrentByteIndex, self.parser.CurrentLineNumber

    def finish(self, record: object, tag: str) -> None:
        self.records.append(record)
        self.ends.append((self.parser.CurrentByteIndex, tag))

    def remark_text(self, text: str) -> None:
        """Tells of text that belongs to no value."""
        seen = text.lstrip()
        self.remark("text", f"text stands where no value is read: {shorten(seen.rstrip())}", seen.count("\n"))

    def remark(self, about: str, sentence: str, back: int = 0) -> None:
        """`back`: lines between what the sentence is about and where the parser is."""
        if about not in self._remarks and len(self._remarks) < MOST_REMARKS:
            self._remarks[about] = f"line {self.parser.CurrentLineNumber - back}: {sentence}"

    def new_remarks(self) -> tuple[str, ...]:
        """Those that were not asked for yet."""
        new = tuple(self._remarks.values())[self._told :]
        self._told += len(new)
        return new

    def too_deep(self) -> FileBroken:
        return FileBroken(f"Line {self.parser.CurrentLineNumber}: elements are nested deeper than {MAX_DEPTH} levels")

    def parse(self, data: bytes, final: bool = False) -> None:
        try:
            self.parser.Parse(data, final)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise FileBroken(
                f"Line {error.lineno}, column {error.offset + 1}: not well-formed XML, {reason}"
            ) from error
        except ValueError as error:
            raise FileBroken(f"Line {self.parser.CurrentLineNumber}: not readable as XML, {error}") from error

    def _refuse_doctype(self, *_: object) -> None:
        line = self.parser.CurrentLineNumber
        raise FileBroken(f"Line {line}: the file has a DTD (<!DOCTYPE …>), which is not accepted; remove it")


def xml_blocks(file: BinaryIO, bind: Callable[[XmlFeed], None], size: int) -> Iterator[Block]:
    """All blocks of a file; `bind` gives the parser the handlers of a format."""
    pieces = _Pieces(file)
    feed = XmlFeed(pieces.encoding)
    bind(feed)
    window = _Window(feed, size)
    for piece in pieces:
        window.add(piece)
        yield from window.full()
    feed.parse(b"", final=True)
    yield from window.rest()


class _Window:
    """The bytes of the records that are not handed out yet, and the records cut into blocks."""

    def __init__(self, feed: XmlFeed, size: int) -> None:
        self._feed = feed
        self._size = size
        self._raw = b""
        self._base = 0  # index of the window's first byte in the file
        self._record = 0

    def add(self, piece: bytes) -> None:
        feed = self._feed
        self._raw += piece
        feed.parse(piece)
        since = feed.starts[len(feed.records)] if len(feed.starts) > len(feed.records) else feed.parser.CurrentByteIndex
        if self._base + len(self._raw) - since > RECORD_CAP:
            line = feed.lines[-1] if feed.lines else feed.parser.CurrentLineNumber
            raise FileBroken(f"Line {line}: an element that begins here is longer than {RECORD_CAP:,} bytes")
        if not feed.starts:
            self._drop(since)

    def full(self) -> Iterator[Block]:
        while len(self._feed.records) >= self._size:
            yield self._block(self._size)

    def rest(self) -> Iterator[Block]:
        while count := min(len(self._feed.records), self._size):
            yield self._block(count)
        if remarks := self._feed.new_remarks():
            yield Block((), (), lambda index: b"", Position(self._record), remarks=remarks)

    def _block(self, count: int) -> Block:
        feed = self._feed
        records, lines = feed.records[:count], feed.lines[:count]
        first = feed.starts[0]
        spans = [
            (start - first, self._end(*end) - first) for start, end in zip(feed.starts, feed.ends[:count], strict=False)
        ]
        raw = self._raw[first - self._base : first - self._base + spans[-1][1]]
        del feed.records[:count], feed.starts[:count], feed.lines[:count], feed.ends[:count]
        self._drop(feed.starts[0] if feed.starts else first + len(raw))
        self._record += count
        bad = sum(type(record) is BadRecord for record in records)
        end, remarks = Position(self._record, lines[-1]), feed.new_remarks()
        return Block(records, lines, lambda index: raw[slice(*spans[index])], end, bad, remarks=remarks)

    def _end(self, index: int, tag: str) -> int:
        at = index - self._base
        closes = self._raw.startswith(f"</{tag}".encode(), at)
        return self._base + self._raw.index(b">", at) + 1 if closes else index

    def _drop(self, index: int) -> None:
        self._raw = self._raw[max(0, index - self._base) :]
        self._base = max(self._base, index)


class _Pieces:
    """The file's bytes; `encoding` is how the parser reads them. Charsets that it does not know come as UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        head = file.read(1024)
        self._file = file
        self._codec = _codec_of(head)
        self.encoding = _NATIVE.get(self._codec, "utf-8")

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        pieces = iter(lambda: self._file.read(STEP), b"")
        return _without_end_mark(pieces if self._codec in _NATIVE else _recoded(self._file, self._codec))


def _codec_of(head: bytes) -> str:
    """A byte order mark goes before the declaration: programs add one and leave the other as it was."""
    wide = next((codec for start, codec in _WIDE.items() if head.startswith(start)), None)
    codec = marked_codec(head) or wide or _declared(head)
    # a declaration that can be read byte by byte is in none of these: it was written for a text, not for a file
    return "utf-8" if codec.startswith(("utf-16", "utf-32")) and _DECLARED.match(head) else codec


def _without_end_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    last = b""
    for piece in filter(None, pieces):
        yield last
        last = piece
    yield last.rstrip(_END_MARK + b"\r\n\0") if last.rstrip(b"\r\n\0").endswith(_END_MARK) else last


def _declared(head: bytes) -> str:
    match = _DECLARED.match(head)
    if match is None:
        return "utf-8"
    name = match[1].decode("ascii")
    codec = python_codec(name)
    if codec is None:
        raise FileBroken(f"Line 1: the XML declaration names an unknown charset: {name}")
    return codec


def _recoded(file: BinaryIO, codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)()
    at = 0
    while data := file.read(STEP):
        yield _recode(decoder, data, at, codec)
        at += len(data)
    yield _recode(decoder, b"", at, codec)


def _recode(decoder: codecs.IncrementalDecoder, data: bytes, at: int, codec: str) -> bytes:
    try:
        return decoder.decode(data, not data).encode()
    except (UnicodeError, ValueError) as error:
        raise FileBroken(f"The file is not valid {codec} near byte {at:,}: {error}") from error


class Root(NamedTuple):
    """The root's start tag, and the charset that the originals of the records are in."""

    tag: str
    attributes: Mapping[str, str]
    charset: str


def root_of(file: BinaryIO) -> Root:
    """Reads no further than the first tag."""
    pieces = _Pieces(file)
    feed = XmlFeed(pieces.encoding)
    tags: list[tuple[str, dict[str, str]]] = []
    feed.parser.StartElementHandler = lambda tag, attributes: tags.append((tag, attributes))
    for piece in pieces:
        feed.parse(piece)
        if tags:
            break
    tag, attributes = tags[0] if tags else ("records", {})
    return Root(tag, attributes, pieces.encoding)
