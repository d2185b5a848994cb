"""Numbers as countries write them: a decimal mark that is named, and what groups the digits before it."""

import re
from collections.abc import Callable, Mapping

_GROUPS: Mapping[str, str] = {".": ",", ",": "."}
_BLANKS = " \u00a0\u2009\u202f'\u2019"  # group digits everywhere
DECIMAL_MARKS = tuple(_GROUPS)
MARKS_SHOWN = '"." and ","'


def localised(mark: str) -> Callable[[str], str]:
    """From a text such as 1.250,00 to the plain form 1250.00; a text of another form stays as it is."""
    other = re.escape(_GROUPS[mark])
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}(?:[{other}{_BLANKS}][0-9]{{3}})*(?:{re.escape(mark)}[0-9]+)?").fullmatch
    plain = re.compile(rf"[+-]?[0-9]*(?:{re.escape(mark)}[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
    dropped = dict.fromkeys(map(ord, _GROUPS[mark] + _BLANKS))

    def convert(text: str) -> str:
        text = text.strip()
        if grouped(text):
            return text.translate(dropped).replace(mark, ".")
        if plain(text):
            return text.replace(mark, ".")
        return text if mark == "." else text.replace(".", "?")  # its point is no decimal mark here

    return convert
