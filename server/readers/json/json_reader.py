"""`json`: an array of records, or one document.

An array is cut into pieces of about 256 KiB at commas between its elements, and each piece is parsed as an array of
its own. A cut may be guessed: when `[` + piece + `]` parses and a comma follows, the comma stood between elements,
because a JSON parser that reads the document would be in the same state there. A wrong guess is found out by the
parser, and the cut is then searched with a scan of the brackets. Within a record that is longer than a piece nothing
is guessed: the scan goes on as more of the record is read, so that no byte is looked at over and over.

The reader is our own, as ijson gives values without the bytes that they were read from, and a record that fails goes
back to its sender byte for byte.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NoReturn

import orjson

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten, skip_records
from server.readers.json import limits as json_limits
from server.readers.text.charsets import wide_charset

BOM = b"\xef\xbb\xbf"
STEP = 256 << 10
RECORD_CAP = 64 << 20
GUESSES = 3

_SPACE = b" \t\r\n"
_AFTER = _SPACE + b"\x1a\0"  # behind the end: the end mark of old systems, too
# `(?:…)*+` is wrong in Python before 3.11.5 where a round may fail after it took something. It stays in a text, where
# no round can: it needs no memory. Elsewhere an atomic group of so many rounds at most does it, which needs little.
_ROUNDS = b"{0,1000}"
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'[\[{](?>(?:[^"\[\]{}]++|%b)%b)[\]}]' % (_TEXT, _ROUNDS)  # an array or object with no other in it
_BRACKETS = rb"[\[{]++|[\]}]++"
_BETWEEN = re.compile(rb'(?>(?:[^",\[\]{}]++|%b|%b)%b)(%b|,)?' % (_TEXT, _FLAT, _ROUNDS, _BRACKETS), re.DOTALL)
_INSIDE = re.compile(rb'(?>(?:[^"\[\]{}]++|%b|%b)%b)(%b)?' % (_TEXT, _FLAT, _ROUNDS, _BRACKETS), re.DOTALL)
_SEPARATOR = re.compile(rb"\}\s*,\s*\{\s*%b" % _TEXT, re.DOTALL)


class JsonReader:
    whole_file = True

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        refuse_wide(file)
        first = _first_byte(file)
        if options.get("singleRecord"):
            pieces = _single(file)
        elif first == b"[":
            pieces = _Array(file).pieces()
        elif first == b"{":
            pieces = _values(file)
        else:
            raise FileBroken(
                "The file holds neither an array nor an object of records" if first else "The file is empty"
            )
        return skip_records(_blocks(pieces, size), start)


Piece = tuple[Sequence[object], Callable[[int], bytes], tuple[str, ...]]  # records, originals, remarks


def refuse_wide(file: BinaryIO) -> None:
    """UTF-16 and UTF-32 are told as such: JSON is exchanged in UTF-8."""
    file.seek(0)
    charset = wide_charset(file.read(4096))
    if charset is not None:
        raise FileBroken(f"The file is in {charset}, and JSON must be in UTF-8: save it as UTF-8")


def _first_byte(file: BinaryIO) -> bytes:
    """The first that is not space or BOM; the file then stands before it."""
    file.seek(0)
    at = len(BOM) if file.read(len(BOM)) == BOM else 0
    file.seek(at)
    while data := file.read(4096):
        rest = data.lstrip(_SPACE)
        if rest:
            file.seek(at + len(data) - len(rest))
            return rest[:1]
        at += len(data)
    return b""


def _blocks(pieces: Iterator[Piece], size: int) -> Iterator[Block]:
    record, waiting = 0, _Waiting()
    for piece in pieces:
        waiting.add(piece)
        while waiting.count >= size:
            record += size
            yield waiting.block(size, record)
    if waiting.count:
        yield waiting.block(waiting.count, record + waiting.count)


class _Waiting:
    """Pieces that are not handed out yet; blocks are cut across them."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._first = 0  # of the first piece, how many are handed out
        self.count = 0

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self.count += len(piece[0])

    def block(self, count: int, end: int) -> Block:
        records: list[object] = []
        spans: list[_Span] = []
        remarks: tuple[str, ...] = ()
        self.count -= count
        while count > len(records):
            piece, originals, said = self._pieces[0]
            remarks += said if not self._first else ()
            part = piece[self._first : self._first + count - len(records)]
            spans.append((len(records), self._first, originals))
            records += part
            self._first += len(part)
            if self._first == len(piece):
                self._pieces.popleft()
                self._first = 0
        bad = sum(type(record) is BadRecord for record in records)
        return Block(records, (), _JoinedOriginals(spans), Position(end), bad, remarks=remarks)


