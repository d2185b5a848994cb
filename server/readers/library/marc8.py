"""MARC-8 as text, by the Library of Congress's tables as pymarc keeps them. What means nothing there is a fault."""

import re
import unicodedata

from pymarc.marc8_mapping import CODESETS, ODD_MAP

LATIN, ANSEL, EAST_ASIAN = 0x42, 0x45, 0x31

_ESCAPE = 0x1B
_SPACE = 0x20
_TO_LATIN = 0x73
_CHOICE = re.compile(rb"\x1b(?:\$?([(,)-])!?|\$)?(.)", re.DOTALL)  # `ESC s`, `ESC ( B`, `ESC ) ! E`, `ESC $ , 1`
_INVISIBLE = frozenset((0x98, 0x9C, 0x200C, 0x200D))  # around what sorting passes over; joiners
_OTHER_HALF = {1: 0x80, 3: 0x808080}


class Marc8Fault(ValueError):
    """Why bytes are no MARC-8."""


def marc8_text(data: bytes) -> str:
    """Returns the text in normal form C. Each piece begins with the usual sets of characters."""
    return _Text(data).read()


class _Text:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = LATIN
        self._right = ANSEL
        self._found: list[str] = []
        self._marks: list[str] = []  # they stand before their letter here, and behind it in Unicode

    def read(self) -> str:
        while self._at < len(self._data):
            if self._data[self._at] == _ESCAPE:
                self._choose()
            else:
                self._take()
        if self._marks:
            raise self._fault("an accent has no letter behind it")
        return unicodedata.normalize("NFC", "".join(self._found))

    def _take(self) -> None:
        byte = self._data[self._at]
        chosen = self._right if byte >= 0x80 else self._left
        width = 3 if chosen == EAST_ASIAN and byte > _SPACE else 1
        code = self._data[self._at : self._at + width]
        if len(code) < width:
            raise self._fault("a character of three bytes is cut")
        self._add(*self._meaning(chosen, code))
        self._at += width

    def _meaning(self, chosen: int, code: bytes) -> tuple[int, bool]:
        """The code point, and whether it joins the letter that follows. Controls and blanks mean themselves."""
        number = int.from_bytes(code, "big")
        if number <= _SPACE:
            return number, False
        for one in (number, number ^ _OTHER_HALF[len(code)]):  # a set may stand in either half
            if one in CODESETS[chosen]:
                point, joins = CODESETS[chosen][one]
                return point, bool(joins)
            if one in ODD_MAP:
                return ODD_MAP[one], False
        raise self._fault(f"the byte {code.hex(' ').upper()} means nothing there")

    def _add(self, point: int, joins: bool) -> None:
        if joins:
            self._marks.append(chr(point))
            return
        if self._marks and (point < _SPACE or point in _INVISIBLE):
            raise self._fault("an accent has no letter behind it")
        self._found.append(chr(point))
        self._found += self._marks
        self._marks.clear()

    def _choose(self) -> None:
        """An escape names the set of characters that one half has from here on."""
        choice = _CHOICE.match(self._data, self._at)
        chosen = choice[2][0] if choice else 0
        if choice and chosen == _TO_LATIN:
            chosen = LATIN
        if not choice or chosen not in CODESETS:
            raise self._fault("an escape names no known set of characters")
        if choice[1] in (b")", b"-"):
            self._right = chosen
        else:
            self._left = chosen
        self._at = choice.end()

    def _fault(self, words: str) -> Marc8Fault:
        return Marc8Fault(f"{words}: {self._data[max(0, self._at - 12) : self._at + 12]!r}")
