"""`tsv-with-name-row` and `csv-with-name-row`: tables of text whose first line holds the names."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, Protocol, cast

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten, table_block
from server.readers.charsets import is_linewise, python_codec
from server.readers.lines import LINE_CAP, Batch, Feed, LongLine
from server.readers.text_lines import byte_length, has_bad_bytes, text_batches

BOM = "\ufeff"
FIELD_CAP = 1 << 20  # a stray quote must not swallow the rest of the file

TextLine = str | LongLine
TextFeed = Feed[str]


class Rows(NamedTuple):
    """What a grammar made of some lines: the rows, the index of the line each begins on, and the lines they took."""

    rows: Sequence[Row | BadRecord]
    starts: Sequence[int]
    lines: Sequence[TextLine]


class Grammar(Protocol):
    """How lines become cells."""

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        """The cells of the first row, and the further lines it took."""

    def rows(self, batch: Batch[str], more: TextFeed, line: int, width: int) -> Rows:
        """Rows of exactly `width` cells; takes further lines where the last row goes on. `line` lines come before."""


class Tsv:
    """No quoting, no trimming; short rows are filled up, further cells dropped, blank lines passed over."""

    def __init__(self, separator: str, codec: str) -> None:
        self._separator = separator
        self._codec = codec

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        return self._cells(line), ()

    def _cells(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._separator)

    def rows(self, batch: Batch[str], more: TextFeed, line: int, width: int) -> Rows:
        if batch.odd:
            return self._closely(batch.lines, line, width)
        separator, lines = self._separator, cast(Sequence[str], batch.lines)
        rows = [text.rstrip("\r\n").split(separator) for text in lines]
        if {*map(len, rows)} == {width} and width > 1:
            return Rows(rows, range(len(rows)), lines)
        return self._closely(lines, line, width)

    def _closely(self, lines: Sequence[TextLine], line: int, width: int) -> Rows:
        starts = [at for at, text in enumerate(lines) if isinstance(text, LongLine) or text.rstrip("\r\n")]
        return Rows([self._row(lines[at], line + at + 1, width) for at in starts], starts, lines)

    def _row(self, text: TextLine, number: int, width: int) -> Row | BadRecord:
        if isinstance(text, LongLine) or has_bad_bytes(text):
            return _unreadable(text, number, self._codec)
        return fit(self._cells(text), width)


class Csv:
    """Cells may be quoted; a row with more cells than names is bad, a line without any is passed over."""

    def __init__(self, separator: str, quote: str, codec: str) -> None:
        self._separator = separator
        self._quote = quote
        self._codec = codec

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        source = _Source([line], more)
        return next(self._reader(source), []), source.lines[1:]

    def rows(self, batch: Batch[str], more: TextFeed, line: int, width: int) -> Rows:
        if batch.odd:
            return self._closely(batch.lines, more, line, width)
        lines = cast(Sequence[str], batch.lines)
        try:
            rows = list(self._reader(lines))
        except csv.Error:
            return self._closely(lines, more, line, width)
        if {*map(len, rows)} == {width} and len(rows) == len(lines):
            return Rows(rows, range(len(rows)), lines)
        return self._closely(lines, more, line, width)

    def _reader(self, lines: Sequence[str] | Iterator[str]) -> "Iterator[list[str]]":
        csv.field_size_limit(FIELD_CAP)
        if self._quote:
            return csv.reader(lines, delimiter=self._separator, quotechar=self._quote, strict=True)
        return csv.reader(lines, delimiter=self._separator, quoting=csv.QUOTE_NONE)

    def _closely(self, lines: Sequence[TextLine], more: TextFeed, line: int, width: int) -> Rows:
        """Row by row: finds the rows that are bad, blank, or go over several lines."""
        source = _Source(lines, more)
        reader = self._reader(source)
        rows: list[Row | BadRecord] = []
        starts = []
        while source.at < len(lines):
            start = source.at
            try:
                row = self._row(next(reader, []), source, start, line, width)
            except csv.Error as error:
                row = self._fault(error, source, line + start + 1)
            if row is not None:
                rows.append(row)
                starts.append(start)
        return Rows(rows, starts, source.lines)

    def _row(self, cells: list[str], source: "_Source", start: int, line: int, width: int) -> Row | BadRecord | None:
        unreadable = source.unreadable(start)
        if unreadable is not None:
            return _unreadable(unreadable, line + start + 1, self._codec)
        if len(cells) > width:
            return _too_many(cells, line + start + 1, width)
        return fit(cells, width) if cells else None

    def _fault(self, error: csv.Error, source: "_Source", number: int) -> BadRecord:
        if source.ended or "field limit" in str(error):
            raise FileBroken(
                f"Line {number}: a quoted cell that begins in this record has no end within {FIELD_CAP:,} characters "
                f"or the file; double the quotes inside a cell, or set another `quote`"
            ) from error
        text = source.lines[source.at - 1]
        shown = shorten(text.head if isinstance(text, LongLine) else text.rstrip("\r\n"))
        return BadRecord(f"line {number}: not valid CSV, {error}: {shown}")


class _Source(Iterator[str]):
    """Lines one by one, from those at hand and then from the feed; it keeps those it gave."""

    def __init__(self, lines: Sequence[TextLine], more: TextFeed) -> None:
        self.lines = list(lines)
        self.at = 0
        self.ended = False
        self._more = more

    def __next__(self) -> str:
        if self.at == len(self.lines):
            self.lines.extend(self._more.take(1).lines)
        if self.at == len(self.lines):
            self.ended = True
            raise StopIteration
        text = self.lines[self.at]
        self.at += 1
        return "" if isinstance(text, LongLine) else text

    def unreadable(self, start: int) -> TextLine | None:
        """The first line since `start` that is too long or holds bytes outside the charset."""
        for text in self.lines[start : self.at]:
            if isinstance(text, LongLine) or has_bad_bytes(text):
                return text
        return None


class DelimitedReader:
    """Lines from the file, rows from the grammar that the options ask for."""

    whole_file = False

    def __init__(self, grammar: Callable[[Mapping[str, object], str], Grammar], separator: str, single: bool) -> None:
        self._grammar = grammar
        self._separator = separator
        self._single = single

    def check(self, options: Mapping[str, object]) -> str | None:
        separator = options.get("separator", self._separator)
        if not isinstance(separator, str) or not separator or (self._single and not _usable(separator)):
            what = "one character, not a line end" if self._single else "a text that is not empty"
            return f"Invalid separator {separator!r}: it must be {what}"
        quote = options.get("quote", '"')
        if self._single and not (quote == "" or (isinstance(quote, str) and _usable(quote) and quote != separator)):
            return f"Invalid quote {quote!r}: it must be one character, not the separator, or empty for none"
        charset = options.get("charset", "utf-8")
        if not isinstance(charset, str) or python_codec(charset) is None:
            return f"Unknown charset {charset!r}: use a name such as utf-8, windows-1252 or ISO-8859-1"
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        problem = self.check(options)
        if problem:
            raise FileBroken(problem)
        codec = str(python_codec(str(options.get("charset", "utf-8"))))
        grammar = self._grammar({"separator": self._separator, **options}, codec)
        file.seek(0)
        feed = Feed(text_batches(file, codec))
        names, here = _name_row(feed, grammar, codec)
        if names and start.record:
            feed, here = _resume(file, feed, codec, start, here), start
        yield from _blocks(feed, grammar, names, codec, here, size)

    def head(self, file: BinaryIO, options: Mapping[str, object]) -> bytes:
        """The file up to its first record, in the bytes that `originals` come in (see `originals_in`)."""
        codec = str(python_codec(str(options.get("charset", "utf-8"))))
        file.seek(0)
        feed = Feed(text_batches(file, codec))
        _, here = _name_row(feed, self._grammar({"separator": self._separator, **options}, codec), codec)
        file.seek(0)
        if is_linewise(codec):
            return file.read(here.offset)
        lines = Feed(text_batches(file, codec)).take(here.line).lines
        return "".join(line for line in lines if isinstance(line, str)).removeprefix(BOM).encode("utf-8")


def originals_in(options: Mapping[str, object]) -> tuple[str, str]:
    """The codec of the file, and that of the originals: UTF-8 where bytes of the file mean nothing alone."""
    codec = str(python_codec(str(options.get("charset", "utf-8"))))
    return codec, codec if is_linewise(codec) else "utf-8"


def _blocks(
    feed: TextFeed, grammar: Grammar, names: tuple[str, ...], codec: str, start: Position, size: int
) -> Iterator[Block]:
    record, line, offset = start
    while names and (batch := feed.take(size)).lines:
        rows, starts, lines = grammar.rows(batch, feed, line, len(names))
        numbers = _numbers(starts, line)
        record, line = record + len(rows), line + len(lines)
        if is_linewise(codec):
            offset += _length(lines, codec)
        if rows:
            originals = _Originals(lines, starts, codec)
            yield table_block(names, rows, numbers, originals, Position(record, line, offset))


def _numbers(starts: Sequence[int], line: int) -> Sequence[int]:
    if isinstance(starts, range):
        return range(line + 1, line + 1 + len(starts))
    return [line + 1 + at for at in starts]


class _Originals:
    """A record's own lines, without the last one's end."""

    def __init__(self, lines: Sequence[TextLine], starts: Sequence[int], codec: str) -> None:
        self._lines, self._starts, self._codec = lines, starts, codec

    def __call__(self, index: int) -> bytes:
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._lines)
        taken = self._lines[self._starts[index] : end]
        return b"".join(map(self._bytes, taken)).rstrip(b"\r\n")

    def _bytes(self, line: TextLine) -> bytes:
        if isinstance(line, LongLine):
            return line.head
        codec = self._codec if is_linewise(self._codec) else "utf-8"
        return line.encode(codec, "surrogateescape")


def _name_row(feed: TextFeed, grammar: Grammar, codec: str) -> tuple[tuple[str, ...], Position]:
    """The names, and where the records begin. A file of blank lines has none."""
    line = offset = 0
    while lines := feed.take(1).lines:
        text = lines[0]
        if line == 0 and isinstance(text, str) and text.startswith(BOM):
            offset, text = byte_length([BOM], codec), text.removeprefix(BOM)
        line += 1
        if isinstance(text, LongLine) or has_bad_bytes(text):
            raise FileBroken(f"The name row cannot be read: {_unreadable(text, line, codec).message}")
        names, further = _names(grammar, text, line, feed) if text.rstrip("\r\n") else ((), ())
        offset += _length([text, *further], codec)
        line += len(further)
        if names:
            return names, Position(0, line, offset if is_linewise(codec) else 0)
    return (), START


def _names(grammar: Grammar, text: str, line: int, feed: TextFeed) -> tuple[tuple[str, ...], Sequence[TextLine]]:
    try:
        cells, further = grammar.names(text, feed)
    except csv.Error as error:
        raise FileBroken(f"Line {line}: the name row is not valid CSV, {error}: {shorten(text.rstrip())}") from error
    return tuple(cells), further


def _resume(file: BinaryIO, feed: TextFeed, codec: str, start: Position, here: Position) -> TextFeed:
    if start.offset:
        file.seek(start.offset)
        return Feed(text_batches(file, codec))
    for _ in range(here.line, start.line):
        feed.take(1)
    return feed


def _length(lines: Sequence[TextLine], codec: str) -> int:
    texts = [text for text in lines if isinstance(text, str)]
    return byte_length(texts, codec) + sum(text.length for text in lines if isinstance(text, LongLine))


def fit(cells: list[str], width: int) -> list[str]:
    """Exactly `width` cells."""
    return cells[:width] if len(cells) >= width else cells + [""] * (width - len(cells))


def _too_many(cells: Sequence[str], number: int, width: int) -> BadRecord:
    extra = shorten(cells[width])
    return BadRecord(
        f"line {number} has {len(cells)} cells, the name row has {width}; the first without a name: {extra}"
    )


def _unreadable(text: TextLine, number: int, codec: str) -> BadRecord:
    if isinstance(text, LongLine):
        size = f"{text.length:,} bytes long; the limit is {LINE_CAP:,}"
        return BadRecord(f"line {number} is {size}: {shorten(text.head)}")
    shown = shorten(text.rstrip("\r\n").encode("utf-8", "surrogateescape"))
    return BadRecord(f"line {number} has bytes that are not valid {codec}: {shown}")


def _usable(character: str) -> bool:
    return len(character) == 1 and character not in "\r\n"


def _tsv(options: Mapping[str, object], codec: str) -> Grammar:
    return Tsv(str(options["separator"]), codec)


def _csv(options: Mapping[str, object], codec: str) -> Grammar:
    return Csv(str(options["separator"]), str(options.get("quote", '"')), codec)


def tsv_reader() -> DelimitedReader:
    return DelimitedReader(_tsv, "\t", single=False)


def csv_reader() -> DelimitedReader:
    return DelimitedReader(_csv, ",", single=True)
