"""Numbers as countries write them, with a decimal mark that is named and with groups of digits."""

import re
from collections.abc import Callable, Mapping

_BLANKS = " \u00a0\u2009\u202f'\u2019"  # group digits everywhere
_GROUPED: Mapping[str, re.Pattern[str]] = {
    ".": re.compile("[+-]?[0-9]{1,3}(?:[, \u00a0\u2009\u202f'\u2019][0-9]{3})*(?:\\.[0-9]+)?"),
    ",": re.compile("[+-]?[0-9]{1,3}(?:[. \u00a0\u2009\u202f'\u2019][0-9]{3})*(?:,[0-9]+)?"),
}
_PLAIN: Mapping[str, re.Pattern[str]] = {
    ".": re.compile(r"[+-]?[0-9]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"),
    ",": re.compile(r"[+-]?[0-9]*(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?"),
}
_OTHER: Mapping[str, str] = {".": ",", ",": "."}
DECIMAL_MARKS = tuple(_OTHER)
MARKS_SHOWN = '"." and ","'


def localised(mark: str) -> Callable[[str], str]:
    """Returns a conversion from texts such as 1.250,00 to 1250.00. Other texts become one that is no number."""
    grouped, plain = _GROUPED[mark], _PLAIN[mark]
    dropped = dict.fromkeys(map(ord, _OTHER[mark] + _BLANKS))

    def convert(text: str) -> str:
        text = text.strip()
        if grouped.fullmatch(text):
            return text.translate(dropped).replace(mark, ".")
        if plain.fullmatch(text):
            return text.replace(mark, ".")
        return text if mark == "." else text.replace(".", "?")  # so that a point is never read as the decimal mark

    return convert
