"""Refs, which point from a row to a row, and the ways to make one from a value of the input."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from server.mapping.model.model import Destination, Model, Name
from server.mapping.model.scope import Lookup, Scope, StoredRow, report_once
from server.mapping.values.javascript import NOTHING, js_text, shown
from server.mapping.values.setup import Converter, Lost, Want
from server.mapping.values.types.structured import display_text

_MAX_ID = 2**63 - 1
_MAX_TITLES = 4096  # rows whose titles are read one by one; plain text titles are looked up and have no limit


class Ref(NamedTuple):
    """A reference to a row. `table` is None until the destination or Name that uses the ref says which table it is."""

    table: str | None
    id: int


class LookupColumn(NamedTuple):
    """A column in which rows can be looked up."""

    table: str
    column: str


def parse_ref(value: object) -> Ref | None:
    """Reads the text form of a ref, which is the row's id in plain decimal."""
    if not isinstance(value, str) or not 0 < len(value) < 20 or not (value.isascii() and value.isdigit()):
        return None
    return Ref(None, int(value)) if value[0] != "0" and int(value) <= _MAX_ID else None


def lookup_columns(
    models: Mapping[str, Model], lookup: str, tables: set[str] | None = None
) -> tuple[LookupColumn, ...]:
    """Returns the columns in which rows are looked up by `behaviour`, `username` or `email`."""
    found = {
        LookupColumn(d.table, d.names[d.lookups[lookup]].column): None
        for d in _destinations(models)
        if lookup in d.lookups and (tables is None or d.table in tables)
    }
    return tuple(found)


def find_ref(lookup: Lookup, where: Iterable[LookupColumn], keys: Sequence[str]) -> Ref | None:
    """Returns the oldest row of the first column that has one of the keys; earlier keys win."""
    for at in where:
        for rows in lookup.find(at.table, (at.column,), [(key,) for key in keys], 1):
            if rows:
                return Ref(at.table, rows[0].id)
    return None


def known_types(models: Mapping[str, Model]) -> frozenset[str]:
    types = {code for model in models.values() for code in model.types}
    for destination in _destinations(models):
        types.update(_types_of(destination))
    return frozenset(types)


def ref_converter(want: Want) -> Converter:
    """Makes the converter of refs: to rows that exist only, and with `refMapping` from a table of the control file."""
    if "refMapping" in want.action:
        return _mapped(want)
    return _existing(want.name, want.src)


def _existing(name: Name, src: str) -> Converter:
    def convert(value: object, scope: Scope) -> object:
        if not isinstance(value, Ref):
            return NOTHING
        table = value.table or name.refers_to
        if name.refers_to in (None, table) and (table is None or scope.lookup.get(table, value.id)):
            return value.id
        return _unmapped(src, value.id)

    return convert


def _unmapped(src: str, value: object) -> object:
    return Lost(f"Value in input data cannot be mapped for {src}: {shown(value)}")


def _never(value: object, scope: Scope) -> object:
    return NOTHING


def _mapped(want: Want) -> Converter:
    label = js_text(want.action["refMapping"])
    mapping = want.setup.mapping.get(label)
    if not isinstance(mapping, dict):
        want.setup.report(f"Unknown mapping: {label}")
        return _never
    values = mapping.get("values", mapping.get("value"))
    makers = {"behaviour": _by_behaviour, "title": _by_title}
    using = mapping.get("using")
    if not isinstance(using, str) or using not in makers:
        want.setup.report(f'Mapping {label} does not specify using, should be "behaviour" or "title"')
        return _never
    if not isinstance(values, dict):
        want.setup.report(f"Mapping {label} does not specify values")
        return _never
    return makers[using](want, label, mapping, values)


def _by_behaviour(want: Want, label: str, mapping: Mapping[str, object], values: Mapping[str, object]) -> Converter:
    models, src = want.setup.models, want.src
    types = mapping.get("types")
    tables = None if not isinstance(types, list) else {d.table for d in _typed(models, types)}
    where = _meant(lookup_columns(models, "behaviour", tables), want.name)

    def convert(value: object, scope: Scope) -> object:
        if value is NOTHING:
            return NOTHING
        code = values.get(js_text(value), NOTHING)
        ref = None if code is NOTHING else find_ref(scope.lookup, where, (js_text(code),))
        return ref.id if ref else _unmapped(src, value)

    return convert


