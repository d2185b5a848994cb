"""`tsv-with-name-row` and `csv-with-name-row`: tables of text whose first line holds the names."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, Protocol, cast

from server.readers.base import START, BadRecord, Block, FileBroken, Position, Row, shorten, table_block
from server.readers.text.charsets import is_linewise, marked_codec, python_codec, unmarked_utf16
from server.readers.text.likely_charset import HEAD, likely_charset
from server.readers.text.lines import LINE_CAP, LineBatch, LineFeed, LongLine
from server.readers.text.text_lines import byte_length, has_bad_bytes, text_batches

BOM = "\ufeff"
ROW_LINES = 50_000  # a stray quote must not swallow the rest of the file
CELL_CAP = 2 * LINE_CAP  # more than a line has, so that no cell of one line is too long

_SEPARATOR_LINE = re.compile(r"""[ \t]*(["']?)sep=(\\t|[^\r\n])\1[ \t\r\n,;]*""", re.I)

TextLine = str | LongLine
TextFeed = LineFeed[str]


class Rows(NamedTuple):
    """What a grammar made of some lines: the rows, the index of the line each begins on, and the lines they took."""

    rows: Sequence[Row | BadRecord]
    starts: Sequence[int]
    lines: Sequence[TextLine]
    fault: FileBroken | None = None  # of what comes after them
    remarks: tuple[str, ...] = ()


class Grammar(Protocol):
    """How lines become cells."""

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        """The cells of the first row, and the further lines it took."""

    def rows(self, batch: LineBatch[str], more: TextFeed, line: int, width: int) -> Rows:
        """Rows of exactly `width` cells; takes further lines where the last row goes on. `line` lines come before."""


class Tsv:
    """No quoting, no trimming; short rows are filled up, further cells dropped and told, blank rows passed over."""

    def __init__(self, separator: str, charset: "Charset") -> None:
        self._separator = separator
        self._charset = charset

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        return self._cells(line), ()

    def _cells(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._separator)

    def rows(self, batch: LineBatch[str], more: TextFeed, line: int, width: int) -> Rows:
        if batch.needs_slow_path:
            return self._closely(batch.lines, line, width)
        separator, lines = self._separator, cast(Sequence[str], batch.lines)
        rows = [text.rstrip("\r\n").split(separator) for text in lines]
        if {*map(len, rows)} == {width} and width > 1 and _all_filled(rows):
            return Rows(rows, range(len(rows)), lines)
        return self._closely(lines, line, width)

    def _closely(self, lines: Sequence[TextLine], line: int, width: int) -> Rows:
        starts = [at for at, text in enumerate(lines) if isinstance(text, LongLine) or not self._is_blank(text)]
        rows = [self._row(lines[at], line + at + 1, width) for at in starts]
        return Rows(rows, starts, lines, remarks=self._further(lines, line, width))

    def _further(self, lines: Sequence[TextLine], line: int, width: int) -> tuple[str, ...]:
        """What is said of rows with cells beyond the names, which the vendor drops."""
        longer = [
            at for at, text in enumerate(lines) if isinstance(text, str) and "".join(self._cells(text)[width:]).strip()
        ]
        if not longer:
            return ()
        cells = self._cells(cast(str, lines[longer[0]]))
        more = f"; so in {len(longer) - 1:,} more of the lines up to {line + len(lines):,}" if longer[1:] else ""
        first = shorten(next(cell for cell in cells[width:] if cell.strip()))
        told = f"line {line + longer[0] + 1} has {len(cells)} cells, the name row has {width}"
        return (f"{told}; those without a name are not read, the first is {first}{more}",)

    def _is_blank(self, text: str) -> bool:
        return not text.replace(self._separator, "").strip()

    def _row(self, text: TextLine, number: int, width: int) -> Row | BadRecord:
        if isinstance(text, LongLine) or has_bad_bytes(text):
            return _unreadable(text, number, self._charset)
        return fit(self._cells(text), width)


class Csv:
    """Cells may be quoted. Blank rows are passed over; a row is bad where a cell that has no name is not empty."""

    def __init__(self, separator: str, quote: str, charset: "Charset") -> None:
        self._separator = separator
        self._quote = quote
        self._charset = charset

    def names(self, line: str, more: TextFeed) -> tuple[list[str], Sequence[TextLine]]:
        source = _Source([line], more)
        return next(self._reader(source), []), source.lines[1:]

    def rows(self, batch: LineBatch[str], more: TextFeed, line: int, width: int) -> Rows:
        if batch.needs_slow_path:
            return self._closely(batch.lines, more, line, width)
        lines = cast(Sequence[str], batch.lines)
        try:
            rows = list(self._reader(lines))
        except csv.Error:
            return self._closely(lines, more, line, width)
        if len(rows) != len(lines):
            return self._closely(lines, more, line, width)
        if {*map(len, rows)} == {width} and _all_filled(rows):
            return Rows(rows, range(len(rows)), lines)
        return self._fitted(rows, lines, line, width)

    def _fitted(self, rows: Sequence[list[str]], lines: Sequence[TextLine], line: int, width: int) -> Rows:
        """A row for each line: only their widths are looked at."""
        starts = [at for at, row in enumerate(rows) if not _is_blank(row)]
        return Rows([_as_wide(rows[at], line + at + 1, width) for at in starts], starts, lines)

    def _reader(self, lines: Sequence[str] | Iterator[str]) -> "Iterator[list[str]]":
        csv.field_size_limit(CELL_CAP)
        if self._quote:
            return csv.reader(lines, delimiter=self._separator, quotechar=self._quote, strict=True)
        return csv.reader(lines, delimiter=self._separator, quoting=csv.QUOTE_NONE)

    def _closely(self, lines: Sequence[TextLine], more: TextFeed, line: int, width: int) -> Rows:
        """Row by row: finds the rows that are bad, blank, or go over several lines."""
        source = _Source(lines, more)
        reader = self._reader(source)
        rows: list[Row | BadRecord] = []
        starts: list[int] = []
        while source.at < len(lines):
            start = source.begin()
            try:
                row = self._row(next(reader, []), source, start, line, width)
            except csv.Error as error:
                found = self._fault(error, source, start, line, width)
                if isinstance(found, FileBroken):
                    return Rows(rows, starts, source.lines[:start], found)
                row = found
            if row is not None:
                rows.append(row)
                starts.append(start)
        more.put_back(LineBatch(source.lines[source.at :], needs_slow_path=True))
        return Rows(rows, starts, source.lines[: source.at])

    def _row(self, cells: list[str], source: "_Source", start: int, line: int, width: int) -> Row | BadRecord | None:
        unreadable = source.unreadable(start)
        if unreadable is not None:
            return _unreadable(unreadable, line + start + 1, self._charset)
        return None if _is_blank(cells) else _as_wide(cells, line + start + 1, width)

    def _fault(self, error: csv.Error, source: "_Source", start: int, line: int, width: int) -> BadRecord | FileBroken:
        """Of the lines that a stray quote took only the first is lost, where all others are rows of their own."""
        number, open_quote = line + start + 1, source.ended or isinstance(error, _NoEnd)
        swallowed = source.lines[start + 1 : source.at]
        if swallowed and self._are_rows(swallowed, width):
            source.at = start + 1
            shown = _shown(source.lines[start])
            return BadRecord(f"line {number}: a quote is opened that this row does not close: {shown}")
        if open_quote:
            return FileBroken(
                f"Line {number}: a quoted cell that begins in this record has no end within {ROW_LINES:,} lines, "
                f"{LINE_CAP:,} characters or the file; the records before it are read, and nothing from here on. "
                "Double the quotes inside a cell, or set another `quote`"
            )
        to = f" to {line + source.at}" if swallowed else ""
        return BadRecord(f"line {number}{to}: not valid CSV, {error}: {_shown(source.lines[source.at - 1])}")

    def _are_rows(self, lines: Sequence[TextLine], width: int) -> bool:
        if width == 1 or not all(isinstance(text, str) for text in lines):
            return False
        try:
            rows = list(self._reader(cast(Sequence[str], lines)))
        except csv.Error:
            return False
        return len(rows) == len(lines) and all(len(row) == width or not row for row in rows)


def _shown(text: TextLine) -> str:
    return shorten(text.head if isinstance(text, LongLine) else text.rstrip("\r\n"))


def _is_blank(cells: Sequence[str]) -> bool:
    """Whether a row has nothing but separators and blanks."""
    return not "".join(cells).strip()


def _all_filled(rows: Sequence[Sequence[str]]) -> bool:
    return all(map(str.strip, map("".join, rows)))


class _NoEnd(csv.Error):
    """A row goes on for so long that a quote must be missing."""


class _Source(Iterator[str]):
    """Lines one by one, from those at hand and then from the feed; it keeps those it gave."""

    def __init__(self, lines: Sequence[TextLine], more: TextFeed) -> None:
        self.lines = list(lines)
        self.at = 0
        self.ended = False
        self._more = more
        self._start = self._length = 0

    def begin(self) -> int:
        """The next row begins here."""
        self._start, self._length, self.ended = self.at, 0, False
        return self.at

    def __next__(self) -> str:
        if self.at == len(self.lines):
            self.lines.extend(self._more.take(1).lines)
        if self.at == len(self.lines):
            self.ended = True
            raise StopIteration
        text = self.lines[self.at]
        self.at += 1
        self._length += len(text) if isinstance(text, str) else 0
        if self.at - self._start > 1 and (self.at - self._start > ROW_LINES or self._length > LINE_CAP):
            raise _NoEnd("no end")
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

    def __init__(self, grammar: "MakeGrammar", separator: str, single: bool) -> None:
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
        table = self._opened(file, options)
        here, feed = table.here, table.feed
        if table.names and start.record:
            feed, here = _resume(file, feed, table.charset.codec, start, here), start
        yield from _blocks(feed, table, here, size)

    def head(self, file: BinaryIO, options: Mapping[str, object]) -> bytes:
        """The file up to its first record, in the bytes that `originals` come in (see `originals_in`)."""
        table = self._opened(file, options)
        codec, here = table.charset.codec, table.here
        file.seek(0)
        if is_linewise(codec):
            return file.read(here.offset)
        lines = LineFeed(text_batches(file, codec)).take(here.line).lines
        return "".join(line for line in lines if isinstance(line, str)).removeprefix(BOM).encode("utf-8")

    def _opened(self, file: BinaryIO, options: Mapping[str, object]) -> "_Table":
        """A line `sep=;` in front of the names goes before the option."""
        charset = Charset(file, options.get("charset"))
        file.seek(0)
        feed = LineFeed(text_batches(file, charset.codec))
        named, here = self._separator_line(feed, charset.codec)
        separator = named or str(options.get("separator", self._separator))
        grammar = self._grammar(separator, str(options.get("quote", '"')), charset)
        names, here = _name_row(feed, grammar, charset, here)
        return _Table(feed, grammar, charset, names, here)

    def _separator_line(self, feed: TextFeed, codec: str) -> tuple[str | None, Position]:
        """The separator that the first line names, and where the next one begins; else nothing is taken."""
        batch = feed.take(1)
        lines = batch.lines
        text = lines[0] if lines else ""
        found = _SEPARATOR_LINE.fullmatch(text.lstrip(BOM)) if isinstance(text, str) and len(text) < 40 else None
        if found is None:
            feed.put_back(batch)
            return None, START
        return "\t" if found[2] == "\\t" else found[2], Position(0, 1, _length(lines, codec))


class Charset:
    """What a file is in: what its byte order mark says, else what the option says, else UTF-8."""

    def __init__(self, file: BinaryIO, option: object) -> None:
        self._file = file
        file.seek(0)
        head = file.read(4096)
        declared = python_codec(str(option)) if option is not None else None
        marked = marked_codec(head)
        self._is_declared = declared is not None
        self.codec = _agreed(marked, declared)
        self.remarks: tuple[str, ...] = ()
        if marked and declared and self.codec != declared:
            self.remarks = (f"its byte order mark says {marked}, so it is not read as {option}",)
        unmarked = unmarked_utf16(head) if is_linewise(self.codec) else None
        if unmarked:
            raise FileBroken(f"The file seems to be in {unmarked}: set the option `charset` to that")

    def hint(self, line: bytes) -> str:
        """What to do about bytes that cannot be read."""
        if self._is_declared:
            return ""
        at = self._file.tell()
        self._file.seek(0)
        likely = likely_charset(self._file.read(HEAD)) or likely_charset(line)
        self._file.seek(at)
        return f"; the file seems to be in {likely}: set the option `charset`" if likely else ""


def _agreed(marked: str | None, declared: str | None) -> str:
    """A charset of the marked family that says its byte order, too, reads the same file."""
    return marked or declared or "utf-8"


class _Table(NamedTuple):
    """An open file: `feed` stands behind the names, at `here`."""

    feed: TextFeed
    grammar: Grammar
    charset: Charset
    names: tuple[str, ...]
    here: Position


MakeGrammar = Callable[[str, str, Charset], Grammar]


def originals_in(file: BinaryIO, options: Mapping[str, object]) -> tuple[str, str]:
    """The codec of the file, and that of the originals: UTF-8 where bytes of the file mean nothing alone."""
    codec = Charset(file, options.get("charset")).codec
    return codec, codec if is_linewise(codec) else "utf-8"


def _blocks(feed: TextFeed, table: _Table, start: Position, size: int) -> Iterator[Block]:
    """One without records where there are none, for what its names and remarks say."""
    record, line, offset = start
    names, codec, remarks = table.names, table.charset.codec, table.charset.remarks
    while names and (batch := feed.take(size)).lines:
        rows, starts, lines, fault, told = table.grammar.rows(batch, feed, line, len(names))
        remarks += told
        numbers = _numbers(starts, line)
        record, line = record + len(rows), line + len(lines)
        if is_linewise(codec):
            offset += _length(lines, codec)
        if rows:
            originals = _Originals(lines, starts, codec)
            block = table_block(names, rows, numbers, originals, Position(record, line, offset))
            yield block._replace(remarks=remarks) if remarks else block
            remarks = ()
        if fault is not None:
            raise fault
    if not record:
        yield _no_records(names, Position(0, line, offset), remarks)


def _no_records(names: tuple[str, ...], end: Position, remarks: tuple[str, ...]) -> Block:
    if not names:
        remarks = (*remarks, "the file is empty: it has no names, and no records")
        return Block((), (), lambda index: b"", end, remarks=remarks)
    return table_block(names, (), (), lambda index: b"", end)._replace(remarks=remarks)


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


def _name_row(feed: TextFeed, grammar: Grammar, charset: Charset, start: Position) -> tuple[tuple[str, ...], Position]:
    """The names, and where the records begin. A file of blank lines has none."""
    _, line, offset = start
    codec = charset.codec
    while lines := feed.take(1).lines:
        text = lines[0]
        if line == 0 and isinstance(text, str) and text.startswith(BOM):
            marks = len(text) - len(text.lstrip(BOM))  # more than one where files were joined
            offset, text = byte_length([BOM * marks], codec), text.lstrip(BOM)
        line += 1
        if isinstance(text, LongLine) or has_bad_bytes(text):
            raise FileBroken(f"The name row cannot be read: {_unreadable(text, line, charset).message}")
        names, further = _names(grammar, text, line, feed) if text.rstrip("\r\n") else ((), ())
        offset += _length([text, *further], codec)
        line += len(further)
        if any(names):
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
        return LineFeed(text_batches(file, codec))
    for _ in range(here.line, start.line):
        feed.take(1)
    return feed


def _length(lines: Sequence[TextLine], codec: str) -> int:
    texts = [text for text in lines if isinstance(text, str)]
    return byte_length(texts, codec) + sum(text.length for text in lines if isinstance(text, LongLine))


def fit(cells: list[str], width: int) -> list[str]:
    """Exactly `width` cells."""
    return cells[:width] if len(cells) >= width else cells + [""] * (width - len(cells))


def _as_wide(cells: list[str], number: int, width: int) -> Row | BadRecord:
    """Cells to the right of the names hold nothing that could be lost where they are empty."""
    extra = next((cell for cell in cells[width:] if cell.strip()), None)
    if extra is None:
        return fit(cells, width)
    return BadRecord(
        f"line {number} has {len(cells)} cells, the name row has {width}; the first without a name: {shorten(extra)}"
    )


def _unreadable(text: TextLine, number: int, charset: Charset) -> BadRecord:
    if isinstance(text, LongLine):
        size = f"{text.length:,} bytes long; the limit is {LINE_CAP:,}"
        return BadRecord(f"line {number} is {size}: {shorten(text.head)}")
    raw = text.rstrip("\r\n").encode("utf-8", "surrogateescape")
    return BadRecord(f"line {number} has bytes that are not valid {charset.codec}: {shorten(raw)}{charset.hint(raw)}")


def _usable(character: str) -> bool:
    return len(character) == 1 and character not in "\r\n"


def _tsv(separator: str, _: str, charset: Charset) -> Grammar:
    return Tsv(separator, charset)


def _csv(separator: str, quote: str, charset: Charset) -> Grammar:
    return Csv(separator, quote, charset)


def tsv_reader() -> DelimitedReader:
    return DelimitedReader(_tsv, "\t", single=False)


def csv_reader() -> DelimitedReader:
    return DelimitedReader(_csv, ",", single=True)
