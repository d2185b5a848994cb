"""Where in its text each part of a JSON document stands, so that a message can be shown beside its line.

A place is a path (`("instructions", 3, "source")`), or the same as the messages of models and processes write it
(`destinations[0].names.email`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson

Path = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\],:]|[^\s{}\[\],:"]+')
_NUMBER = re.compile(r"\[([0-9]{1,9})\]")
_LONGEST_KEY = 1000  # of those that are looked for in the places of messages


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

    def line_of(self, where: str) -> int:
        """The same for a place as messages write it."""
        part, found = self.whole, _first_step(self.whole, where)
        while found is not None:
            part, where = found
            found = _first_step(part, where)
        return part.line


def as_where(path: Path) -> str:
    """A place as messages write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _first_step(part: Part, where: str) -> tuple[Part, str] | None:
    """The part that a place begins with, and the rest of the place: names may hold dots and brackets themselves."""
    if (number := _NUMBER.match(where)) and int(number[1]) in part.inner:
        return part.inner[int(number[1])], where[number.end() :]
    where = where.removeprefix(".")
    for end in _ends(where):
        if where[:end] in part.inner:
            return part.inner[where[:end]], where[end:]
    return None


def _ends(where: str) -> Iterable[int]:
    """Where the first name of a place may end, the last possible end first."""
    head = where[: _LONGEST_KEY + 1]
    if where and len(head) <= _LONGEST_KEY:
        yield len(head)
    yield from (at for at in range(len(head) - 1, 0, -1) if head[at] in ".[")


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