def _by_title(want: Want, label: str, mapping: Mapping[str, object], values: Mapping[str, object]) -> Converter:
    types = _checked_types(want, label, mapping)
    if not types:
        return _never
    searches = _title_searches(want, label, types)
    src = want.src

    def convert(value: object, scope: Scope) -> object:
        if value is NOTHING or (title := values.get(js_text(value), NOTHING)) is NOTHING:
            return NOTHING
        for search in searches:
            if (found := search(js_text(title), scope)) is not None:
                return found
        return _unmapped(src, value)

    return convert


def _checked_types(want: Want, label: str, mapping: Mapping[str, object]) -> list[str]:
    types = mapping.get("types")
    report = want.setup.report
    if not isinstance(types, list):
        report(f"Mapping {label} does not specify types")
        return []
    known = known_types(want.setup.models)
    for unknown in (code for code in types if not isinstance(code, str) or code not in known):
        report(f"Mapping {label} refers to unknown type {js_text(unknown)}")
    good = [code for code in types if isinstance(code, str) and code in known]
    if not good:
        report(f"No types for mapping {label}")
    return good


Search = Callable[[str, Scope], int | None]


def _title_searches(want: Want, label: str, types: Sequence[str]) -> list[Search]:
    """Returns one search for each table that holds rows of the types and whose rows have titles."""
    searches: dict[LookupColumn, Search] = {}
    for destination in _typed(want.setup.models, types):
        title = destination.names.get(destination.title or "")
        if title is None or want.name.refers_to not in (None, destination.table):
            continue
        at = LookupColumn(destination.table, title.column)
        plain = not title.multivalue and title.type not in ("person-name", "postal-address")
        searches.setdefault(at, _indexed(at, types) if plain else _scanned(at, types, label))
    return list(searches.values())


def _indexed(at: LookupColumn, types: Sequence[str]) -> Search:
    columns = (at.column, "_type")

    def search(title: str, scope: Scope) -> int | None:
        answers = scope.lookup.find(at.table, columns, [(title, code) for code in types], 1)
        return min((rows[0].id for rows in answers if rows), default=None)

    return search


def _scanned(at: LookupColumn, types: Sequence[str], label: str) -> Search:
    """Searches titles that are stored as JSON: each row is read, as only the displayed texts can be compared."""
    seen: dict[str, int] = {}

    def fits(row: StoredRow, title: str) -> bool:
        stored = row.values.get(at.column)
        return row.values.get("_type") in types and isinstance(stored, str) and title in _titles(stored)

    def search(title: str, scope: Scope) -> int | None:
        # an earlier result is checked again, as the run may have changed or deleted its row
        if title in seen and (row := scope.lookup.get(at.table, seen[title])) and fits(row, title):
            return seen[title]
        answers = scope.lookup.find(at.table, ("_type",), [(code,) for code in types], _MAX_TITLES + 1)
        rows = sorted((row for found in answers for row in found), key=lambda row: row.id)
        if len(rows) > _MAX_TITLES:
            report_once(scope, f"Mapping {label} uses title mapping, but too many objects in store to use this method.")
            return None
        found = next((row.id for row in rows if fits(row, title)), None)
        if found is not None:
            seen[title] = found
        return found

    return search


def _titles(stored: str) -> list[str]:
    return display_text(stored).split("\n")


def _meant(where: Sequence[LookupColumn], name: Name) -> tuple[LookupColumn, ...]:
    return tuple(at for at in where if name.refers_to in (None, at.table))


def _destinations(models: Mapping[str, Model]) -> Iterable[Destination]:
    return (destination for model in models.values() for destination in model.destinations.values())


def _typed(models: Mapping[str, Model], types: Sequence[object]) -> Iterable[Destination]:
    wanted = {code for code in types if isinstance(code, str)}
    return (destination for destination in _destinations(models) if wanted.intersection(_types_of(destination)))


def _types_of(destination: Destination) -> tuple[str, ...]:
    types = destination.types
    if types is None:
        return ()
    return types.allowed if types.default is None else (*types.allowed, types.default)
