"""How an instruction sets values: their Name, their column, one value or several, and their conversion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from server.mapping.language.control import Instruction, action_of, text_of
from server.mapping.model.model import Name, more_column, safe_column
from server.mapping.model.scope import Scalar
from server.mapping.record.targets import BoundName, PreparedDestination, Slot, Target
from server.mapping.values.javascript import NOTHING, is_truthy
from server.mapping.values.setup import Converter, Setup, Want
from server.mapping.values.types.refs import Ref
from server.mapping.values.values import converter

Setter = Callable[[Target, Scalar], None]

LOAD_BY_REF = "load:by-ref"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What instructions are prepared with: the destinations of the model, and the setup of converters.

    `trail` holds the instruction that is being prepared, after those around it. After an exception it still does.
    """

    destinations: Mapping[str, PreparedDestination]
    setup: Setup
    trail: list[Instruction] = field(default_factory=list)

    def report(self, message: str) -> None:
        self.setup.report(message)


class Assignment(NamedTuple):
    """Where an instruction's values go, and how they are converted and set.

    `alone`: a value replaces the one before it.
    """

    destination: str
    bound: BoundName
    convert: Converter
    put: Setter
    alone: bool
    want: Want


def assignment(prep: Preparation, instruction: Instruction, source: str) -> Assignment | None:
    action = action_of(instruction)
    d, n = text_of(instruction, "destination"), text_of(instruction, "name")
    prepared = prep.destinations.get(d)
    if prepared is None:
        prep.report(f"Unknown destination in {action}: {d}")
        return None
    bound = bound_name_of(prep, prepared, n, action)
    if bound is None:
        prep.report(f"Unknown name in {action} {n} for destination {d}")
        return None
    convert = converter(instruction, bound.name, source, prep.setup, typed=_whole_ref(prepared, instruction))
    if convert is None:
        prep.report(f"Couldn't create value transformer for {action} {d}/{n}")
        return None
    put = _setter(prep, prepared, bound, instruction, f"{action} {d}/{n}")
    if put is None:
        return None
    alone = not is_truthy(instruction.get("multivalue")) or (
        prepared.destination.kind == "dictionary" and not bound.name.multivalue
    )
    return Assignment(d, bound, convert, put, alone, Want(instruction, bound.name, source, prep.setup))


def _whole_ref(prepared: PreparedDestination, instruction: Instruction) -> Converter | None:
    """Returns a conversion that keeps a ref's table, for loading: a row of another table is not meant."""
    if prepared.name != LOAD_BY_REF or "refMapping" in instruction:
        return None
    return lambda value, scope: value if isinstance(value, Ref) else NOTHING


def bound_name_of(prep: Preparation, prepared: PreparedDestination, name: str, action: str) -> BoundName | None:
    """Returns a Name of the destination. In an open destination, a Name that the model lacks is a new text column."""
    known = prepared.names.get(name)
    if known is not None or not prepared.destination.open or not name:
        return known
    column = safe_column(name)
    if not _is_free(prep, prepared, column, f"{action} {prepared.name}/{name}"):
        return None
    return prepared.add_name(Name(name, column=column), prep.setup.model.qualifiers)


def _is_free(prep: Preparation, prepared: PreparedDestination, column: str, where: str) -> bool:
    taken = prepared.taken(column)
    if taken is None:
        return True
    bound = prepared.slots[taken].bound
    owner = f'Name "{bound.name.name}"' if bound is not None else "the link to its parent"
    prep.report(f"Column {column} of destination {prepared.name}, needed for {where}, already belongs to {owner}")
    return False


def _setter(
    prep: Preparation, prepared: PreparedDestination, bound: BoundName, instruction: Instruction, where: str
) -> Setter | None:
    many = is_truthy(instruction.get("multivalue"))
    qualifier = _qualifier(prep, instruction, where)
    if prepared.destination.kind == "dictionary":
        return _appender(bound.main) if many and bound.name.multivalue else _overwriter(bound.main)
    slot = bound.main if qualifier is None else bound.qualified.get(qualifier)
    if slot is None and qualifier is not None:
        slot = (
            prepared.add_qualified(bound, qualifier) if _is_free_for(prep, prepared, bound, qualifier, where) else None
        )
    if slot is None or (many and slot.form == "single" and not _spread(prep, prepared, slot, where)):
        return None
    if many:
        return _appender(slot)
    return _overwriter(slot) if slot is not bound.main or not bound.others else _replacer(bound)


def _qualifier(prep: Preparation, instruction: Instruction, where: str) -> str | None:
    if "qualifier" not in instruction:
        return None
    qualifier = text_of(instruction, "qualifier")
    if qualifier in prep.setup.model.qualifiers:
        return qualifier
    prep.report(f"Invalid qualifier '{qualifier}' in {where}")
    return None


def _is_free_for(
    prep: Preparation, prepared: PreparedDestination, bound: BoundName, qualifier: str, where: str
) -> bool:
    return _is_free(prep, prepared, prepared.qualified_column(bound, qualifier), where)


def _spread(prep: Preparation, prepared: PreparedDestination, slot: Slot, where: str) -> bool:
    """Lets a single Name hold several values: the second and later ones go to a column beside its own."""
    if not _is_free(prep, prepared, more_column(slot.column), where):
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


def _replacer(bound: BoundName) -> Setter:
    return lambda target, value: target.replace_all(bound, value)
