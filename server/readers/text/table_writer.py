"""Writes rows of a table of text back under the file's own name row."""

import codecs
from collections.abc import Callable, Iterator

from server.readers.base import Original, OriginalFile, Writer
from server.readers.text.delimited_reader import DelimitedReader, originals_in


def table_writer(reader: DelimitedReader) -> Writer:
    """The writer for tables that this reader reads."""

    def write(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
        with file.open() as opened:
            codec, own = originals_in(opened, file.options)
            head = reader.head(opened, file.options)
        recode = _same if codec == own else _recoder(own, codec)
        end = b"\r\n" if head.endswith(b"\r\n") else b"\n"
        yield recode(head if head.endswith((b"\n", b"\r")) else head + end)
        for record in records:
            yield recode(record.content)
            yield from record.rest
            yield recode(end)

    return write


def _same(data: bytes) -> bytes:
    return data


def _recoder(own: str, codec: str) -> Callable[[bytes], bytes]:
    """Translates pieces of one text; the encoder keeps its state, so that a byte order mark is written once."""
    encoder = codecs.getincrementalencoder(codec)()
    return lambda data: encoder.encode(data.decode(own))
