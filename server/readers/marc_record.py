"""One ISO 2709 record as MARC-in-JSON. Right and wrong are what they are to pymarc, which also takes the odd cases."""

import warnings
from contextlib import nullcontext, redirect_stderr
from io import StringIO
from typing import Any

from pymarc import Record
from pymarc.exceptions import (
    BadSubfieldCodeWarning,
    BaseAddressInvalid,
    BaseAddressNotFound,
    NoFieldsFound,
    PymarcException,
    RecordDirectoryInvalid,
)
from pymarc.marc8 import marc8_to_unicode

END_OF_RECORD = b"\x1d"
MULTIBYTE = b"\x1b$"
LEADER = 24
ENTRY = 12

_SEPARATORS = b"\x1d\x1e\x1f"
_CONTROL = frozenset(f"{tag:03}" for tag in range(10))
_SPAN = {f"{number:04}": number - 1 for number in range(10_000)}  # a field's length counts its end mark
_REASONS: dict[type[Exception], str] = {
    BaseAddressInvalid: "the base address in the leader ({base}) lies behind the end of the record",
    BaseAddressNotFound: "the base address in the leader is 0",
    RecordDirectoryInvalid: "the length of the directory is not a multiple of 12",
    NoFieldsFound: "the record has no fields",
}

MarcRecord = dict[str, object]


class MarcFault(ValueError):
    """Why a record cannot be read."""


def decode(raw: bytes, utf8: bool = False) -> MarcRecord:
    """A record whose length and end are right. `utf8`: the text is UTF-8 whatever the leader says."""
    unicode = utf8 or raw[9:10] == b"a"
    try:
        if raw.isascii() and (unicode or raw.translate(None, _SEPARATORS).decode("ascii").isprintable()):
            return _ascii(raw.decode("ascii"), unicode)
        return _utf8(raw) if unicode else _marc8(raw)
    except (_Odd, KeyError, ValueError, IndexError):
        return _by_pymarc(raw, utf8)


class _Odd(Exception):
    """Not a plain record: the patient reader takes it."""


def _base(raw: bytes | str) -> int:
    base = int(raw[12:17])
    if not LEADER + ENTRY < base < len(raw) or (base - LEADER - 1) % ENTRY:
        raise _Odd
    return base


def _entries(base: int, directory: str) -> list[tuple[str, int, int]]:
    """Tag, begin and end of each field, in the directory's order."""
    starts = range(0, len(directory), ENTRY)
    return [
        (
            directory[at : at + 3],
            (first := base + int(directory[at + 7 : at + 12])),
            first + _SPAN[directory[at + 3 : at + 7]],
        )
        for at in starts
    ]


def _ascii(text: str, unicode: bool) -> MarcRecord:
    base = _base(text)
    fields: list[object] = []
    for tag, first, end in _entries(base, text[LEADER : base - 1]):
        data = text[first:end]
        if not unicode and "\x1e" in data and tag not in _CONTROL:
            raise _Odd  # a wrong length: the field runs into the next one, and MARC-8 has no such character
        fields.append({tag: data if tag in _CONTROL else _data_field(data)})
    return {"leader": text[:LEADER], "fields": fields}


def _utf8(raw: bytes) -> MarcRecord:
    base = _base(raw)
    fields: list[object] = []
    for tag, first, end in _entries(base, raw[LEADER : base - 1].decode("ascii")):
        data = raw[first:end].decode("utf-8")
        if not (tag in _CONTROL or _ascii_codes(data)):
            raise _Odd
        fields.append({tag: data if tag in _CONTROL else _data_field(data)})
    return {"leader": raw[:LEADER].decode("ascii"), "fields": fields}


def _marc8(raw: bytes) -> MarcRecord:
    base = _base(raw)
    fields: list[object] = []
    for tag, first, end in _entries(base, raw[LEADER : base - 1].decode("ascii")):
        data = raw[first:end]
        fields.append({tag: data.decode("latin-1") if tag in _CONTROL else _marc8_field(data)})
    return {"leader": raw[:LEADER].decode("ascii"), "fields": fields}


def _data_field(data: str) -> MarcRecord:
    parts = data.split("\x1f")
    indicators = parts.pop(0)
    if len(indicators) != 2:
        raise _Odd
    subfields = [{part[0]: part[1:]} for part in parts if part]
    return {"ind1": indicators[0], "ind2": indicators[1], "subfields": subfields}


def _ascii_codes(data: str) -> bool:
    """Whether the indicators and the codes of the subfields are ASCII; otherwise pymarc decides."""
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
    if data.isascii() and text.isprintable():
        return text
    with redirect_stderr(StringIO()) if MULTIBYTE in data else nullcontext():  # it writes there of cut characters
        converted: str = marc8_to_unicode(data, True)
    return converted


def _by_pymarc(raw: bytes, utf8: bool) -> MarcRecord:
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore", BadSubfieldCodeWarning)
        try:
            record: Any = Record(raw, to_unicode=True, force_utf8=utf8, hide_utf8_warnings=True)
            found: MarcRecord = record.as_dict()
        except UnicodeDecodeError as error:
            raise MarcFault(_not_text(raw, error)) from error
        except Exception as error:
            raise MarcFault(_reason(raw, error)) from error
    return found


def _reason(raw: bytes, error: Exception) -> str:
    base = raw[12:17].decode("latin-1")
    if type(error) in _REASONS:
        return _REASONS[type(error)].format(base=base)
    if isinstance(error, PymarcException):
        return str(error)
    if not base.isdigit():
        return f"the base address in the leader is not a number: {base!r}"
    return f"the directory cannot be read: {error}"


def _not_text(raw: bytes, error: UnicodeDecodeError) -> str:
    """What is not text: the leader and directory must be ASCII, the fields in the charset the leader names."""
    if not raw[:LEADER].isascii():
        return "the leader is not ASCII"
    if not raw[LEADER : int(raw[12:17]) - 1].isascii():
        return "the directory is not ASCII"
    charset = "UTF-8" if error.encoding == "utf-8" else "MARC-8" if "marc8" in error.encoding else error.encoding
    return f"a field is not valid {charset}, {error.reason}: {error.object[error.start : error.start + 8]!r}"
