"""Filters, which change a value before its type converts it.

`FILTERS` are built in. A distribution can add more through the entry point group `penstock.filters`: each entry point
is a function of the models that returns a filter, and its docstring is the description.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from server.mapping.model.model import Model
from server.mapping.model.scope import Scope
from server.mapping.values.javascript import NOTHING, js_text
from server.mapping.values.setup import Filter
from server.mapping.values.types.refs import LookupColumn, Ref, find_ref, lookup_columns, parse_ref

Factory = Callable[[Mapping[str, Model]], Filter]

_BARE_URL = re.compile(r"[A-Za-z][A-Za-z+./-]+").fullmatch


class Entry(NamedTuple):
    description: str
    factory: Factory


def _string_to_ref(models: Mapping[str, Model]) -> Filter:
    def convert(value: object, scope: Scope) -> object:
        return value if isinstance(value, Ref) else parse_ref(value) or NOTHING

    return convert


def _finder(where: tuple[LookupColumn, ...], keys: Callable[[str], tuple[str, ...]]) -> Filter:
    def convert(value: object, scope: Scope) -> object:
        if isinstance(value, Ref):
            return value
        if not isinstance(value, str) or not value:
            return NOTHING
        return find_ref(scope.lookup, where, keys(value)) or NOTHING

    return convert


def _code_to_ref(models: Mapping[str, Model]) -> Filter:
    return _finder(lookup_columns(models, "behaviour"), lambda code: (code,))


def _either_case(text: str) -> tuple[str, ...]:
    """Returns the spellings to look for: lower case first, then as typed, as a table filled by hand may hold it."""
    lower = text.lower()
    return (lower,) if lower == text else (lower, text)


def _username_to_ref(models: Mapping[str, Model]) -> Filter:
    return _finder(lookup_columns(models, "username"), _either_case)


def _email_to_ref(models: Mapping[str, Model]) -> Filter:
    return _finder(lookup_columns(models, "email"), _either_case)


def _fix_up_url(value: object, scope: Scope) -> object:
    if not isinstance(value, str):
        return NOTHING
    return "https://" + value if _BARE_URL(value) else value


def _to_lower_case(value: object, scope: Scope) -> object:
    return value.lower() if isinstance(value, str) else value


def _to_upper_case(value: object, scope: Scope) -> object:
    return value.upper() if isinstance(value, str) else value


def _to_string(value: object, scope: Scope) -> object:
    if isinstance(value, Ref):
        return str(value.id)
    return value if value is None or value is NOTHING else js_text(value)


def _same(convert: Filter) -> Factory:
    return lambda models: convert


FILTERS: Mapping[str, Entry] = {
    "haplo:string-to-ref": Entry("The id of a row, as text, to a ref", _string_to_ref),
    "haplo:code-to-ref": Entry("A behaviour code to the row that has it", _code_to_ref),
    "haplo:username-to-ref": Entry("A user name to that person's profile", _username_to_ref),
    "haplo:email-to-ref": Entry("An e-mail address to that person's profile", _email_to_ref),
    "haplo:fix-up-url": Entry("Puts https:// in front of a URL without a scheme", _same(_fix_up_url)),
    "haplo:to-lower-case": Entry("Text to lower case", _same(_to_lower_case)),
    "haplo:to-upper-case": Entry("Text to upper case", _same(_to_upper_case)),
    "haplo:to-string": Entry("Any value to text", _same(_to_string)),
}


@cache
def _plugins() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="penstock.filters")}


def available(models: Mapping[str, Model]) -> dict[str, str]:
    """Returns the usable filters with their descriptions. E-mail look-ups need a model with one."""
    found = {name: entry.description for name, entry in FILTERS.items()}
    if not lookup_columns(models, "email"):
        del found["haplo:email-to-ref"]
    return {**{name: (entry.load().__doc__ or "") for name, entry in _plugins().items()}, **found}


class Filters:
    """The filters of one batch. Each is made once, so that it may keep state."""

    def __init__(self, models: Mapping[str, Model], more: Mapping[str, Factory] | None = None) -> None:
        self._models = models
        self._more = dict(more or {})
        self._made: dict[str, Filter] = {}

    def get(self, name: str) -> Filter | None:
        if name not in self._made and (factory := self._factory(name)):
            self._made[name] = factory(self._models)
        return self._made.get(name)

    def _factory(self, name: str) -> Factory | None:
        if name in self._more:
            return self._more[name]
        if name in FILTERS:
            return FILTERS[name].factory if name in available(self._models) else None
        plugin = _plugins().get(name)
        return plugin.load() if plugin else None
