"""What a value converter is, and what it is made from before the first record.

A converter is made once for each instruction and called for every record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import orjson

from server.mapping.model.model import Model, Name
from server.mapping.model.scope import Loss, Scope
from server.mapping.values.javascript import js_text, shown

Converter = Callable[[object, Scope], object]
"""Converts a value of the input to a stored scalar (`str`, `int`, `float`), NOTHING or `Lost`."""

Filter = Callable[[object, Scope], object]
"""Changes a value before its type converts it; NOTHING is no value."""

PlainConverter = Callable[[object], object]
"""Converts by the value alone to a stored scalar, NOTHING or `Rounded` (a warning), or INVALID (an error)."""


class Lost(NamedTuple):
    """The result of a converter for a value that it cannot store, with the vendor's message for it."""

    error: str


class Rounded(NamedTuple):
    """The result of a plain type for a whole number that a column of floats cannot hold exactly."""

    stored: float


class FilterSource(Protocol):
    """Filters by name. A filter is made once for a batch, so that it may keep state."""

    def get(self, name: str) -> Filter | None: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What converters are made with: its model, all models (for look-ups), and the mapping of the control file."""

    model: Model
    models: Mapping[str, Model]
    mapping: Mapping[str, object]
    report: Callable[[str], None]
    filters: FilterSource | None = None  # None: the built-in ones and those of plug-ins


@dataclass(frozen=True, slots=True)
class Want:
    """The order for one converter: the instruction, the Name it sets, and what messages call the source."""

    action: Mapping[str, object]
    name: Name
    src: str
    setup: Setup

    @property
    def source(self) -> str:
        """Returns the field or column that the value comes from."""
        given = self.action.get("source", self.action.get("structured"))
        return brief(self.src if given is None else js_text(given))

    def lose(self, scope: Scope, value: object, what: str, error: str | None = None) -> None:
        destination = js_text(self.action.get("destination", ""))
        scope.lose(Loss(what, self.source, brief(value), destination, self.name.name), error)


class PlainType(NamedTuple):
    """A conversion by the value alone, and the start of its error: `complaint(message, src, value)` is the whole."""

    convert: PlainConverter
    message: str


_BRIEF = 120  # characters of a value in a loss


def brief(value: object) -> str:
    """Returns a value as losses show it: a text as it is, any other value as JSON, shortened."""
    text = value if isinstance(value, str) else _as_json(value)
    return str(text) if len(text) <= _BRIEF else text[:_BRIEF] + "…"


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return shown(value)


class SetupProblem(Exception):
    """The converter cannot be made, for the reason in the text, in which `{src}` stands for the source."""

    def about(self, src: str) -> str:
        return str(self).replace("{src}", src)


def complaint(message: str, src: str, value: object) -> str:
    return f"{message} {src}: {shown(value)}"
