"""Search terms as regular expressions, matched by the database.

A wildcard becomes an atomic group up to the next literal piece, because the earliest match is always as good as a later
one. So a term reads each character at most once for each of its pieces, however many wildcards it has. An accent
belongs to its letter, so its part of the pattern is possessive.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple

_MARKS = "\u0300-\u036f"  # combining accents
_ANY = "."
_WORDLY = f"[\\w{_MARKS}]"
_GAP = r"\W++"
_GAP_BEGINS = r"(?<!\W)"
_BEGIN, _END = f"(?<!{_WORDLY})", r"(?!\w)"  # of a word
_LAST_ACCENTED = 0x1FFF  # Latin, Greek and Cyrillic letters with accents end here
_PIECE = re.compile(r"\\(?P<escaped>.)|(?P<wild>[*?])|(?P<plain>.)", re.DOTALL)


class Character(NamedTuple):
    kind: Literal["literal", "many", "one"]
    text: str


def whole(term: str, *, case: bool, accents: bool) -> str:
    """Returns a pattern that matches if the term is the whole text."""
    return f"{_flags(case)}\\A{_glob(characters(term), _ANY, accents)}\\Z"


def phrase(term: str, *, case: bool, accents: bool) -> str:
    """Returns a pattern that matches if the text has the term's words next to each other, in this order."""
    first, *others = words(term)
    begin = _BEGIN + _glob(first, _WORDLY, accents)
    if others and all(character.kind == "many" for character in first):
        begin = _GAP_BEGINS  # the first word is any word, or none
    return _flags(case) + _GAP.join([begin, *(_glob(word, _WORDLY, accents) for word in others)]) + _END


def single_words(term: str, *, case: bool, accents: bool) -> Iterator[str]:
    """Yields a pattern for each of the term's words."""
    for word in words(term):
        yield f"{_flags(case)}{_BEGIN}{_glob(word, _WORDLY, accents)}{_END}"


def words(term: str) -> list[list[Character]]:
    """Returns the term's words: runs of letters, digits and wildcards."""
    found: list[list[Character]] = [[]]
    for character in characters(term):
        if character.kind != "literal" or re.match(r"\w", character.text):
            found[-1].append(character)
        elif found[-1]:
            found.append([])
    return [word for word in found if word]


def characters(term: str) -> list[Character]:
    return [_character(found) for found in _PIECE.finditer(unicodedata.normalize("NFC", term))]


def literal(term: str) -> str:
    """Returns the term as plain text: wildcards are characters, and their backslashes are removed."""
    return "".join(character.text for character in characters(term))


def _character(found: re.Match[str]) -> Character:
    if found["wild"]:
        return Character("many" if found["wild"] == "*" else "one", found["wild"])
    return Character("literal", found["escaped"] or found["plain"])


def _flags(case: bool) -> str:
    return "(?s)" if case else "(?is)"


def _glob(term: Sequence[Character], any_character: str, accents: bool) -> str:
    pieces: list[list[str]] = [[]]
    for character in term:
        if character.kind == "many":
            pieces.append([])
        else:
            pieces[-1].append(any_character if character.kind == "one" else _literal(character.text, accents))
    texts = ["".join(piece) for piece in pieces]
    if len(texts) == 1:
        return texts[0]
    middle = "".join(f"(?>{any_character}*?{text})" for text in texts[1:-1] if text)
    return f"{texts[0]}{middle}{any_character}*{texts[-1] or '+'}"


def _literal(character: str, accents: bool) -> str:
    if accents:
        spelt = {re.escape(unicodedata.normalize(form, character)) for form in ("NFC", "NFD")}
        return f"(?:{'|'.join(sorted(spelt))})(?![{_MARKS}])"
    base = unicodedata.normalize("NFD", character)[0]
    if re.match(f"[{_MARKS}]", base):
        return ""  # it belongs to the letter before
    relatives = re.escape(_accented().get(base, ""))
    return (f"[{re.escape(base)}{relatives}]" if relatives else re.escape(base)) + f"[{_MARKS}]*+"


@cache
def _accented() -> dict[str, str]:
    """Returns, for each letter, the same letter with each of its accents."""
    found: dict[str, str] = {}
    for code in range(0xC0, _LAST_ACCENTED):
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and unicodedata.combining(parts[1]):
            found[parts[0]] = found.get(parts[0], "") + chr(code)
    return found
