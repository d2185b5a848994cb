"""`xml-text-of-children` and `xml-attributes`: the root's children are records; with `singleRecord` the root is."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from server.readers.base import START, Block, Position, shorten, skip_records
from server.readers.xml.feed import MAX_DEPTH, XmlFeed, xml_blocks

Bind = Callable[[XmlFeed, int], None]


class XmlReader:
    whole_file = True

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        level = 0 if options.get("singleRecord") else 1
        return skip_records(xml_blocks(file, lambda feed: self._bind(feed, level), size), start)


def bind_text_of_children(feed: XmlFeed, level: int) -> None:
    """A record is {local name of a child: all text below it}; the last child of a name wins, and a remark tells it."""
    depth = 0
    record: dict[str, str] = {}
    parts: list[str] = []
    name = ""

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal depth, record, parts, name
        if depth == level:
            feed.begin()
            record = {}
        elif depth == level + 1:
            name, parts = tag.rpartition(":")[2], []
        depth += 1
        if depth > MAX_DEPTH:
            raise feed.too_deep()

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if depth == level + 1:
            if name in record:
                feed.remark(f"<{name}>", f"an element has {shorten(name)} more than once; only the last one is read")
            record[name] = "".join(parts)
        elif depth == level:
            feed.finish(record, tag)

    def text(data: str) -> None:
        if depth > level + 1:
            parts.append(data)
        elif not data.isspace():
            feed.remark_text(data)

    feed.parser.StartElementHandler = start
    feed.parser.EndElementHandler = end
    feed.parser.CharacterDataHandler = text


def bind_attributes(feed: XmlFeed, level: int) -> None:
    """A record is {attribute as written: value}, declarations of namespaces included."""
    depth = 0
    record: dict[str, str] = {}

    def start(_: str, attributes: dict[str, str]) -> None:
        nonlocal depth, record
        if depth == level:
            feed.begin()
            record = attributes
        depth += 1
        if depth > MAX_DEPTH:
            raise feed.too_deep()

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if depth == level:
            feed.finish(record, tag)

    def text(data: str) -> None:
        if not data.isspace():
            feed.remark_text(data)

    feed.parser.StartElementHandler = start
    feed.parser.EndElementHandler = end
    feed.parser.CharacterDataHandler = text
