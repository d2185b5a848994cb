"""Writes records of XML back under the file's own root."""

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from server.readers.base import Original, OriginalFile
from server.readers.xml.feed import Root, root_of


def write_xml(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """Under the same root; a root that was the record itself stands alone."""
    root = _root(file)
    if file.options.get("singleRecord"):
        yield _declaration(root)
        yield from (record.content for record in records)
    else:
        yield from _document(root, records)


def write_marc_xml(file: OriginalFile, records: Iterator[Original]) -> Iterator[bytes]:
    """Under the same root; a root that was the record itself gets a collection around it."""
    root = _root(file)
    prefix, colon, name = root.tag.rpartition(":")
    yield from _document(root._replace(tag=f"{prefix}{colon}collection") if name == "record" else root, records)


def _root(file: OriginalFile) -> Root:
    with file.open() as opened:
        return root_of(opened)


def _document(root: Root, records: Iterator[Original]) -> Iterator[bytes]:
    yield _declaration(root)
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in root.attributes.items())
    yield f"<{root.tag}{attributes}>\n".encode(root.charset, "xmlcharrefreplace")
    for record in records:
        yield record.content + b"\n"
    yield f"</{root.tag}>\n".encode(root.charset, "xmlcharrefreplace")


def _declaration(root: Root) -> bytes:
    return f'<?xml version="1.0" encoding="{root.charset}"?>\n'.encode()
