"""Destinations as a run needs them, and the targets in which one record collects the values of their rows.

A target holds a list of values for each column that it sets; an empty list means "no value". The values of all other
columns are read from the stored row behind the target, if there is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import orjson

from server.mapping.model.model import ColumnKind, Destination, Name, more_column, qualified_column, safe_column
from server.mapping.model.scope import Scalar, StoredRow
from server.mapping.values.setup import Want

Form = Literal["single", "list", "spread"]
TYPE_COLUMN = "_type"


@dataclass(slots=True, eq=False)
class Slot:
    """Where the values of one Name are stored, those without a qualifier or those under one qualifier.

    `single`: one scalar in `column`. `list`: a JSON array in `column`. `spread`: the first value in `column`, the
    others as a JSON array in the column `more_column(column)`.
    """

    column: str
    form: Form
    kind: ColumnKind
    bound: "BoundName | None" = None

    def read(self, row: StoredRow) -> list[Scalar]:
        stored = row.values.get(self.column)
        if stored is None:
            return []
        if self.form == "list":
            return _parse_list(stored)
        return [stored] if self.form == "single" else [stored, *_more(row, self.column)]

    def render(self, values: list[Scalar]) -> Iterator[tuple[str, Scalar]]:
        if self.form == "list":
            yield self.column, _list_text(values)
            return
        yield self.column, values[0] if values else None
        if self.form == "spread":
            yield more_column(self.column), _list_text(values[1:])


@dataclass(slots=True, eq=False)
class BoundName:
    """A Name bound to the columns that store it.

    `main` holds the values without a qualifier. `others` are all columns for qualifiers of the model: other control
    files may have filled them.
    """

    name: Name
    main: Slot
    qualified: dict[str, Slot] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def slots(self) -> list[Slot]:
        return [self.main, *self.qualified.values()]


@dataclass(slots=True, eq=False)
class PreparedDestination:
    """A destination with everything that is computed once for a run.

    A pseudo destination (`value:…`, `load:…`) only collects values; it has no table and is never written.
    """

    destination: Destination
    pseudo: bool = False
    names: dict[str, BoundName] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)  # by column
    link: Slot | None = None  # the id of the parent's row
    key: tuple[BoundName, ...] = ()
    key_columns: tuple[str, ...] = ()
    required: tuple[BoundName, ...] = ()
    title: BoundName | None = None
    type_name: BoundName | None = None
    allowed_types: tuple[str, ...] = ()  # empty: any
    dependents: tuple[str, ...] = ()  # destinations that depend on this one, directly or not

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def table(self) -> str:
        return self.destination.table

    def accepts(self, row: StoredRow) -> bool:
        return not self.allowed_types or row.values.get(TYPE_COLUMN) in self.allowed_types

    def columns(self) -> Iterator[tuple[str, ColumnKind]]:
        """Yields every column that rows of this destination may use, with its kind."""
        for slot in self.slots.values():
            yield slot.column, slot.kind
            if slot.form == "spread":
                yield more_column(slot.column), "text"
        if self.has_types:
            yield TYPE_COLUMN, "text"

    @property
    def has_types(self) -> bool:
        return self.destination.types is not None or self.type_name is not None

    def add_name(self, name: Name, qualifiers: tuple[str, ...]) -> BoundName:
        main = Slot(name.column, "list" if name.multivalue else "single", name.kind)
        others = tuple(qualified_column(name, q) for q in qualifiers) if self.destination.kind == "object" else ()
        bound = main.bound = BoundName(name, main, others=others)
        self.names[name.name] = self.names.get(name.name, bound)
        self.slots[main.column] = main
        return bound

    def add_qualified(self, bound: BoundName, qualifier: str) -> Slot:
        column = self.qualified_column(bound, qualifier)
        slot = Slot(column, bound.main.form if bound.name.multivalue else "single", bound.name.kind, bound)
        bound.qualified[qualifier] = self.slots[column] = slot
        return slot

    @staticmethod
    def qualified_column(bound: BoundName, qualifier: str) -> str:
        return qualified_column(bound.name, qualifier)

    def taken(self, column: str) -> str | None:
        """Returns the column that SQL takes for the same one, which ignores case."""
        return next((known for known in self.slots if known.lower() == column.lower()), None)


class Given(NamedTuple):
    """A value of the input for a column: which instruction set it, the value as read, and as stored."""

    want: Want
    value: object
    stored: object


@dataclass(slots=True, eq=False)
class Target:
    """The values that one record collects for one row. `evaluation` draws its states.

    * `row`: the stored row that is changed; without one the target becomes a new row with the id `new_id`.
    * `overlay`: made by `upsert`. Whether there is a stored row is not known yet: instructions see only values of this
      record, and `row` is set once the key is complete, or at the check.
    * `adopted`: an overlay that depends on another overlay. Its row is found through its parent, not by a key.
    * `same_as`: an earlier target of this record for the same row; this one is absorbed by it at the commit.
    * `wiped`: stored columns to empty, of qualified values that were removed with their Name.
    * `given`: what the input gave, by column and qualifier, to report a value that is replaced by another.
    """

    prepared: PreparedDestination
    row: StoredRow | None = None
    overlay: bool = False
    adopted: bool = False
    deleted: bool = False
    values: dict[str, list[Scalar]] = field(default_factory=dict)
    wiped: set[str] = field(default_factory=set)
    parent: "Target | None" = None
    same_as: "Target | None" = None
    new_id: int | None = None
    given: dict[tuple[str, object], Given] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether a stored row may still be found for this target."""
        return self.overlay and self.row is None and self.same_as is None

    @property
    def root(self) -> "Target":
        """Returns the target that is written for the row, which is this one unless an earlier one is the same."""
        return self if self.same_as is None else self.same_as.root

    def read(self, slot: Slot) -> list[Scalar]:
        """Returns the values as instructions see them. A caller may append to the list."""
        values = self.values.get(slot.column)
        if values is None:
            stored = self.row is not None and not self.overlay and slot.column not in self.wiped
            values = self.values[slot.column] = slot.read(self.row) if stored and self.row is not None else []
        return values

    def peek(self, slot: Slot) -> list[Scalar]:
        """Returns the values that the row will have, with the stored ones behind an overlay."""
        values = self.values.get(slot.column)
        if values is not None:
            return values
        if self.same_as is not None:
            return self.same_as.peek(slot)
        return [] if self.row is None or slot.column in self.wiped else slot.read(self.row)

    def has(self, bound: BoundName) -> bool:
        """Whether instructions see a value of the Name: stored values behind an overlay do not count."""
        slots = [bound.main] if not bound.qualified else bound.slots
        if self.row is None or self.overlay:
            return any(self.values.get(slot.column) for slot in slots)
        return any(self.peek(slot) for slot in slots) or self.has_foreign(bound)

    @property
    def is_linked(self) -> bool:
        """Whether the row will have a link to its parent's row."""
        link = self.prepared.link
        return link is not None and bool(self.peek(link))

    @property
    def lacks_type(self) -> bool:
        """Whether the row has to have an object type, and nothing says which."""
        types = self.prepared.destination.types
        return types is not None and types.default is None and bool(types.allowed) and self.stored_type() is None

    def has_text(self, bound: BoundName) -> bool:
        """Whether the row will have a value of the Name that is not empty."""
        shown = (value for slot in bound.slots for value in self.peek(slot))
        return any(value not in (None, "") for value in shown) or self.has_foreign(bound)

    def will_have(self, bound: BoundName) -> bool:
        return any(self.peek(slot) for slot in bound.slots) or self.has_foreign(bound)

    def has_foreign(self, bound: BoundName) -> bool:
        """Whether the row has values under qualifiers that this control file does not use."""
        if self.row is None:
            return False
        return any(c not in self.wiped and self.row.values.get(c) is not None for c in bound.others)

    def remove(self, bound: BoundName) -> None:
        """Removes all values of a Name, including those under qualifiers."""
        for slot in bound.slots:
            self.values[slot.column] = []
        self.given = {key: given for key, given in self.given.items() if key[0] != bound.main.column}
        self.wiped.update(bound.others)

    def replace_all(self, bound: BoundName, value: Scalar) -> None:
        """Makes this the only value of the Name. Behind an overlay, qualified values that are not set stay."""
        if self.row is None or self.overlay:
            for slot in bound.qualified.values():
                self.values.pop(slot.column, None)
        else:
            self.remove(bound)
        self.values[bound.main.column] = [value]

    def stored_form(self, bound: BoundName) -> Scalar:
        """Returns what the Name's main column would hold by the values set so far."""
        slot = bound.main
        values = self.values.get(slot.column)
        if not values:
            return None
        return values[0] if slot.form != "list" else _list_text(values)

    def collected(self) -> dict[str, object]:
        """Returns the values by Name, in the order set: the parts of a structured value."""
        found: dict[str, object] = {}
        for column, values in self.values.items():
            slot = self.prepared.slots[column]
            if values and slot.bound is not None and slot is slot.bound.main:
                found[slot.bound.name.name] = values if slot.form == "list" else values[0]
        return found

    def absorb(self, later: "Target") -> None:
        """Takes over the values of a later target for the same row."""
        self.values.update(later.values)
        self.given |= later.given
        self.wiped |= later.wiped
        self.parent = self.parent or later.parent
        self.deleted = self.deleted or later.deleted

    def inserted(self) -> dict[str, Scalar]:
        """Returns the values of the new row, by column."""
        found: dict[str, Scalar] = {c: value for c, value in self._rendered() if value is not None}
        stored_type = self.stored_type()
        if stored_type is not None:
            found |= {TYPE_COLUMN: stored_type}
            if (bound := self.prepared.type_name) is not None:
                found.setdefault(bound.main.column, default_type(bound.name, stored_type))
        return found

    def differences(self, row: StoredRow) -> dict[str, Scalar]:
        """Returns the columns in which the stored row differs from this target, with the target's values."""
        stored = row.values
        found = {column: value for column, value in self._rendered() if value != stored.get(column)}
        for column in self.wiped:
            if column not in self.values and stored.get(column) is not None:
                found[column] = None
        for column in self.values:
            more = more_column(column)
            if more not in found and stored.get(more) is not None and self.prepared.slots[column].form != "spread":
                found[more] = None
        if self.prepared.has_types and self.stored_type() != stored.get(TYPE_COLUMN):
            found[TYPE_COLUMN] = self.stored_type()
        return found

    def stored_type(self) -> Scalar:
        """Returns the object type that the row will have."""
        bound, types = self.prepared.type_name, self.prepared.destination.types
        if bound is not None and self.values.get(bound.main.column):
            return self.values[bound.main.column][0]
        if self.row is not None and self.row.values.get(TYPE_COLUMN) is not None:
            return self.row.values[TYPE_COLUMN]
        return types.default if types is not None else None

    def _rendered(self) -> Iterator[tuple[str, Scalar]]:
        slots = self.prepared.slots
        for column, values in self.values.items():
            slot = slots[column]
            if slot.form == "single":
                yield column, values[0] if values else None
            else:
                yield from slot.render(values)


