"""Texts and numbers in the XML of an .xlsx workbook, as the workbook library would read them; and its shared texts."""

import datetime
import math
import re
from collections.abc import Iterator
from typing import IO

from server.cells import DateCell
from server.readers.cell_faults import Cell

STEP = 1 << 20
NO_XML = bytes(sign for sign in range(32) if sign not in b"\t\n\r")  # characters that XML does not know
_LONGEST_TEXT = 4 << 20

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_WHOLE = re.compile("-?[0-9]{1,20}").fullmatch
_FIRST_DAY, _LAST_DAY = 61, 2958465  # what comes before counts a day that never was
_EPOCH = datetime.datetime(1899, 12, 30)
_SINCE_1904 = 1462  # days between the two first days that workbooks count from
_LONGEST_DURATION = 10_000_000  # days
_DAY = 86_400_000  # milliseconds
_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));|&")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_BLANKS = " \t\r\n"

_TABLE = re.compile(rb"<sst\b[^<>]*?(/?)>")
_TEXT = re.compile(
    r'<si>(?:<t( xml:space="preserve")?>([^<]*)</t>|<t ?/>)</si>|<si ?/>|(<si>.*?</si>)|(.)', re.DOTALL
).findall
_RUBY = re.compile("<rPh[ >](?:(?!<rPh).)*?</rPh>", re.DOTALL)
_RUN = re.compile(r'<t( xml:space="preserve")?>([^<]*)</t>')
_AROUND_RUNS = re.compile(r"<si>(?:</?(?:r|rPr)>|<\w+(?: [^<>]*)?/>)*</si>").fullmatch
_EMPTY_TEXTS = re.compile(r"(?:<si ?/>|\s)*").fullmatch


class NotSupportedByFastPath(Exception):
    """A part is written in a way that the fast path does not read. It is read element by element instead."""


def number(text: str) -> int | float:
    if not _NUMBER(text):
        raise NotSupportedByFastPath
    return as_number(text)


def as_number(text: str | float) -> int | float:
    """Whole numbers as such. Programs may write more digits than a spreadsheet keeps: those are kept."""
    value = float(text)
    if not value.is_integer():
        return value
    if abs(value) < 1 << 53:
        return int(value)
    return int(text) if isinstance(text, str) and _WHOLE(text) else value


def moment(text: str) -> DateCell:
    """A date, where the number is whole, or date and time."""
    days = number(text)
    if not _FIRST_DAY <= days <= _LAST_DAY:
        raise NotSupportedByFastPath
    if isinstance(days, float) and days * _DAY % 1 == 0.5:
        raise NotSupportedByFastPath  # there are two ways to round it
    return _on_day(days)


def moment_of(value: float, modern: bool) -> Cell:
    """The same for any number; one below 1 is a time alone, and what is no day of the calendar stays a number."""
    days = value if modern else value + _SINCE_1904
    if not 0 <= value < math.inf or days >= _LAST_DAY + 1:
        return value
    if value < 1:
        return _clock(value)
    if days < _FIRST_DAY - 1 and modern:
        days += 1  # 29 February 1900 has a number, and never was
    return _on_day(days)


def _on_day(days: float) -> DateCell:
    if isinstance(days, int):
        return DateCell((_EPOCH + datetime.timedelta(days)).date().isoformat())
    milliseconds = min(round(days * _DAY), (_LAST_DAY + 1) * _DAY - 1)
    return DateCell((_EPOCH + datetime.timedelta(milliseconds=milliseconds)).isoformat())


def _clock(days: float) -> str:
    milliseconds = min(round(days * _DAY), _DAY - 1)
    return (_EPOCH + datetime.timedelta(milliseconds=milliseconds)).time().isoformat()


def duration(days: float) -> Cell:
    """Hours, which may be more than a day has, with minutes and seconds."""
    if not abs(days) < _LONGEST_DURATION:
        return days
    minutes, seconds = divmod(round(abs(days) * 86_400), 60)
    return f"{'-' if days < 0 else ''}{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def cleaned(text: str, preserved: bool) -> str:
    """A text as it was meant; one blank alone counts even without `xml:space="preserve"`."""
    if text == " ":
        return text
    if "&" in text:
        text = _REFERENCE.sub(_referred, text)
    if not preserved:
        text = text.strip(_BLANKS)
    return unescaped(text)


def unescaped(text: str) -> str:
    """With the signs that a workbook writes as _x000D_."""
    return _ESCAPE.sub(_escaped, text) if "_x" in text else text


def _referred(match: re.Match[str]) -> str:
    named, decimal, hexadecimal = match.groups()
    if named:
        return _NAMED[named]
    code = int(decimal) if decimal else int(hexadecimal, 16) if hexadecimal else 0
    if code not in (9, 10) and not (32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000):
        raise NotSupportedByFastPath
    return chr(code)


def _escaped(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code < 0xE000 else chr(code)


def shared_texts(stream: IO[bytes]) -> list[str]:
    """What cells refer to by number; raises NotSupportedByFastPath."""
    texts: list[str] = []
    for data in _pieces(stream):
        if len(data.translate(None, NO_XML)) < len(data):
            raise NotSupportedByFastPath
        try:
            piece = data.decode()
        except UnicodeDecodeError as error:
            raise NotSupportedByFastPath from error
        end = piece.rfind("</si>") + len("</si>") if "</si>" in piece else 0
        if "\r" in piece or not _EMPTY_TEXTS(piece, end):
            raise NotSupportedByFastPath
        for preserved, text, rich, strange in _TEXT(piece):
            if strange:
                raise NotSupportedByFastPath
            texts.append(_joined(rich) if rich else cleaned(text, bool(preserved)))
    return texts


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """The table's XML, cut behind the end of an entry."""
    rest = stream.read(STEP)
    head = _TABLE.search(rest)
    if head is None or b"<!" in rest[: head.start()]:
        raise NotSupportedByFastPath
    if head[1]:
        return
    rest = rest[head.end() :]
    while b"</sst>" not in rest:
        whole, tag, rest = rest.rpartition(b"</si>")
        yield whole + tag
        data = stream.read(STEP)
        if not data or len(rest) > _LONGEST_TEXT:
            raise NotSupportedByFastPath
        rest += data
    yield rest[: rest.find(b"</sst>")]
    while stream.read(STEP):
        pass


def _joined(rich: str) -> str:
    """The runs of a text in several formats, without the hints how to pronounce it."""
    rich = _RUBY.sub("", rich)
    if not _AROUND_RUNS(_RUN.sub("", rich)):
        raise NotSupportedByFastPath
    return "".join(cleaned(text, bool(preserved)) for preserved, text in _RUN.findall(rich))
