"""`marc-xml`: MARCXML as MARC-in-JSON, the same dicts as `marc` gives."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from server.readers.base import START, BadRecord, Block, FileBroken, Position, shorten, skip_records
from server.readers.xml.feed import MAX_DEPTH, XmlFeed, xml_blocks

_OF_RECORDS = ("leader", "controlfield", "datafield", "subfield")


class MarcXmlReader:
    """A record is an element `record`, in any namespace, that holds a leader or fields; it may be the root."""

    whole_file = True

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        return skip_records(_blocks(file, size), start)


def _blocks(file: BinaryIO, size: int) -> Iterator[Block]:
    bound: list[_Handlers] = []
    records = 0
    for block in xml_blocks(file, lambda feed: bound.append(_Handlers(feed)), size):
        records += len(block.records)
        yield block
    if not records:
        bound[0].check_is_empty()


class _Handlers:
    def __init__(self, feed: XmlFeed) -> None:
        self._feed = feed
        self._depth = 0
        self._record_depth = 0  # 0 outside records; an envelope's own `record` gives way to one inside it
        self._leader = ""
        self._fields: list[object] = []
        self._subfields: list[object] | None = None
        self._key = ""  # tag of a control field, code of a subfield
        self._text: list[str] = []
        self._fault = ""
        self._root = ""
        self._is_empty = True  # nothing is inside of the root
        self._around = 1  # the depth of the element that the records stand in
        feed.parser.StartElementHandler = self._start
        feed.parser.EndElementHandler = self._end
        feed.parser.CharacterDataHandler = self._text.append  # the one list for good: a call saved for each text

    def check_is_empty(self) -> None:
        """Refuses a file that has elements, and no record among them."""
        if not self._is_empty:
            root = shorten(self._root)
            raise FileBroken(f"The file holds no MARC record: no element is named `record` (the root is {root})")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._feed.too_deep()
        if self._text:
            self._pass_over(self._depth - 1)
        name = tag.rpartition(":")[2]
        if not self._record_depth:
            self._outside(name)
        if name == "subfield":
            self._key = attributes["code"] if "code" in attributes else self._absent("code", name)
        elif name == "datafield":
            self._open_field(attributes)
        elif name == "controlfield":
            self._key = self._tag_of(attributes, name)
        elif name == "record":
            self._open_record()

    def _outside(self, name: str) -> None:
        """An element that is in no record."""
        if self._depth == 1:
            self._root = name
        else:
            self._is_empty = False
        if name in _OF_RECORDS:
            line = self._feed.parser.CurrentLineNumber
            raise FileBroken(f"Line {line}: an element {name} stands outside of any element `record`")

    def _open_record(self) -> None:
        if self._leader or self._fields:
            line = self._feed.parser.CurrentLineNumber
            raise FileBroken(
                f"Line {line}: a record begins inside of the one that begins at line {self._feed.lines[-1]}"
            )
        if self._record_depth:
            self._feed.reopen()
        else:
            self._feed.begin()
        self._record_depth = self._depth
        self._leader, self._fields, self._subfields, self._fault = "", [], None, ""

    def _open_field(self, attributes: dict[str, str]) -> None:
        self._subfields = []
        field = {"ind1": attributes.get("ind1", " "), "ind2": attributes.get("ind2", " "), "subfields": self._subfields}
        self._fields.append({self._tag_of(attributes, "datafield"): field})

    def _tag_of(self, attributes: dict[str, str], name: str) -> str:
        tag = attributes["tag"] if "tag" in attributes else self._absent("tag", name)
        return tag.zfill(3) if tag.isdigit() else tag

    def _absent(self, attribute: str, name: str) -> str:
        self._fault = self._fault or f"an element {name} has no attribute {attribute}"
        return ""

    def _end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name == "subfield" and self._subfields is not None:
            self._subfields.append({self._key: "".join(self._text)})
        elif name == "datafield":
            self._pass_over(self._depth)
            self._subfields = None
        elif name == "controlfield":
            self._fields.append({self._key: "".join(self._text)})
        elif name == "leader":
            self._close_leader()
        elif name == "record" and self._depth == self._record_depth:
            self._pass_over(self._depth)
            self._feed.finish(self._record(), tag)
            self._record_depth, self._around = 0, self._depth - 1
            self._leader, self._fields = "", []
        else:
            self._pass_over(self._depth)
            self._around = 1 if self._depth == self._around else self._around
        self._text.clear()
        self._depth -= 1

    def _close_leader(self) -> None:
        if self._leader:
            self._fault = self._fault or "the record has more than one leader"
        self._leader = "".join(self._text)

    def _pass_over(self, depth: int) -> None:
        """Text outside of the elements that hold values; of a record, and between records, it must not be lost."""
        text = "".join(self._text).strip()
        self._text.clear()
        if not text:
            return
        if not self._record_depth:
            if depth in (1, self._around):  # elsewhere it is of an envelope
                self._feed.remark_text(text)
        elif not self._fault:
            self._fault = f"text stands where it belongs to no field: {shorten(text)}"

    def _record(self) -> object:
        if not self._fields:
            self._fault = self._fault or "the record has no fields"
        if self._fault:
            return BadRecord(f"line {self._feed.lines[-1]}: {self._fault}")
        return {"leader": self._leader, "fields": self._fields}