_Span = tuple[int, int, Callable[[int], bytes]]  # first index in the block, first index in the piece, the piece's own


class _JoinedOriginals:
    def __init__(self, spans: Sequence[_Span]) -> None:
        self._spans = spans

    def __call__(self, index: int) -> bytes:
        start, first, originals = next(span for span in reversed(self._spans) if span[0] <= index)
        return originals(first + index - start)


def _document(file: BinaryIO) -> bytes:
    data = file.read(RECORD_CAP + 1)
    if len(data) > RECORD_CAP:
        raise FileBroken(f"One record may have {RECORD_CAP:,} bytes at most, and the file is longer")
    return data.rstrip(_AFTER)


def _single(file: BinaryIO) -> Iterator[Piece]:
    data = _document(file)
    value = _element(data, _Place())
    yield [value], lambda _: data, _on_repeated(data, value, 1)


def _values(file: BinaryIO) -> Iterator[Piece]:
    data = _document(file)
    document = _element(data, _Place())
    if isinstance(document, BadRecord):
        raise FileBroken(document.message)
    values = list(document.values()) if isinstance(document, dict) else []
    yield values, lambda index: orjson.dumps(values[index]), _on_repeated(data, document, 1)


def _on_repeated(data: bytes, value: object, line: int) -> tuple[str, ...]:
    """What is said where an object has a name twice."""
    told = None if isinstance(value, BadRecord) else json_limits.on_repeated_name(data, value)
    return () if told is None else (f"line {line}: {told}",)


class _Place:
    """How far the file has been read: for messages."""

    def __init__(self, byte: int = 0, line: int = 1) -> None:
        self.byte = byte
        self.line = line

    def after(self, data: bytes) -> "_Place":
        return _Place(self.byte + len(data), self.line + data.count(b"\n"))


def _element(data: bytes, place: _Place) -> object:
    """One value; a BadRecord where it is well-formed, but more than we take."""
    reason: str | None
    try:
        value = orjson.loads(data)
        reason = json_limits.fault(data, value)
    except orjson.JSONDecodeError as error:
        if not _well_formed(data):
            _broken(error, data, place)
        value, reason = None, error.msg
    if reason is None:
        return value
    line = place.after(data[: len(data) - len(data.lstrip(_SPACE))]).line
    return BadRecord(f"line {line}: {reason}: {shorten(data.strip())}")


def _broken(error: orjson.JSONDecodeError, data: bytes, place: _Place) -> NoReturn:
    at = place.after(data.decode("utf-8", "replace")[: error.pos].encode())
    raise FileBroken(
        f"Line {at.line}, byte {at.byte + 1:,}: not valid JSON, {error.msg}: {shorten(data.strip())}"
    ) from error


def _well_formed(data: bytes) -> bool:
    """Whether the standard library's more patient parser takes it."""
    try:
        json.loads(data.decode(), parse_constant=_refuse_constant)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    except (ValueError, RecursionError):
        return True  # a number of thousands of digits, or very deep
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


