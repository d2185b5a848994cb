"""Where in its text each part of a JSON document stands, so that a message can be shown beside its line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class Part:
    """The line where a part begins, and the parts in it by their key or number."""

    line: int
    inner: "dict[str | int, Part]" = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """An object or a list that has not ended. `key` is that of what comes next in it, or its number."""

    part: Part
    key: str | int | None
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Positions:
    """Lines count from 1. Of a key that comes twice the last one counts, as it does for the parser.

    A tree, so that it takes no more memory than the document, however long the names in it are.
    """

    whole: Part

    def line(self, path: Sequence[str | int]) -> int:
        """That of the place, or of the nearest one around it: what a message misses is in no line."""
        part = self.whole
        for step in path:
            if step not in part.inner:
                break
            part = part.inner[step]
        return part.line


def positions(text: str) -> Positions:
    """Of a text that is JSON."""
    whole = Part(1)
    open_: list[_Open] = []
    for token, line in _tokens(text):
        if token in "}]":
            open_.pop()
        elif token == ",":
            _next(open_[-1])
        elif open_ and open_[-1].key is None:  # a key: its member begins here
            open_[-1].key = orjson.loads(token)
            _note(open_[-1], line)
        elif token != ":":
            _value(token, line, open_, whole)
    return Positions(whole)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, end = 1, 0
    for found in _TOKEN.finditer(text):
        line, end = line + text.count("\n", end, found.start()), found.start()
        yield found[0], line


def _value(token: str, line: int, open_: list[_Open], whole: Part) -> None:
    if not open_:
        part = whole
        part.line = line
    elif open_[-1].is_list:
        part = _note(open_[-1], line)
    else:
        part = open_[-1].part.inner[open_[-1].key or ""]
    if token == "{":
        open_.append(_Open(part, None))
    elif token == "[":
        open_.append(_Open(part, 0, is_list=True))


def _next(around: _Open) -> None:
    around.key = around.key + 1 if around.is_list and isinstance(around.key, int) else None


def _note(around: _Open, line: int) -> Part:
    part = around.part.inner["" if around.key is None else around.key] = Part(line)
    return part
