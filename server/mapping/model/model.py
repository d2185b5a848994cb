"""A model: the destinations that an import can fill. Read from `imports/models/NAME.json`."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from server.mapping.model.diagnostic import Diagnostic, DocumentInvalid, Path
from server.mapping.model.document import Fields, Problems, choices, quoted

ColumnKind = Literal["text", "integer", "real"]

TYPE_KINDS: Mapping[str, ColumnKind] = {
    "text": "text",
    "boolean": "integer",
    "integer": "integer",
    "number": "real",
    "decimal": "text",
    "date": "text",
    "datetime": "text",
    "ref": "integer",
    "object-type": "text",
    "json": "text",
    "email-address": "text",
    "url": "text",
    "telephone-number": "text",
    "text-paragraph": "text",
    "text-multiline": "text",
    "isbn": "text",
    "configuration-name": "text",
    "person-name": "text",
    "postal-address": "text",
}
"""The types that a Name may have, with the kind of column that stores one value."""

LOOKUPS = ("behaviour", "username", "email")

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}").fullmatch


@dataclass(frozen=True, slots=True)
class Name:
    """One value of a destination. It is stored in `column`; `kind` follows from `type` and `multivalue`."""

    name: str
    type: str = "text"
    multivalue: bool = False
    required: bool = False
    column: str = ""
    description: str = ""
    refers_to: str | None = None  # table, for type ref
    in_key: bool = False  # whether rows are told apart by it

    @property
    def kind(self) -> ColumnKind:
        if self.multivalue:
            return "text"
        return TYPE_KINDS.get(self.type, "text")


@dataclass(frozen=True, slots=True)
class Types:
    """The object types that rows of a destination may have. The column `_type` of its table stores them."""

    default: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    name: str
    table: str
    kind: Literal["object", "dictionary"]
    names: Mapping[str, Name]
    label: str = ""
    optional: bool = False
    depends: str | None = None
    depends_column: str | None = None
    title: str | None = None
    types: Types | None = None
    key: tuple[str, ...] = ()  # Names, not columns
    lookups: Mapping[str, str] = field(default_factory=dict)  # one of LOOKUPS -> Name
    open: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    destinations: Mapping[str, Destination]  # in the file's order
    label: str = ""
    description: str = ""
    qualifiers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


def safe_column(name: str) -> str:
    """Returns the column for a Name: all characters but ASCII letters, digits and `_` become `_`."""
    column = _safe(name)
    if not column or column[0].isdigit() or column.lower() == "id" or column.startswith("_"):
        column = "x" + column if column.startswith("_") or not column or column[0].isdigit() else column + "_"
    return column


def qualified_column(name: Name, qualifier: str) -> str:
    """Returns the column in which an object stores the values of a Name under a qualifier."""
    return f"{name.column}__{_safe(qualifier)}"


def more_column(column: str) -> str:
    """Returns the column in which an object stores further values of a Name that is single in the model."""
    return f"{column}__more"


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


class ModelInvalid(DocumentInvalid):
    """A model file that cannot be used."""


def parse_model(document: object, source: str) -> Model:
    """Reads a model. Raises ModelInvalid with all problems at once; `source` names the file in them."""
    problems = Problems(source)
    fields = Fields(document, (), problems, ("name", "label", "description", "qualifiers", "types", "destinations"))
    qualifiers = fields.texts("qualifiers")
    _check_qualifiers(fields, qualifiers)
    model = Model(
        name=fields.text("name", required=True) or "",
        label=fields.text("label") or "",
        description=fields.text("description") or "",
        qualifiers=qualifiers,
        types=fields.texts("types"),
        destinations=_destinations(fields, qualifiers),
    )
    _check_dependencies(model, problems)
    if not problems.found:
        problems.found += _disagreements([model])
    if problems.found:
        raise ModelInvalid(problems.found)
    return model


def _check_qualifiers(fields: Fields, qualifiers: Sequence[str]) -> None:
    columns: dict[str, str] = {}
    for qualifier in qualifiers:
        other = columns.setdefault(_safe(qualifier).lower(), qualifier)
        if other is not qualifier:
            fields.problems.add(
                fields.at("qualifiers"),
                f"{quoted(qualifier)} and {quoted(other)} would share columns, should differ in more than punctuation",
            )


def _destinations(fields: Fields, qualifiers: Sequence[str]) -> dict[str, Destination]:
    found: dict[str, Destination] = {}
    for path, item in fields.items("destinations"):
        destination = _destination(Fields(item, path, fields.problems, _DESTINATION_KEYS), qualifiers)
        if destination.name in found:
            fields.problems.wrong((*path, "name"), destination.name, "a name no other destination has")
        found[destination.name] = destination
    return found


_DESTINATION_KEYS = (
    "name", "table", "kind", "label", "description", "optional", "depends", "depends_column", "title", "types", "key",
    "lookups", "open", "names",
)  # fmt: skip


def _destination(fields: Fields, qualifiers: Sequence[str]) -> Destination:
    names = _names(fields)
    depends = fields.text("depends")
    column = _column(fields, "depends_column")
    if column and not depends and not fields.values.get("depends"):
        fields.wrong("depends_column", "left out, as there is no depends")
    kind = fields.choice("kind", ("object", "dictionary"))
    key = tuple(_keys(fields, names))
    destination = Destination(
        name=_destination_name(fields),
        table=_table(fields, "table", required=True) or "",
        kind="dictionary" if kind == "dictionary" else "object",
        names={each: replace(name, in_key=each in key) for each, name in names.items()},
        label=fields.text("label") or "",
        optional=fields.flag("optional"),
        depends=depends,
        depends_column=(column or safe_column(depends)) if depends else None,
        title=_known_name(fields, fields.at("title"), fields.text("title"), names),
        types=_types(fields),
        key=key,
        lookups=dict(_lookups(fields, names)),
        open=fields.flag("open"),
    )
    _check_columns(fields, destination, qualifiers)
    return destination


def _destination_name(fields: Fields) -> str:
    name = fields.text("name", required=True) or ""
    if name.startswith(("value:", "load:")):
        fields.wrong("name", "a name that does not start with value: or load:")
    return name


def _table(fields: Fields, key: str, *, required: bool = False) -> str | None:
    right = "a table name: ASCII letters, digits and _, a letter first, not starting with sqlite_"
    table = fields.text(key, right, required=required)
    if table and (not _IDENTIFIER(table) or table.lower().startswith("sqlite_")):
        fields.wrong(key, right)
    return table


def _column(fields: Fields, key: str) -> str | None:
    right = "a column name: ASCII letters, digits and _, a letter first, not id"
    column = fields.text(key, right)
    if column and (not _IDENTIFIER(column) or column.lower() == "id"):
        fields.wrong(key, right)
        return None
    return column


def _names(fields: Fields) -> dict[str, Name]:
    known = ("type", "multivalue", "required", "column", "description", "refers_to")
    names: dict[str, Name] = {}
    for name, item in fields.objects("names", required=not fields.flag("open")):
        names[name] = _name(name, Fields(item, fields.at("names", name), fields.problems, known))
    return names


def _name(name: str, fields: Fields) -> Name:
    if not name or "#" in name:
        fields.problems.add(fields.path, "a Name must have at least one character, and no #")
    type_ = fields.choice("type", tuple(TYPE_KINDS), "text") or "text"
    refers_to = _table(fields, "refers_to")
    if refers_to and type_ != "ref":
        fields.wrong("refers_to", f"left out, as the type is {type_}, not ref")
    return Name(
        name=name,
        type=type_,
        multivalue=fields.flag("multivalue"),
        required=fields.flag("required"),
        column=_column(fields, "column") or safe_column(name),
        description=fields.text("description") or "",
        refers_to=refers_to,
    )


def _types(fields: Fields) -> Types | None:
    if "types" not in fields.values:
        return None
    inner = Fields(fields.values["types"], fields.at("types"), fields.problems, ("default", "allowed"))
    types = Types(inner.text("default"), inner.texts("allowed"))
    if types.default and types.allowed and types.default not in types.allowed:
        inner.wrong("default", choices(types.allowed))
    return types


def _known_name(fields: Fields, path: Path, name: str | None, names: Mapping[str, Name]) -> str | None:
    if name is None or name in names:
        return name
    fields.problems.wrong(path, name, choices(names))
    return None


def _keys(fields: Fields, names: Mapping[str, Name]) -> Iterator[str]:
    for name in fields.texts("key"):
        if found := _known_name(fields, fields.at("key"), name, names):
            yield found
            if names[found].multivalue:
                fields.problems.wrong(fields.at("key"), name, "a Name that is not multivalue")


def _lookups(fields: Fields, names: Mapping[str, Name]) -> Iterator[tuple[str, str]]:
    for lookup, value in fields.objects("lookups"):
        path = fields.at("lookups", lookup)
        if lookup not in LOOKUPS:
            fields.problems.add(path, f"unknown key; known are {', '.join(LOOKUPS)}")
        elif not isinstance(value, str):
            fields.problems.wrong(path, value, choices(names))
        elif found := _known_name(fields, path, value, names):
            yield lookup, found
            if names[found].multivalue or names[found].kind != "text":
                fields.problems.wrong(path, value, "a Name that holds one text")


def _check_columns(fields: Fields, destination: Destination, qualifiers: Sequence[str]) -> None:
    """Reports Names that share a column. Case does not count, as `Email` and `email` are one column in SQLite."""
    owners: dict[str, str] = {}
    for name in destination.names.values():
        other = owners.setdefault(name.column.lower(), name.name)
        if other != name.name:
            text = f"column {quoted(name.column)} is also that of {quoted(other)}, should be one of its own"
            fields.problems.add(fields.at("names", name.name), text)
    for name, column in _derived(destination, qualifiers):
        taken = owners.get(column.lower(), name.name)
        if taken != name.name:
            text = f"its column {quoted(destination.names[taken].column)} is needed for values of {quoted(name.name)}"
            fields.problems.add(fields.at("names", taken), text + ", should be another")
    parent = owners.get((destination.depends_column or "").lower())
    if parent and destination.names[parent].kind != "integer":
        text = f"is also the column of {quoted(parent)}, should be another, or that Name a ref"
        fields.problems.add(fields.at("depends_column"), f"{quoted(destination.depends_column)} {text}")


def _derived(destination: Destination, qualifiers: Sequence[str]) -> Iterator[tuple[Name, str]]:
    """Yields the columns that an object may need beside those of its Names."""
    if destination.kind == "object":
        for name in destination.names.values():
            yield name, more_column(name.column)
            for qualifier in qualifiers:
                yield name, qualified_column(name, qualifier)


def _check_dependencies(model: Model, problems: Problems) -> None:
    for index, destination in enumerate(model.destinations.values()):
        path = ("destinations", index, "depends")
        if destination.depends and destination.depends not in model.destinations:
            problems.wrong(path, destination.depends, choices(model.destinations))
        elif destination.depends and _depends_on_itself(model, destination):
            problems.wrong(path, destination.depends, "a destination that does not itself depend on this one")


def _depends_on_itself(model: Model, start: Destination) -> bool:
    seen: set[str] = set()
    name: str | None = start.depends
    while name is not None and name in model.destinations and name not in seen:
        if name == start.name:
            return True
        seen.add(name)
        name = model.destinations[name].depends
    return False


def check_tables(models: Mapping[str, Model]) -> list[Diagnostic]:
    """Reports destinations that disagree about a shared table, and refs to tables that no model fills."""
    return [*_disagreements(models.values()), *_lost_refs(models.values())]


@dataclass(frozen=True, slots=True)
class _Place:
    """A destination among those of several models."""

    model: Model
    index: int
    destination: Destination

    def __str__(self) -> str:
        return f"model {self.model.name}, destination {self.destination.name}"

    def wrong(self, message: str) -> Diagnostic:
        return Diagnostic(message, ("destinations", self.index), place=str(self), about=f"model {self.model.name}")

    def wrong_name(self, name: str, message: str) -> Diagnostic:
        found = self.wrong(message)
        path: Path = ("destinations", self.index, "names", name)
        return replace(found, path=path, place=f"{self}, Name {name}")


def _places(models: Iterable[Model]) -> Iterator[_Place]:
    for model in models:
        for index, destination in enumerate(model.destinations.values()):
            yield _Place(model, index, destination)


def _disagreements(models: Iterable[Model]) -> list[Diagnostic]:
    columns: dict[tuple[str, str], tuple[str, object]] = {}
    spelled: dict[str, tuple[str, str]] = {}
    problems: list[Diagnostic] = []
    for here in _places(models):
        problems += _check_spelling(here, spelled)
        problems += _check_agreement(here, columns)
    return problems


def _lost_refs(models: Collection[Model]) -> list[Diagnostic]:
    tables = {place.destination.table for place in _places(models)}
    return [
        place.wrong_name(name.name, f"refers_to {quoted(name.refers_to)} is wrong, should be {choices(sorted(tables))}")
        for place in _places(models)
        for name in place.destination.names.values()
        if name.refers_to and name.refers_to not in tables
    ]


def _check_spelling(here: _Place, spelled: dict[str, tuple[str, str]]) -> Iterator[Diagnostic]:
    own = here.destination.table
    table, there = spelled.setdefault(own.lower(), (own, str(here)))
    if table != own:
        yield here.wrong(f"table {quoted(own)} is {quoted(table)} in {there}, should be spelled the same")


def _check_agreement(here: _Place, columns: dict[tuple[str, str], tuple[str, object]]) -> Iterator[Diagnostic]:
    table = here.destination.table
    for column, shape in _shapes(here.model, here.destination):
        there, other = columns.setdefault((table.lower(), column.lower()), (str(here), (column, *shape)))
        if other != (column, *shape) and there != str(here):
            yield here.wrong(
                f"column {quoted(column)} of table {table} is {' '.join(shape)}, "
                f"but differs in {there}; should be the same in both"
            )


def _shapes(model: Model, destination: Destination) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in destination.names.values():
        many = ("multivalue",) if name.multivalue else ()
        yield name.column, (*many, name.type, *(("to", name.refers_to) if name.refers_to else ()))
    if destination.depends and destination.depends in model.destinations and destination.depends_column:
        taken = {name.column.lower() for name in destination.names.values()}
        if destination.depends_column.lower() not in taken:
            yield destination.depends_column, ("ref", "to", model.destinations[destination.depends].table)