def default_type(name: Name, type: Scalar) -> Scalar:
    """Returns what a Name for the object type holds when the model's default type is used."""
    return _list_text([type]) if name.multivalue else type


def _list_text(values: list[Scalar]) -> str | None:
    return orjson.dumps(values).decode() if values else None


def _parse_list(stored: Scalar) -> list[Scalar]:
    """Reads a JSON array; a column that became multivalue after it was filled still holds plain values."""
    try:
        values = orjson.loads(stored) if isinstance(stored, str) else stored
    except orjson.JSONDecodeError:
        return [stored]
    return values if isinstance(values, list) else [stored]


def _more(row: StoredRow, column: str) -> list[Scalar]:
    more = row.values.get(more_column(column))
    return [] if more is None else _parse_list(more)


def prepare_destination(destination: Destination, qualifiers: tuple[str, ...]) -> PreparedDestination:
    """Prepares a destination of the model: its Names, its key and its link to the parent."""
    prepared = PreparedDestination(destination)
    for name in destination.names.values():
        bound = prepared.add_name(_with_column(name), qualifiers)
        if name.type == "object-type" and prepared.type_name is None:
            prepared.type_name = bound
    _add_link(prepared)
    prepared.key = tuple(prepared.names[n] for n in destination.key if n in prepared.names)
    prepared.key_columns = tuple(bound.main.column for bound in prepared.key)
    prepared.required = tuple(
        c for _, c in sorted(prepared.names.items()) if c.name.required and c.main is not prepared.link
    )
    if destination.kind == "object" and destination.title is not None:
        prepared.title = prepared.names.get(destination.title)
    prepared.allowed_types = _allowed(destination)
    return prepared


def prepare_pseudo(destination: Destination) -> PreparedDestination:
    """Prepares a destination that only collects values, in columns called like its Names."""
    prepared = PreparedDestination(destination, pseudo=True)
    for name in destination.names.values():
        prepared.add_name(replace(name, column=name.name), ())
    return prepared


def _with_column(name: Name) -> Name:
    return name if name.column else replace(name, column=safe_column(name.name))


def _add_link(prepared: PreparedDestination) -> None:
    depends = prepared.destination.depends
    if depends is None:
        return
    column = prepared.destination.depends_column or safe_column(depends)
    known = prepared.taken(column)
    prepared.link = prepared.slots.setdefault(known or column, Slot(known or column, "single", "integer"))


def _allowed(destination: Destination) -> tuple[str, ...]:
    types = destination.types
    if types is None or not types.allowed:
        return ()
    extra = () if types.default is None or types.default in types.allowed else (types.default,)
    return (*types.allowed, *extra)
