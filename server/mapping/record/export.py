"""Exports stored rows: from columns back to the Names of the models that fill a table."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from server.mapping.model.model import Destination, Model, Name, more_column, qualified_column, safe_column
from server.mapping.record.targets import TYPE_COLUMN

_JSON_TYPES = frozenset({"json", "person-name", "postal-address"})

Read = Callable[[Mapping[str, object]], object]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an exported row. `read` returns its value, or None if it was never set.

    `column` stores its (first) value, `name` is the model's Name, `refers_to` the table whose ids it holds.
    """

    key: str
    read: Read
    column: str
    name: Name | None = None
    refers_to: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """How the rows of one table are exported."""

    fields: tuple[Field, ...]

    @property
    def keys(self) -> list[str]:
        return ["_id", *(field.key for field in self.fields)]

    def row(self, id: int, stored: Mapping[str, object]) -> dict[str, object]:
        """Returns a row by the Names of its model. A Name that was never set is absent."""
        found: dict[str, object] = {"_id": id}
        for field in self.fields:
            value = field.read(stored)
            if value is not None:
                found[field.key] = value
        return found


def make_export(table: str, columns: Collection[str], models: Iterable[Model]) -> Export:
    """Makes the export of a table from all destinations that fill it. Columns without a Name keep their own name."""
    used: set[str] = set()
    fields: dict[str, Field] = {}
    for model in models:
        for destination in model.destinations.values():
            if destination.table == table:
                for field in _fields(destination, model):
                    used |= {field.column, more_column(field.column)}
                    if field.column in columns:
                        fields.setdefault(field.key, field)
    for column in columns:
        if column not in used and not column.startswith("_") and column != "id":
            fields.setdefault(column, Field(column, _plain(column), column))
    return Export(tuple(fields.values()))


def _fields(destination: Destination, model: Model) -> Iterator[Field]:
    if destination.depends is not None:
        link = destination.depends_column or safe_column(destination.depends)
        parent = model.destinations.get(destination.depends)
        yield Field("_parent", _plain(link), link, refers_to=parent.table if parent else None)
    qualifiers = model.qualifiers if destination.kind == "object" else ()
    types = [name for name in destination.names.values() if name.type == "object-type"]
    for name in destination.names.values():
        column = name.column or safe_column(name.name)
        read = _reader(name, column)
        yield Field(name.name, _or_type(read, name) if name in types[:1] else read, column, name, name.refers_to)
        for qualifier in qualifiers:
            qualified = qualified_column(name, qualifier)
            yield Field(f"{name.name}#{qualifier}", _reader(name, qualified), qualified, name, name.refers_to)


def _plain(column: str) -> Read:
    return lambda stored: stored.get(column)


def _reader(name: Name, column: str) -> Read:
    more = more_column(column)

    def single(stored: Mapping[str, object]) -> object:
        value = stored.get(column)
        if value is None:
            return None
        others = stored.get(more)
        if others is None:
            return _value(name, value)
        return [_value(name, each) for each in (value, *_list(others))]

    def many(stored: Mapping[str, object]) -> object:
        value = stored.get(column)
        return None if value is None else [_value(name, each) for each in _list(value)]

    return many if name.multivalue else single


def _or_type(read: Read, name: Name) -> Read:
    """Reads the object type from `_type` if the Name's column is empty, as it is in rows of earlier versions."""

    def read_type(stored: Mapping[str, object]) -> object:
        found, type = read(stored), stored.get(TYPE_COLUMN)
        if found is not None or type is None:
            return found
        return [type] if name.multivalue else type

    return read_type


def _list(stored: object) -> list[object]:
    """Reads several values; a column that became multivalue after it was filled still holds plain values."""
    parsed = _parsed(stored)
    return parsed if isinstance(parsed, list) else [stored]


def _value(name: Name, stored: object) -> object:
    if name.type == "boolean" and isinstance(stored, int):
        return bool(stored)
    return _parsed(stored) if name.type in _JSON_TYPES else stored


def _parsed(stored: object) -> object:
    if not isinstance(stored, str):
        return stored
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:
        return stored
