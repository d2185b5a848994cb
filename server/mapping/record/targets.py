"""Destinations made ready for a run, and the targets in which one record collects values for their rows.

A target keeps, for each column it touches, the list of values the column shall hold; an empty list means "no value".
What it does not touch is read from the stored row behind it, if there is one.
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
    """The values of one Name, unqualified or under one qualifier.

    `single`: a scalar in `column`; `list`: a JSON array there; `spread`: the first there, the others as a JSON array
    beside it.
    """

    column: str
    form: Form
    kind: ColumnKind
    cell: "Cell | None" = None

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
class Cell:
    """A Name of a destination with all its slots. `others`: where other control files may have put qualified values."""

    name: Name
    main: Slot
    qualified: dict[str, Slot] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def slots(self) -> list[Slot]:
        return [self.main, *self.qualified.values()]


@dataclass(slots=True, eq=False)
class Place:
    """A destination made ready. Pseudo places only collect values; they are never written."""

    destination: Destination
    pseudo: bool = False
    cells: dict[str, Cell] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)  # by column
    link: Slot | None = None  # the id of the parent's row
    key: tuple[Cell, ...] = ()
    key_columns: tuple[str, ...] = ()
    required: tuple[Cell, ...] = ()
    title: Cell | None = None
    type_cell: Cell | None = None
    allowed_types: tuple[str, ...] = ()  # empty: any
    dependants: tuple[str, ...] = ()  # destinations that depend on this one, directly or not

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def table(self) -> str:
        return self.destination.table

    def accepts(self, row: StoredRow) -> bool:
        return not self.allowed_types or row.values.get(TYPE_COLUMN) in self.allowed_types

    def columns(self) -> Iterator[tuple[str, ColumnKind]]:
        """Every column that rows of this destination may use, with its kind."""
        for slot in self.slots.values():
            yield slot.column, slot.kind
            if slot.form == "spread":
                yield more_column(slot.column), "text"
        if self.has_types:
            yield TYPE_COLUMN, "text"

    @property
    def has_types(self) -> bool:
        return self.destination.types is not None or self.type_cell is not None

    def add_cell(self, name: Name, qualifiers: tuple[str, ...]) -> Cell:
        main = Slot(name.column, "list" if name.multivalue else "single", name.kind)
        others = tuple(qualified_column(name, q) for q in qualifiers) if self.destination.kind == "object" else ()
        cell = main.cell = Cell(name, main, others=others)
        self.cells[name.name] = self.cells.get(name.name, cell)
        self.slots[main.column] = main
        return cell

    def add_qualified(self, cell: Cell, qualifier: str) -> Slot:
        column = self.qualified_column(cell, qualifier)
        slot = Slot(column, cell.main.form if cell.name.multivalue else "single", cell.name.kind, cell)
        cell.qualified[qualifier] = self.slots[column] = slot
        return slot

    @staticmethod
    def qualified_column(cell: Cell, qualifier: str) -> str:
        return qualified_column(cell.name, qualifier)

    def taken(self, column: str) -> str | None:
        """The column of this destination that SQL would take for `column`, if there is one."""
        return next((known for known in self.slots if known.lower() == column.lower()), None)


class Given(NamedTuple):
    """What the input gave for a column: the instruction that set it, the value as it came, and as it is stored."""

    want: Want
    value: object
    stored: object


@dataclass(slots=True, eq=False)
class Target:
    """Values for one row.

    `overlay`: a fresh target until its check, when a stored row that it turns out to stand for is put behind it.
    Made by `upsert`, or (`adopted`) as the dependent of an upserted target.
    """

    place: Place
    row: StoredRow | None = None
    overlay: bool = False
    adopted: bool = False
    deleted: bool = False
    values: dict[str, list[Scalar]] = field(default_factory=dict)
    wiped: set[str] = field(
        default_factory=set
    )  # stored columns to empty: qualified values that were removed with their Name
    parent: "Target | None" = None
    same_as: "Target | None" = None  # an earlier target of this record for the same row
    new_id: int | None = None
    given: dict[tuple[str, object], Given] = field(default_factory=dict)  # by column and qualifier

    @property
    def root(self) -> "Target":
        """The target that will be written for this one's row."""
        return self if self.same_as is None else self.same_as.root

    def read(self, slot: Slot) -> list[Scalar]:
        """The values as instructions see them; the list may be appended to."""
        values = self.values.get(slot.column)
        if values is None:
            stored = self.row is not None and not self.overlay and slot.column not in self.wiped
            values = self.values[slot.column] = slot.read(self.row) if stored and self.row is not None else []
        return values

    def peek(self, slot: Slot) -> list[Scalar]:
        """The values that the row will have, the stored ones behind an overlay included."""
        values = self.values.get(slot.column)
        if values is not None:
            return values
        if self.same_as is not None:
            return self.same_as.peek(slot)
        return [] if self.row is None or slot.column in self.wiped else slot.read(self.row)

    def has(self, cell: Cell) -> bool:
        """Whether an instruction finds a value: what lies behind an overlay does not count yet."""
        slots = [cell.main] if not cell.qualified else cell.slots
        if self.row is None or self.overlay:
            return any(self.values.get(slot.column) for slot in slots)
        return any(self.peek(slot) for slot in slots) or self.has_foreign(cell)

    def will_have(self, cell: Cell) -> bool:
        return any(self.peek(slot) for slot in cell.slots) or self.has_foreign(cell)

    def has_foreign(self, cell: Cell) -> bool:
        """Whether the row has values under qualifiers that this control file does not use."""
        if self.row is None:
            return False
        return any(c not in self.wiped and self.row.values.get(c) is not None for c in cell.others)

    def remove(self, cell: Cell) -> None:
        """Drops all values of a Name, those under qualifiers too."""
        for slot in cell.slots:
            self.values[slot.column] = []
        self.given = {place: given for place, given in self.given.items() if place[0] != cell.main.column}
        self.wiped.update(cell.others)

    def replace_all(self, cell: Cell, value: Scalar) -> None:
        """Makes this the only value. What lies behind an overlay keeps what the record does not mention."""
        if self.row is None or self.overlay:
            for slot in cell.qualified.values():
                self.values.pop(slot.column, None)
        else:
            self.remove(cell)
        self.values[cell.main.column] = [value]

    def stored_form(self, cell: Cell) -> Scalar:
        """What the Name's own column would hold by what was set so far."""
        slot = cell.main
        values = self.values.get(slot.column)
        if not values:
            return None
        return values[0] if slot.form != "list" else _list_text(values)

    def collected(self) -> dict[str, object]:
        """The values by Name in the order in which they were set, as a structured value is made from them."""
        found: dict[str, object] = {}
        for column, values in self.values.items():
            slot = self.place.slots[column]
            if values and slot.cell is not None and slot is slot.cell.main:
                found[slot.cell.name.name] = values if slot.form == "list" else values[0]
        return found

    def absorb(self, later: "Target") -> None:
        self.values.update(later.values)
        self.given |= later.given
        self.wiped |= later.wiped
        self.parent = self.parent or later.parent
        self.deleted = self.deleted or later.deleted

    def inserted(self) -> dict[str, Scalar]:
        """All values that are set, in stored form."""
        found: dict[str, Scalar] = {c: value for c, value in self._rendered() if value is not None}
        stored_type = self.stored_type()
        if stored_type is not None:
            found |= {TYPE_COLUMN: stored_type}
            if (cell := self.place.type_cell) is not None:
                found.setdefault(cell.main.column, default_type(cell.name, stored_type))
        return found

    def differences(self, row: StoredRow) -> dict[str, Scalar]:
        """What must be written so that `row` becomes this target."""
        stored = row.values
        found = {column: value for column, value in self._rendered() if value != stored.get(column)}
        for column in self.wiped:
            if column not in self.values and stored.get(column) is not None:
                found[column] = None
        for column in self.values:
            more = more_column(column)
            if more not in found and stored.get(more) is not None and self.place.slots[column].form != "spread":
                found[more] = None
        if self.place.has_types and self.stored_type() != stored.get(TYPE_COLUMN):
            found[TYPE_COLUMN] = self.stored_type()
        return found

    def stored_type(self) -> Scalar:
        """The object type that the row will have."""
        cell, types = self.place.type_cell, self.place.destination.types
        if cell is not None and self.values.get(cell.main.column):
            return self.values[cell.main.column][0]
        if self.row is not None and self.row.values.get(TYPE_COLUMN) is not None:
            return self.row.values[TYPE_COLUMN]
        return types.default if types is not None else None

    def _rendered(self) -> Iterator[tuple[str, Scalar]]:
        slots = self.place.slots
        for column, values in self.values.items():
            slot = slots[column]
            if slot.form == "single":
                yield column, values[0] if values else None
            else:
                yield from slot.render(values)


