"""Lines of text in any charset, with their newlines (LF, CRLF, CR), in large steps."""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from server.readers.base import FileBroken
from server.readers.text.charsets import is_linewise
from server.readers.text.lines import LINE_CAP, STEP, LineBatch, LongLine, whole_lines

_ESCAPED = re.compile("[\udc80-\udcff]")
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_END_MARK = "\x1a"  # of old systems, at the end of a file or up to the end of its last block
_MARKED = "penstock-marked"  # how codecs whose bytes mean nothing alone show what they cannot read


def text_batches(file: BinaryIO, codec: str) -> Iterator[LineBatch[str]]:
    """From where the file stands. Bytes outside the charset become lone surrogates (see `has_bad_bytes`)."""
    return _without_end_mark(_linewise(file, codec) if is_linewise(codec) else _decoded(file, codec))


def _without_end_mark(batches: Iterator[LineBatch[str]]) -> Iterator[LineBatch[str]]:
    last: LineBatch[str] | None = None
    for batch in batches:
        if last is not None:
            yield last
        last = batch
    if last is not None:
        yield LineBatch(_unmarked(last.lines), last.needs_slow_path)


def _unmarked(lines: Sequence[str | LongLine]) -> Sequence[str | LongLine]:
    """The mark may stand on a line of its own, behind the last line, or before a last line end."""
    kept = list(lines[-1:])
    if not kept or isinstance(kept[0], LongLine) or not kept[0].rstrip("\r\n\0").endswith(_END_MARK):
        return lines
    text = kept[0].rstrip(_END_MARK + "\r\n\0")
    return [*lines[:-1], *([text] if text else [])]


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_MARKED, _mark)


def has_bad_bytes(line: str) -> bool:
    return not line.isascii() and _ESCAPED.search(line) is not None


def byte_length(lines: list[str], codec: str) -> int:
    """How many bytes of the file the lines were, for a linewise codec."""
    text = "".join(lines)
    return len(text) if text.isascii() else len(text.encode(codec, "surrogateescape"))


def split(text: str) -> list[str]:
    """Lines with their ends; only LF, CRLF and CR end a line (str.splitlines knows more)."""
    return io.StringIO(text, newline="").readlines()


def _linewise(file: BinaryIO, codec: str) -> Iterator[LineBatch[str]]:
    for run in whole_lines(file, cr=True):
        if isinstance(run, LongLine):
            yield LineBatch([run], True)
            continue
        try:
            yield LineBatch(split(run.decode(codec)), False)
        except UnicodeDecodeError:
            yield LineBatch(split(_escape(run, codec)), True)


def _escape(run: bytes, codec: str) -> str:
    try:
        return run.decode(codec, "surrogateescape")
    except UnicodeDecodeError as error:
        raise FileBroken(f"The file is not valid {codec}: {error.reason}") from error


def _decoded(file: BinaryIO, codec: str) -> Iterator[LineBatch[str]]:
    """For charsets whose bytes have no meaning alone."""
    decoder = codecs.getincrementaldecoder(_byte_order(file, codec))(_MARKED)
    rest, at = "", file.tell()
    while True:
        data = file.read(STEP)
        try:
            text = rest + decoder.decode(data, final=not data)
        except (UnicodeError, ValueError) as error:
            raise FileBroken(f"The file is not valid {codec} near byte {at:,}: {error}") from error
        at += len(data)
        lines = split(text)
        rest = lines.pop() if data and lines else ""
        if len(rest) > LINE_CAP:
            raise FileBroken(f"A line before byte {at:,} is longer than {LINE_CAP:,} characters")
        if lines:
            yield LineBatch(lines, "\udcff" in text)
        if not data:
            return


def _byte_order(file: BinaryIO, codec: str) -> str:
    """UTF-16 and UTF-32 without a mark are big-endian, as in Java; Python would take the machine's order."""
    if codec not in ("utf-16", "utf-32"):
        return codec
    at = file.tell()
    head = file.read(4)
    file.seek(at)
    marked = head[:2] in _UTF16_BOMS if codec == "utf-16" else head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
    return codec if marked else codec + "-be"