class _Array:
    """The elements of the array at which the file stands, piece by piece."""

    def __init__(self, file: BinaryIO, step: int = STEP) -> None:
        self._file = file
        self._step = step
        self._place = _Place(file.tell() + 1)
        self._separator = b""
        self._long = False  # the element at hand is longer than what was read
        file.seek(1, 1)

    def pieces(self) -> Iterator[Piece]:
        data, after_comma, scan = b"", False, _Scan()
        while chunk := self._file.read(max(self._step, len(data))):
            data += chunk
            cut, piece = self._guess(data)
            if piece is not None:
                scan = _Scan()
            else:
                cut = self._search(data, scan)
                if scan.end is not None:
                    break
                piece = self._piece(data[:cut]) if cut else None
            self._long = piece is None
            if piece is not None:
                yield piece
                self._place = self._place.after(data[: cut + 1])
                data, after_comma = data[cut + 1 :], True
            elif len(data) > RECORD_CAP:
                raise FileBroken(f"Line {self._place.line}: a record is longer than {RECORD_CAP:,} bytes")
        yield from self._last(data, after_comma, scan)

    def _guess(self, data: bytes) -> tuple[int, Piece | None]:
        """A cut before one of the last elements that begin as the second one did, and what stands before it."""
        at = len(data)
        for _ in range(GUESSES if self._separator and not self._long else 0):
            at = data.rfind(self._separator, 0, at)
            if at < 0:
                break
            cut = data.index(b",", at)
            piece = self._whole(data[:cut])
            if piece is not None:
                return cut, piece
        return 0, None

    def _search(self, data: bytes, scan: "_Scan") -> int:
        """The last comma between elements, 0 where there is none yet; the scan then stands behind it."""
        last = 0
        for at in scan.commas(data):
            last = at
        if last and scan.end is None:
            brace = data.rfind(b"}", 0, last)
            found = _SEPARATOR.match(data, brace) if brace >= 0 else None
            self._separator = found[0] if found else b""
            scan.at -= last + 1
        return last

    def _whole(self, body: bytes) -> Piece | None:
        """All elements at one stroke, or None when one of them needs a closer look, or the cut was wrong."""
        try:
            records = orjson.loads(b"[" + body + b"]")
        except orjson.JSONDecodeError:
            return None
        if not records or json_limits.suspect_numbers(body) or _too_deep(body, records):
            return None
        return None if json_limits.repeats_names(body, records) else (records, _Originals(body), ())

    def _piece(self, body: bytes) -> Piece:
        return self._whole(body) or self._singly(body)

    def _singly(self, body: bytes) -> Piece:
        records, place = [], self._place
        remarks: tuple[str, ...] = ()
        for element in _elements(body):
            records.append(_element(element, place))
            if not remarks:
                begin = place.after(element[: len(element) - len(element.lstrip(_SPACE))])
                remarks = _on_repeated(element, records[-1], begin.line)
            place = place.after(element + b",")
        return records, _Originals(body), remarks

    def _last(self, data: bytes, after_comma: bool, scan: "_Scan") -> Iterator[Piece]:
        self._search(data, scan)
        end = scan.end
        if end is None:
            place = self._place.after(data)
            raise FileBroken(f"Line {place.line}, byte {place.byte + 1:,}: the file ends before the array does")
        body = data[:end]
        if data[end : end + 1] != b"]":
            place = self._place.after(body)
            raise FileBroken(f"Line {place.line}, byte {place.byte + 1:,}: a brace is closed that was never opened")
        if body.strip(_SPACE) or after_comma:
            yield self._piece(body)
        self._nothing_more(data[end + 1 :], self._place.after(data[: end + 1]))

    def _nothing_more(self, data: bytes, place: _Place) -> None:
        while not (rest := data.lstrip(_AFTER)):
            place = place.after(data)
            data = self._file.read(self._step)
            if not data:
                return
        place = place.after(data[: len(data) - len(rest)])
        raise FileBroken(
            f"Line {place.line}, byte {place.byte + 1:,}: text after the end of the array: {shorten(rest)}"
        )


def _too_deep(body: bytes, records: list[object]) -> bool:
    """Flat objects have a bracket each; only many more than that can hide a depth."""
    brackets = body.count(b"{") + body.count(b"[")
    return brackets - len(records) > json_limits.MAX_DEPTH - 2 and json_limits.too_deep(records)


class _Scan:
    """A walk along the brackets, which goes on where it stood once there is more data."""

    def __init__(self) -> None:
        self.at = 0
        self.end: int | None = None  # where more is closed than was opened
        self._depth = 0

    def commas(self, data: bytes) -> Iterator[int]:
        """Those between elements, up to the end of the array, of the data, or of its last complete text."""
        while self.end is None:
            match = (_INSIDE if self._depth else _BETWEEN).match(data, self.at)
            assert match is not None  # nothing is a match, too
            begin, self.at = self.at, match.end()
            token: bytes | None = match[1]
            if token is None:
                if self.at == begin:
                    return
                continue
            if token == b",":
                yield match.start(1)
            elif token[0] in b"[{":
                self._depth += len(token)
            elif len(token) > self._depth:
                self.end = match.start(1) + self._depth
            else:
                self._depth -= len(token)


def _elements(body: bytes) -> Iterator[bytes]:
    first = 0
    for at in _Scan().commas(body):
        yield body[first:at]
        first = at + 1
    yield body[first:]


class _Originals:
    """The elements' own bytes, cut apart when the first is asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._parts: list[bytes] | None = None

    def __call__(self, index: int) -> bytes:
        if self._parts is None:
            self._parts = [part.strip(_SPACE) for part in _elements(self._body)]
        return self._parts[index]
