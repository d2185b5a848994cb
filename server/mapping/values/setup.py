"""What is known before the first record, and what a value converter is.

A converter is made once for each instruction and then called for every record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import orjson

from server.mapping.model.model import Model, Name
from server.mapping.model.scope import Loss, Scope
from server.mapping.values.javascript import js_text, shown

Converter = Callable[[object, Scope], object]
"""From a value of the input to a stored scalar (`str`, `int`, `float`), or NOTHING; faults go to `scope.report`."""

Filter = Callable[[object, Scope], object]
"""From a value to a value, before the type looks at it; NOTHING is no value."""

PlainConverter = Callable[[object], object]
"""A conversion that needs nothing but the value: a stored scalar, NOTHING (a warning) or INVALID (an error)."""


class Lost(NamedTuple):
    """What a converter gives for a value that it cannot store and has a documented message for."""

    error: str


class FilterSource(Protocol):
    """Filters by name; the same one for the whole batch, so that a filter may keep state."""

    def get(self, name: str) -> Filter | None: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """`models` are all there are (look-ups go over their tables); `mapping` is the control file's."""

    model: Model
    models: Mapping[str, Model]
    mapping: Mapping[str, object]
    report: Callable[[str], None]
    filters: FilterSource | None = None  # None: the built-in ones and those of plug-ins


@dataclass(frozen=True, slots=True)
class Want:
    """One converter to be made: the instruction, the Name it sets, and how messages name the source."""

    action: Mapping[str, object]
    name: Name
    src: str
    setup: Setup

    @property
    def source(self) -> str:
        """The field or column that the value comes from."""
        given = self.action.get("source", self.action.get("structured"))
        return brief(self.src if given is None else js_text(given))

    def lose(self, scope: Scope, value: object, what: str, error: str | None = None) -> None:
        destination = js_text(self.action.get("destination", ""))
        scope.lose(Loss(what, self.source, brief(value), destination, self.name.name), error)


class PlainType(NamedTuple):
    """A plain conversion and the start of its complaint: `complaint(plain_type.message, src, value)` is the whole."""

    convert: PlainConverter
    message: str


_BRIEF = 120  # characters of a value in a loss


def brief(value: object) -> str:
    """A value as a loss shows it: a text as it is, anything else as JSON, shortened."""
    text = value if isinstance(value, str) else _as_json(value)
    return str(text) if len(text) <= _BRIEF else text[:_BRIEF] + "…"


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return shown(value)


class SetupProblem(Exception):
    """The converter cannot be made; the text is the message. `{src}` stands for the source."""

    def about(self, src: str) -> str:
        return str(self).replace("{src}", src)


def complaint(message: str, src: str, value: object) -> str:
    return f"{message} {src}: {shown(value)}"