def default_type(name: Name, type: Scalar) -> Scalar:
    """What a Name for the object type holds where nothing but the model says which type it is."""
    return _list_text([type]) if name.multivalue else type


def _list_text(values: list[Scalar]) -> str | None:
    return orjson.dumps(values).decode() if values else None


def _parse_list(stored: Scalar) -> list[Scalar]:
    """A column that became multivalue after it was filled still holds plain values."""
    try:
        values = orjson.loads(stored) if isinstance(stored, str) else stored
    except orjson.JSONDecodeError:
        return [stored]
    return values if isinstance(values, list) else [stored]


def _more(row: StoredRow, column: str) -> list[Scalar]:
    more = row.values.get(more_column(column))
    return [] if more is None else _parse_list(more)


def make_place(destination: Destination, qualifiers: tuple[str, ...]) -> Place:
    """A destination of the model with all its Names, its key and its link to the parent."""
    place = Place(destination)
    for name in destination.names.values():
        cell = place.add_cell(_with_column(name), qualifiers)
        if name.type == "object-type" and place.type_cell is None:
            place.type_cell = cell
    _add_link(place)
    place.key = tuple(place.cells[n] for n in destination.key if n in place.cells)
    place.key_columns = tuple(cell.main.column for cell in place.key)
    place.required = tuple(c for _, c in sorted(place.cells.items()) if c.name.required and c.main is not place.link)
    if destination.kind == "object" and destination.title is not None:
        place.title = place.cells.get(destination.title)
    place.allowed_types = _allowed(destination)
    return place


def make_pseudo(destination: Destination) -> Place:
    """A destination that only collects values, by Name."""
    place = Place(destination, pseudo=True)
    for name in destination.names.values():
        place.add_cell(replace(name, column=name.name), ())
    return place


def _with_column(name: Name) -> Name:
    return name if name.column else replace(name, column=safe_column(name.name))


def _add_link(place: Place) -> None:
    depends = place.destination.depends
    if depends is None:
        return
    column = place.destination.depends_column or safe_column(depends)
    known = place.taken(column)
    place.link = place.slots.setdefault(known or column, Slot(known or column, "single", "integer"))


def _allowed(destination: Destination) -> tuple[str, ...]:
    types = destination.types
    if types is None or not types.allowed:
        return ()
    extra = () if types.default is None or types.default in types.allowed else (types.default,)
    return (*types.allowed, *extra)
