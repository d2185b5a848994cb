"""One ISO 2709 record as MARC-in-JSON. A good record is what pymarc makes of it; what would lose a value is a fault."""

from itertools import accumulate

from server.readers.base import shorten
from server.readers.library.marc8 import Marc8Fault, marc8_text

END_OF_RECORD = b"\x1d"
END_OF_FIELD = b"\x1e"
LEADER = 24
ENTRY = 12

_SEPARATORS = b"\x1d\x1e\x1f"
_CONTROL = frozenset(f"{tag:03}" for tag in range(10))
_LENGTH = {f"{number:04}": number - 1 for number in range(1, 10_000)}  # a field's length counts its end mark

MarcRecord = dict[str, object]


class MarcFault(ValueError):
    """Why a record cannot be read."""


def decode(raw: bytes, utf8: bool = False) -> MarcRecord:
    """A record whose length and end are right. `utf8`: the text is UTF-8 even where the leader says otherwise."""
    unicode = utf8 or raw[9:10] == b"a"
    try:
        if raw.isascii() and (unicode or raw.translate(None, _SEPARATORS).decode("ascii").isprintable()):
            return _ascii(raw.decode("ascii"))
        return _utf8(raw) if unicode else _marc8(raw)
    except (_Odd, KeyError, ValueError, IndexError):
        return _patient(raw, unicode)


class _Odd(Exception):
    """Not a plain record: the patient reading takes it, or says what is wrong."""


def _base(raw: bytes | str) -> int:
    base = int(raw[12:17])
    if not LEADER + ENTRY < base < len(raw) or (base - LEADER - 1) % ENTRY:
        raise _Odd
    return base


def _tags(directory: str, lengths: list[int]) -> list[str]:
    """The tag of each field, where the directory names the fields as they lie: nothing between, nothing left over."""
    if len(directory) != ENTRY * len(lengths) + 1:
        raise _Odd
    starts = range(0, len(directory) - 1, ENTRY)
    if [_LENGTH[directory[at + 3 : at + 7]] for at in starts] != lengths:
        raise _Odd
    places = [0, *accumulate(length + 1 for length in lengths)]
    if [int(directory[at + 7 : at + 12]) for at in starts] != places[:-1]:
        raise _Odd
    return [directory[at : at + 3] for at in starts]


def _ascii(text: str) -> MarcRecord:
    base = _base(text)
    pieces = text[base:].split("\x1e")
    if text[base - 1] != "\x1e" or pieces.pop() != "\x1d":
        raise _Odd
    tags = _tags(text[LEADER:base], list(map(len, pieces)))
    fields: list[object] = [
        {tag: data if tag in _CONTROL else _data_field(data)} for tag, data in zip(tags, pieces, strict=True)
    ]
    return {"leader": text[:LEADER], "fields": fields}


def _pieces(raw: bytes) -> tuple[list[str], list[bytes]]:
    base = _base(raw)
    pieces = raw[base:].split(END_OF_FIELD)
    if raw[base - 1 : base] != END_OF_FIELD or pieces.pop() != END_OF_RECORD:
        raise _Odd
    return _tags(raw[LEADER:base].decode("ascii"), list(map(len, pieces))), pieces


def _utf8(raw: bytes) -> MarcRecord:
    tags, pieces = _pieces(raw)
    fields: list[object] = []
    for tag, data in zip(tags, END_OF_FIELD.join(pieces).decode("utf-8").split("\x1e"), strict=True):
        if not (tag in _CONTROL or _ascii_codes(data)):
            raise _Odd
        fields.append({tag: data if tag in _CONTROL else _data_field(data)})
    return {"leader": raw[:LEADER].decode("ascii"), "fields": fields}


def _marc8(raw: bytes) -> MarcRecord:
    if _is_utf8(raw):
        raise _Odd
    tags, pieces = _pieces(raw)
    fields: list[object] = [
        {tag: data.decode("ascii") if tag in _CONTROL else _marc8_field(data)}
        for tag, data in zip(tags, pieces, strict=True)
    ]
    return {"leader": raw[:LEADER].decode("ascii"), "fields": fields}


def _is_utf8(raw: bytes) -> bool:
    """Text in MARC-8 is hardly ever UTF-8 by chance: its accents stand before ASCII letters."""
    if raw.isascii():
        return False
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _data_field(data: str) -> MarcRecord:
    parts = data.split("\x1f")
    indicators = parts.pop(0)
    if len(indicators) != 2:
        raise _Odd
    subfields = [{part[0]: part[1:]} for part in parts if part]
    return {"ind1": indicators[0], "ind2": indicators[1], "subfields": subfields}


def _ascii_codes(data: str) -> bool:
    """Whether the indicators and the codes of the subfields are ASCII."""
    if data.isascii():
        return True
    indicators, *parts = data.split("\x1f")
    return indicators.isascii() and all(part[:1].isascii() for part in parts)


