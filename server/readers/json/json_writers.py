"""Writes records of JSON back into a file."""

from collections.abc import Iterator

from server.readers.base import Original, OriginalFile


def write_lines(_file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """One record a line."""
    for record in records:
        yield record.content
        yield from record.rest
        yield b"\n"


def write_json(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """An array, also where the records stood in an object; a document that was one record stays one."""
    if file.options.get("singleRecord"):
        yield from (record.content for record in records)
        return
    before = b"[\n"
    for record in records:
        yield before + record.content
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"
