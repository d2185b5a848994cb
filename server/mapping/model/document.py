"""Reads configuration documents by hand: each diagnostic names the file, the key, the value and what is expected."""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import orjson

from server.mapping.model.diagnostic import Diagnostic, Path

_SHOWN = 60


@dataclass(slots=True)
class Problems:
    """Collects the diagnostics of one document, in the order found."""

    source: str
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        self.found.append(Diagnostic(message, path, source=self.source))

    def wrong(self, path: Path, value: object, right: str) -> None:
        self.add(path, f"{quoted(value)} is wrong, should be {right}")


def quoted(value: object) -> str:
    """Returns a value as the file has it, cut if it is long."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def choices(names: Collection[str]) -> str:
    return "one of " + ", ".join(names) if names else "nothing, as there is none"


class Fields:
    """One JSON object of a document. Reports keys that are not `known`, and values of a wrong type."""

    def __init__(self, value: object, path: Path, problems: Problems, known: Collection[str]) -> None:
        self.path = path
        self.problems = problems
        self.values: dict[str, object] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            problems.wrong(path, value, "an object")
        for key in self.values:
            if key not in known:
                self._unknown(key, known)

    def _unknown(self, key: str, known: Collection[str]) -> None:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
        self.problems.add(self.at(key), f"unknown key; {hint}")

    def at(self, *steps: str | int) -> Path:
        """Returns the place of a key, or of what is inside it."""
        return (*self.path, *steps)

    def wrong(self, key: str, right: str) -> None:
        if key in self.values:
            self.problems.wrong(self.at(key), self.values[key], right)
        else:
            self.problems.add(self.at(key), f"missing, should be {right}")

    def text(self, key: str, right: str = "a text", *, required: bool = False) -> str | None:
        """Returns a text that is not empty, or None if it is absent or wrong."""
        value = self.values.get(key)
        if isinstance(value, str) and (value or not required):
            return value or None
        if required or value is not None:
            self.wrong(key, right)
        return None

    def choice(self, key: str, allowed: Collection[str], default: str | None = None) -> str | None:
        """Returns one of a few texts. The key is required if there is no default."""
        if default is not None and key not in self.values:
            return default
        value = self.values.get(key)
        if isinstance(value, str) and value in allowed:
            return value
        self.wrong(key, choices(allowed))
        return default

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, "true or false")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        self.wrong(key, "a list of texts")
        return ()

    def objects(self, key: str, *, required: bool = False) -> Iterator[tuple[str, object]]:
        """Yields the members of an object, each with its path."""
        value = self.values.get(key, {})
        if not isinstance(value, dict) or (required and not value):
            self.wrong(key, "an object with at least one entry" if required else "an object")
            return
        yield from value.items()

    def items(self, key: str) -> Iterator[tuple[Path, object]]:
        """Yields the elements of a list that must not be empty, each with its path."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            self.wrong(key, "a list with at least one entry")
            return
        for index, item in enumerate(value):
            yield self.at(key, index), item
