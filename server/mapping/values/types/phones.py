"""The country of a telephone number, and the one form in which the number is stored.

Dialling codes and trunk prefixes come from phonenumbers; the vendor fixes how digits are grouped.
"""

import re

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, country_code_for_region, ndd_prefix_for_region

from server.mapping.values.types.phone_text import plain_number

_INTERNATIONAL = re.compile(r"\s*(?:\+|00)[\s().-]*")
_CODE_FIRST = re.compile(r"\s*([1-9][0-9]{0,2})\s")
_AMERICAN = re.compile(r"\s*(?:1[\s.-]*)?(?:\([0-9]{3}\)\s*|[0-9]{3}[.-])[0-9]{3}[\s.-][0-9]{4}\s*")
_OPTIONAL_TRUNK = re.compile(r"\(\s*0\s*\)")
_NOT_DIGIT = re.compile(r"[^0-9]+")
_NORTH_AMERICA = 1


def dialling_code(country: str) -> int:
    """Returns the dialling code of a country by its two letters, or 0 if there is none."""
    return int(country_code_for_region(country))


def export_form(text: str, default_code: int) -> str | None:
    """Returns `+CODE NUMBER`, with ` ext N` for an extension, or None for a text that is not one number."""
    read = plain_number(text)
    if read is None:
        return None
    number, extension = read
    code, national = _split(number, default_code)
    shape = _shape(code, _without_trunk(code, national))
    if not _digits(shape):
        return None
    return f"+{code} {shape}" + (f" ext {extension}" if extension else "")


def _digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def _split(number: str, default_code: int) -> tuple[int, str]:
    if (prefix := _INTERNATIONAL.match(number)) and (found := _longest_code(number[prefix.end() :])):
        return found
    if len(_digits(number)) >= 10 and (first := _CODE_FIRST.match(number)):
        code = int(first[1])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            return code, number[first.end() :]
    return (_NORTH_AMERICA if _AMERICAN.fullmatch(number) else default_code), number


def _longest_code(rest: str) -> tuple[int, str] | None:
    """Returns the code that a number starts with, and the rest; no code is the start of another code."""
    for length in (3, 2, 1):
        head = rest[:length]
        if len(head) == length and head.isascii() and head.isdigit() and int(head) in COUNTRY_CODE_TO_REGION_CODE:
            return int(head), rest[length:]
    return None


def _without_trunk(code: int, national: str) -> str:
    """Removes the digit that is dialled only inside the country. Italy has none, so its leading zero stays."""
    trunk = ndd_prefix_for_region(COUNTRY_CODE_TO_REGION_CODE[code][0], True)
    if trunk == "0":
        national = _OPTIONAL_TRUNK.sub("", national, count=1)
    national = " ".join(national.split())
    if trunk in ("0", "1"):
        national = re.sub(rf"^[^0-9]*{trunk}[\s.-]*", lambda found: "(" if "(" in found[0] else "", national, count=1)
    return national.strip(" .-/")


def _shape(code: int, national: str) -> str:
    digits = _digits(national)
    if code == 44:
        return _grouped(digits, _british_groups(digits))
    if code == 33:
        return _grouped(digits, (1, 2, 2, 2, 2))
    if code == _NORTH_AMERICA and len(digits) >= 10:
        return _grouped(digits, (3, 3), "-")
    return national


def _british_groups(digits: str) -> tuple[int, ...]:
    if digits.startswith("2"):
        return (2, 4)
    if digits.startswith("11") or (digits.startswith("1") and digits[2:3] == "1"):
        return (3, 3)
    return (3,) if digits[:1] in ("8", "9") else (4,)


def _grouped(digits: str, sizes: tuple[int, ...], glue: str = " ") -> str:
    """Joins groups of the given sizes, and the rest as one more."""
    groups, start = [], 0
    for size in sizes:
        groups.append(digits[start : start + size])
        start += size
    return glue.join(group for group in (*groups, digits[start:]) if group)
