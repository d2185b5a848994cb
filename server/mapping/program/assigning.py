"""How an instruction's values get into a target: which Name, which column, one value or several, and converted how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from server.mapping.language.control import Instruction, action_of, text_of
from server.mapping.model.model import Name, more_column, safe_column
from server.mapping.model.scope import Scalar
from server.mapping.record.targets import Cell, Place, Slot, Target
from server.mapping.values.javascript import NOTHING, is_truthy
from server.mapping.values.refs import Ref
from server.mapping.values.setup import Converter, Setup, Want
from server.mapping.values.values import converter

Setter = Callable[[Target, Scalar], None]

LOAD_BY_REF = "load:by-ref"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What instructions are prepared with: the places of the model, and how values are to be converted.

    `trail` is the instruction in hand, after those around it; where preparing raises, it stays as it was then.
    """

    places: Mapping[str, Place]
    setup: Setup
    trail: list[Instruction] = field(default_factory=list)

    def report(self, message: str) -> None:
        self.setup.report(message)


class Assignment(NamedTuple):
    """Where an instruction's values go, and how they get there.

    `alone`: each value takes the place of the one before.
    """

    destination: str
    cell: Cell
    convert: Converter
    put: Setter
    alone: bool
    want: Want


def assignment(prep: Preparation, instruction: Instruction, source: str) -> Assignment | None:
    action = action_of(instruction)
    d, n = text_of(instruction, "destination"), text_of(instruction, "name")
    place = prep.places.get(d)
    if place is None:
        prep.report(f"Unknown destination in {action}: {d}")
        return None
    cell = cell_of(prep, place, n, action)
    if cell is None:
        prep.report(f"Unknown name in {action} {n} for destination {d}")
        return None
    convert = converter(instruction, cell.name, source, prep.setup, typed=_whole_ref(place, instruction))
    if convert is None:
        prep.report(f"Couldn't create value transformer for {action} {d}/{n}")
        return None
    put = _setter(prep, place, cell, instruction, f"{action} {d}/{n}")
    if put is None:
        return None
    alone = not is_truthy(instruction.get("multivalue")) or (
        place.destination.kind == "dictionary" and not cell.name.multivalue
    )
    return Assignment(d, cell, convert, put, alone, Want(instruction, cell.name, source, prep.setup))


def _whole_ref(place: Place, instruction: Instruction) -> Converter | None:
    """For loading, a ref keeps its table: the row of that id in another table is not meant."""
    if place.name != LOAD_BY_REF or "refMapping" in instruction:
        return None
    return lambda value, scope: value if isinstance(value, Ref) else NOTHING


def cell_of(prep: Preparation, place: Place, name: str, action: str) -> Cell | None:
    """A Name of the destination; where that is open, one that the model does not list is a new text column."""
    known = place.cells.get(name)
    if known is not None or not place.destination.open or not name:
        return known
    column = safe_column(name)
    if not _is_free(prep, place, column, f"{action} {place.name}/{name}"):
        return None
    return place.add_cell(Name(name, column=column), prep.setup.model.qualifiers)


def _is_free(prep: Preparation, place: Place, column: str, where: str) -> bool:
    taken = place.taken(column)
    if taken is None:
        return True
    cell = place.slots[taken].cell
    owner = f'Name "{cell.name.name}"' if cell is not None else "the link to its parent"
    prep.report(f"Column {column} of destination {place.name}, needed for {where}, already belongs to {owner}")
    return False


def _setter(prep: Preparation, place: Place, cell: Cell, instruction: Instruction, where: str) -> Setter | None:
    many = is_truthy(instruction.get("multivalue"))
    qualifier = _qualifier(prep, instruction, where)
    if place.destination.kind == "dictionary":
        return _appender(cell.main) if many and cell.name.multivalue else _overwriter(cell.main)
    slot = cell.main if qualifier is None else cell.qualified.get(qualifier)
    if slot is None and qualifier is not None:
        slot = place.add_qualified(cell, qualifier) if _is_free_for(prep, place, cell, qualifier, where) else None
    if slot is None or (many and slot.form == "single" and not _spread(prep, place, slot, where)):
        return None
    if many:
        return _appender(slot)
    return _overwriter(slot) if slot is not cell.main or not cell.others else _replacer(cell)


def _qualifier(prep: Preparation, instruction: Instruction, where: str) -> str | None:
    if "qualifier" not in instruction:
        return None
    qualifier = text_of(instruction, "qualifier")
    if qualifier in prep.setup.model.qualifiers:
        return qualifier
    prep.report(f"Invalid qualifier '{qualifier}' in {where}")
    return None


def _is_free_for(prep: Preparation, place: Place, cell: Cell, qualifier: str, where: str) -> bool:
    return _is_free(prep, place, place.qualified_column(cell, qualifier), where)


def _spread(prep: Preparation, place: Place, slot: Slot, where: str) -> bool:
    """Lets a single-valued Name keep several values, the further ones in a column beside its own."""
    if not _is_free(prep, place, more_column(slot.column), where):
        return False
    slot.form = "spread"
    return True


def _appender(slot: Slot) -> Setter:
    return lambda target, value: target.read(slot).append(value)


def _overwriter(slot: Slot) -> Setter:
    column = slot.column

    def put(target: Target, value: Scalar) -> None:
        target.values[column] = [value]

    return put


def _replacer(cell: Cell) -> Setter:
    return lambda target, value: target.replace_all(cell, value)
