"""Removes what people and programs write around a telephone number. Any other character makes the text no number.

A character that is dropped on a guess would make another number of it, so each one has to be known.
"""

import re
import unicodedata
from typing import NamedTuple

LONGEST = 200  # characters of a text that may hold one number
_MOST_DIGITS = 15  # of a number with its country (ITU E.164)
_MOST_PREFIX = 3  # digits that are dialled before it: 00 and a trunk prefix
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d", "-"))
_EXTENSION_MARKS = (";ext=", "extension", "extn", "ext", "x", "#")
_MOST_EXTENSION = 11
_LABELS = ("telephone", "phone", "mobile", "tel", "fax")
_WHOLE_DECIMAL = re.compile(r"([0-9]{6,})\.0+").fullmatch
_GROUPED = re.compile(r"[0-9\s().-]*").fullmatch
_AREA_DIGITS = 6  # at most, before a slash: a longer part is a number of its own


class PhoneText(NamedTuple):
    number: str
    extension: str | None


def plain_number(text: str) -> PhoneText | None:
    """Returns a number as digits with a plus and what groups them, or None for any text that is not one number."""
    if len(text) > LONGEST or len(text.strip().splitlines()) > 1:
        return None
    plain = _without_label(_plain(text).strip())
    if decimal := _WHOLE_DECIMAL(plain):
        plain = decimal[1]  # a table of numbers that was written with decimals
    number, extension = _parted(plain)
    return PhoneText(number, extension) if _is_one(number) else None


def _without_label(text: str) -> str:
    small = text.lower()
    label = next((label for label in _LABELS if small.startswith(label)), "")
    rest = text[len(label) :].lstrip()
    return rest.lstrip(".: ") if label and rest[:1] in (".", ":") else text


def _parted(text: str) -> tuple[str, str | None]:
    """Splits a text into the number and its extension."""
    head = text.rstrip("0123456789")
    extension = text[len(head) :]
    before = head.rstrip(" .:")
    mark = next((mark for mark in _EXTENSION_MARKS if before.lower().endswith(mark)), "")
    number = before[: len(before) - len(mark)].rstrip(" ,;")
    if not mark or not number or not (number[-1].isdigit() or number[-1] == ")"):
        return text, None
    return (number, extension) if 0 < len(extension) <= _MOST_EXTENSION else (text, None)


def _plain(text: str) -> str:
    """Returns a text without invisible marks, in the digits 0 to 9, with wide characters in their usual form."""
    return "".join(map(_character, unicodedata.normalize("NFKC", text).translate(_DASHES)))


def _character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return "" if unicodedata.category(character) in ("Cf", "Mn") else character


def _is_one(number: str) -> bool:
    before, slash, after = number.strip().removeprefix("+").partition("/")
    if not _GROUPED(before) or not _GROUPED(after):
        return False
    area, all_digits = _count(before), _count(before + after)
    return 0 < all_digits <= _MOST_DIGITS + _MOST_PREFIX and not (slash and area > _AREA_DIGITS)


def _count(text: str) -> int:
    return sum(map(str.isdigit, text))