def _marc8_field(data: bytes) -> MarcRecord:
    parts = data.split(b"\x1f")
    indicators = parts.pop(0).decode("ascii")
    if len(indicators) != 2:
        raise _Odd
    subfields = [{part[:1].decode("ascii"): _marc8_text(part[1:])} for part in parts if part]
    return {"ind1": indicators[0], "ind2": indicators[1], "subfields": subfields}


def _marc8_text(data: bytes) -> str:
    text = data.decode("latin-1")
    return text if data.isascii() and text.isprintable() else marc8_text(data)


# The patient reading: what is odd but loses nothing is taken, and everything else is reported.


def _patient(raw: bytes, unicode: bool) -> MarcRecord:
    if not raw[:LEADER].isascii():
        raise MarcFault("the leader is not ASCII")
    if not unicode and _is_utf8(raw):
        raise MarcFault(
            "position 9 of the leader says MARC-8, but the text is UTF-8: write `a` there, or choose the charset utf-8"
        )
    base = _told_base(raw)
    entries = _entries(raw[LEADER : base - 1])
    fields: list[object] = [{tag: _told_field(tag, data, unicode)} for tag, data in _by_marks(raw[base:], entries)]
    return {"leader": raw[:LEADER].decode("ascii"), "fields": fields}


def _told_base(raw: bytes) -> int:
    said = raw[12:17].decode("ascii")
    if not (said.isascii() and said.strip(" ").isdigit()):
        raise MarcFault(f"the base address in the leader is not a number: {said!r}")
    base = int(said)
    if base == 0:
        raise MarcFault("the base address in the leader is 0")
    if base >= len(raw):
        raise MarcFault(f"the base address in the leader ({said}) lies behind the end of the record")
    if base == LEADER + 1:
        raise MarcFault("the record has no fields")
    if base < LEADER + 1 or (base - LEADER - 1) % ENTRY:
        raise MarcFault("the length of the directory is not a multiple of 12")
    if raw[base - 1 : base] != END_OF_FIELD:
        raise MarcFault(f"the directory does not end before the base address in the leader ({said})")
    return base


def _entries(directory: bytes) -> list[tuple[str, int]]:
    """Tag and place of each field, in the directory's order. The end marks say how long a field is."""
    if not directory.isascii():
        raise MarcFault("the directory is not ASCII")
    text = directory.decode("ascii")
    return [_entry(text[at : at + ENTRY]) for at in range(0, len(text), ENTRY)]


def _entry(entry: str) -> tuple[str, int]:
    if not (entry[3:7].strip(" ").isdigit() and entry[7:].strip(" ").isdigit()):
        raise MarcFault(f"the directory cannot be read: {shorten(entry)} is no tag, length and place")
    return entry[:3], int(entry[7:])


def _by_marks(data: bytes, entries: list[tuple[str, int]]) -> list[tuple[str, bytes]]:
    """Each field from its place to its end mark, however long: a field over 9,999 bytes cannot say its length."""
    pieces = data.removesuffix(END_OF_RECORD).removesuffix(END_OF_FIELD).split(END_OF_FIELD)
    starts = accumulate((len(piece) + 1 for piece in pieces), initial=0)
    found = dict(zip(starts, pieces, strict=False))
    for tag, place in entries:
        if place not in found:
            raise MarcFault(f"the directory says that field {tag} begins at {place}, where no field begins")
    if len({place for _, place in entries}) != len(entries) or len(entries) != len(pieces):
        raise MarcFault(f"the directory names {len(entries)} fields, but {len(pieces)} have an end mark")
    return [(tag, found[place]) for tag, place in entries]


def _told_field(tag: str, data: bytes, unicode: bool) -> object:
    if tag in _CONTROL:
        return _told_text(tag, data, unicode) if unicode or data.isascii() else _not_ascii(tag, data)
    indicators, *parts = data.split(b"\x1f")
    if len(indicators) > 2 or not indicators.isascii():
        raise MarcFault(f"field {tag} has {shorten(indicators)} where two indicators have to stand")
    padded = indicators.decode("ascii").ljust(2)
    subfields = [_told_subfield(tag, part, unicode) for part in parts if part]
    return {"ind1": padded[0], "ind2": padded[1], "subfields": subfields}


def _told_subfield(tag: str, part: bytes, unicode: bool) -> dict[str, str]:
    if not part[:1].isascii():
        raise MarcFault(f"field {tag} has a subfield without a code: {shorten(part)}")
    return {part[:1].decode("ascii"): _told_text(tag, part[1:], unicode)}


def _told_text(tag: str, data: bytes, unicode: bool) -> str:
    try:
        return data.decode("utf-8") if unicode else _marc8_text(data)
    except Marc8Fault as error:
        raise MarcFault(f"field {tag} is not valid MARC-8, {error}") from error
    except UnicodeDecodeError as error:
        around = data[max(0, error.start - 12) : error.start + 12]
        raise MarcFault(f"field {tag} is not valid UTF-8, {error.reason}: {around!r}") from error


def _not_ascii(tag: str, data: bytes) -> object:
    raise MarcFault(f"control field {tag} is not ASCII: {shorten(data)}")
