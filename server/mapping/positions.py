"""Where in its text each part of a JSON document stands, so that a message can be shown beside its line.

A place is a path (`("instructions", 3, "source")`), or the same as the messages of models and processes write it
(`destinations[0].names.email`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

Path = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class _Open:
    """An object or a list that has not ended. `part` is the key or the number of what comes next in it."""

    path: Path
    where: str
    part: str | int | None
    is_list: bool = False

    def inner(self) -> tuple[Path, str]:
        if isinstance(self.part, int):
            return (*self.path, self.part), f"{self.where}[{self.part}]"
        key = self.part or ""
        return (*self.path, key), f"{self.where}.{key}" if self.where else key


@dataclass(frozen=True, slots=True)
class Positions:
    """Lines count from 1. Of a key that comes twice the last one counts, as it does for the parser."""

    lines: Mapping[Path, int]
    places: Mapping[str, int]

    def line(self, path: Sequence[str | int]) -> int:
        """That of the place, or of the nearest one around it: what a message misses is in no line."""
        inner = tuple(path)
        while inner and inner not in self.lines:
            inner = inner[:-1]
        return self.lines.get(inner, 1)

    def line_of(self, where: str) -> int:
        """The same for a place as messages write it."""
        inner = where
        while inner and inner not in self.places:
            inner = inner[: max(inner.rfind("."), inner.rfind("["), 0)]
        return self.places.get(inner, 1)


def as_where(path: Path) -> str:
    """A place as messages write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def positions(text: str) -> Positions:
    """Of a text that is JSON."""
    lines: dict[Path, int] = {}
    places: dict[str, int] = {}
    open_: list[_Open] = []
    line, end = 1, 0
    for found in _TOKEN.finditer(text):
        line, end = line + text.count("\n", end, found.start()), found.start()
        token = found[0]
        if token in "}]":
            open_.pop()
        elif token == ",":
            _next(open_[-1])
        elif open_ and open_[-1].part is None:  # a key: its member begins here
            open_[-1].part = orjson.loads(token)
            _note(open_[-1], line, lines, places)
        elif token != ":":
            _value(token, line, open_, lines, places)
    return Positions(lines, places)


def _value(token: str, line: int, open_: list[_Open], lines: dict[Path, int], places: dict[str, int]) -> None:
    path, where = open_[-1].inner() if open_ else ((), "")
    if not open_ or open_[-1].is_list:
        lines[path] = places[where] = line
    if token == "{":
        open_.append(_Open(path, where, None))
    elif token == "[":
        open_.append(_Open(path, where, 0, is_list=True))


def _next(around: _Open) -> None:
    around.part = around.part + 1 if around.is_list and isinstance(around.part, int) else None


def _note(around: _Open, line: int, lines: dict[Path, int], places: dict[str, int]) -> None:
    path, where = around.inner()
    lines[path] = places[where] = line
