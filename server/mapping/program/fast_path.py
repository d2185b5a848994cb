"""The fast path: a plain control file as a plan of columns, which makes rows of a block without the evaluation.

A control file is plain if it makes one new row of each record (`new` or `upsert`) and then only sets Names of it. The
plan covers records in which every value converts without a message. All other records take the slow path, the
compiled program, which has every rule and message: a value that does not convert, a missing title, a column that
`only-columns` does not list or that `identify` reads. So both paths store the same, and
`tests/properties/test_fast_path.py` compares them with random control files and records.

Measured with records of five columns (CPU time a record): 0.3 µs here where all values have the stored type, 0.4 µs
with absent values, 0.6 µs with empty values and texts among numbers; 9 µs on the slow path. `scripts/bench import`
measures whole imports.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import orjson

from server.mapping.language.control import ControlFile
from server.mapping.model.model import Destination, Model, Name, qualified_column
from server.mapping.model.scope import Lookup, Loss, Scalar
from server.mapping.program.fast_columns import COLUMN_CONVERTERS, ColumnConverter
from server.mapping.program.fast_rows import ColumnPlan, RowsOfDicts, RowsOfLists
from server.mapping.record.targets import TYPE_COLUMN, default_type
from server.mapping.values.filters import Filters
from server.mapping.values.javascript import NOTHING
from server.mapping.values.setup import Converter, Setup
from server.mapping.values.values import converter

_SET = ("field", "set-value")
_LOOKS_UP = {"ref", "object-type"}
_LOOKUP_FILTERS = ("haplo:string-to-ref", "haplo:code-to-ref", "haplo:username-to-ref", "haplo:email-to-ref")
_WITHOUT_EFFECT = {
    "action",
    "source",
    "destination",
    "name",
    "value",
    "qualifier",
    "multivalue",
    "keepFalse",
}  # on the conversion
_EMPTY = ("", '[""]')


class RowMaker(Protocol):
    """Appends a tuple (columns, then number) to `rows` for each plain record, and to `slow` the indexes of others."""

    def __call__(
        self, records: Sequence[object], number: int, rows: list[tuple[Scalar, ...]], slow: list[int]
    ) -> None: ...


@dataclass(frozen=True)
class FastPath:
    """How records become rows of one destination; `key` is None for `new`.

    `of_dicts` takes records as objects. `of_lists` takes a name row and returns the function for lists under it.
    """

    destination: Destination
    columns: tuple[str, ...]
    key: tuple[str, ...] | None
    of_dicts: RowMaker
    of_lists: Callable[[Sequence[str]], RowMaker]


class _NotingScope:
    """A scope that only notes that there was a message. The slow path converts the value again and reports it."""

    def __init__(self) -> None:
        self.noted = False

    @property
    def hints(self) -> list[str]:
        return []  # empty, so that each message is noted

    @property
    def lookup(self) -> Lookup:
        raise LookupError("a plain value does not look up rows")

    def report(self, message: str) -> None:
        self.noted = True

    def lose(self, loss: Loss, error: str | None = None) -> None:
        self.noted = True


def _silently(convert: Converter) -> Callable[[object], object]:
    """Returns a conversion with NOTHING for each value that does not convert or has a message."""
    scope = _NotingScope()

    def converted(value: object) -> object:
        stored = convert(value, scope)
        if scope.noted:
            scope.noted = False
            return NOTHING
        return stored

    return converted


def fast_path(control: ControlFile, model: Model, models: Mapping[str, Model]) -> FastPath | None:
    """Returns the plan of a plain control file, or None if all records must take the slow path."""
    allowed, instructions = _unguarded(control.instructions)
    head, *sets = instructions or ({},)
    action, target = head.get("action"), str(head.get("destination"))
    destination = model.destinations.get(target)
    if action not in ("new", "upsert") or destination is None or not _stands_alone(destination, model):
        return None
    upsert = action == "upsert"
    if upsert and (not destination.key or destination.types):
        return None
    if destination.types and not destination.types.default:
        return None
    problems: list[str] = []
    setup = Setup(model=model, models=models, mapping=control.mapping, report=problems.append, filters=Filters(models))
    plans = [_plan(instruction, destination, upsert, setup) for instruction in sets]
    if problems or None in plans:
        return None
    return _assemble(destination, upsert, cast(list[ColumnPlan], plans), allowed)


Instructions = Sequence[Mapping[str, object]]


def _unguarded(instructions: Instructions) -> tuple[frozenset[str] | None, Instructions]:
    """Returns the columns that plain records may have (None: any), and the instructions for such records."""
    if not instructions or instructions[0].get("action") != "only-columns":
        return None, instructions
    listed, rest = instructions[0].get("columns"), instructions[1:]
    allowed = frozenset(map(str, listed)) if isinstance(listed, list | tuple) else frozenset()
    if not rest or rest[0].get("action") != "identify":
        return allowed, rest
    identifiers, otherwise = rest[0].get("columns"), rest[0].get("else")
    if not isinstance(identifiers, Mapping) or not isinstance(otherwise, list):
        return allowed, rest
    return allowed - identifiers.keys(), [*otherwise, *rest[1:]]


def _stands_alone(destination: Destination, model: Model) -> bool:
    others = [d for d in model.destinations.values() if d is not destination]
    return destination.depends is None and all(d.optional for d in others)


def _plan(instruction: Mapping[str, object], destination: Destination, upsert: bool, setup: Setup) -> ColumnPlan | None:
    if instruction.get("action") == "if-value-one-of":
        return _boolean_plan(instruction, destination, upsert, setup)
    name = destination.names.get(str(instruction.get("name")))
    action = instruction.get("action", "field")
    if name is None or action not in _SET or instruction.get("destination") != destination.name:
        return None
    if not _is_plain(instruction, name, upsert):
        return None
    source = str(instruction.get("source")) if action == "field" else None
    where = f"input field {source}" if source is not None else f"set value {destination.name}/{name.name}"
    convert = converter(instruction, name, where, setup)
    if convert is None:
        return None
    column = _column(instruction, name, destination, setup.model)
    if column is None:
        return None
    silently = _silently(convert)
    if source is None:
        return _constant(column, name, silently, instruction.get("value"))
    plan = ColumnPlan(column, source, None, silently, _by_type(instruction, name), wrap=name.multivalue)
    return _with_false(plan, instruction, name)


def _with_false(plan: ColumnPlan, instruction: Mapping[str, object], name: Name) -> ColumnPlan:
    """Sets what a JSON false is stored as. If a boolean skips false, the slow path has to report it."""
    if not instruction.get("keepFalse"):
        return replace(plan, slow_false=name.type == "boolean")
    stored = plan.convert(False)
    if plan.wrap or stored is NOTHING:
        return replace(plan, slow_false=True)
    return replace(plan, false=cast(Scalar, stored))


def _by_type(instruction: Mapping[str, object], name: Name) -> Mapping[type, ColumnConverter]:
    """Returns the conversions of whole columns, if no option changes what the type of the Name does."""
    plain = not name.multivalue and instruction.keys() <= _WITHOUT_EFFECT
    if name.type == "boolean" and instruction.keys() <= _WITHOUT_EFFECT | {"trueValue", "falseValue"} and not plain:
        return {} if name.multivalue else {bool: COLUMN_CONVERTERS["boolean"][bool]}  # the option's words are for texts
    return COLUMN_CONVERTERS.get(name.type, {}) if plain else {}


def _boolean_plan(
    instruction: Mapping[str, object], destination: Destination, upsert: bool, setup: Setup
) -> ColumnPlan | None:
    """Reads the instruction by which a false counts: `if-value-one-of` sets a constant for false, else a `field`."""
    source, values = instruction.get("source"), instruction.get("values")
    branches = instruction.get("then"), instruction.get("else")
    if not isinstance(values, list) or len(values) != 1 or values[0] is not False:
        return None
    if not all(isinstance(branch, list) and len(branch) == 1 for branch in branches):
        return None
    no, field = (_plan(cast(list[Mapping[str, object]], branch)[0], destination, upsert, setup) for branch in branches)
    if no is None or field is None or no.source is not None or (field.source, field.column) != (source, no.column):
        return None
    return replace(field, false=no.constant, slow_false=False)


def _constant(column: str, name: Name, convert: Callable[[object], object], value: object) -> ColumnPlan | None:
    result = convert(value)
    if result is NOTHING:
        return None
    stored = orjson.dumps([result]).decode() if name.multivalue else cast(Scalar, result)
    return ColumnPlan(column, None, stored, convert, {})


def _is_plain(instruction: Mapping[str, object], name: Name, upsert: bool) -> bool:
    filters = instruction.get("filters") or []
    if name.type in _LOOKS_UP or instruction.get("refMapping") is not None:
        return False
    if not isinstance(filters, list) or any(f in _LOOKUP_FILTERS or not str(f).startswith("haplo:") for f in filters):
        return False
    return not (instruction.get("multivalue") and (upsert or not name.multivalue))


def _column(instruction: Mapping[str, object], name: Name, destination: Destination, model: Model) -> str | None:
    qualifier = instruction.get("qualifier")
    if qualifier is None or destination.kind == "dictionary":
        return name.column
    return qualified_column(name, str(qualifier)) if qualifier in model.qualifiers else None


def _assemble(
    destination: Destination, upsert: bool, plans: list[ColumnPlan], allowed: frozenset[str] | None
) -> FastPath | None:
    names = destination.names
    needed = {names[n].column for n in destination.key} if upsert else set()
    if destination.kind == "dictionary":
        needed |= {n.column for n in names.values() if n.required}
    elif destination.title:
        needed.add(names[destination.title].column)
    columns = [plan.column for plan in plans]
    if len(set(columns)) < len(columns) or not needed <= set(columns):
        return None
    if any(plan.wrap and plan.column in needed for plan in plans) and upsert:
        return None
    plans = [*plans, *_type_plans(destination)]
    plans = [replace(plan, required=plan.column in needed) for plan in plans]
    if any(plan.required and (plan.constant in _EMPTY or plan.false in _EMPTY) for plan in plans):
        return None
    return FastPath(
        destination=destination,
        columns=tuple(plan.column for plan in plans),
        key=tuple(names[n].column for n in destination.key) if upsert else None,
        of_dicts=RowsOfDicts(plans, allowed),
        of_lists=lambda header: RowsOfLists(plans, header, allowed),
    )


def _type_plans(destination: Destination) -> Iterator[ColumnPlan]:
    """Yields the columns of the default type: `_type`, and the first Name for types."""
    default = destination.types.default if destination.types else None
    if default is None:
        return
    yield ColumnPlan(TYPE_COLUMN, None, default, _itself, {}, of_type=True)
    for name in [name for name in destination.names.values() if name.type == "object-type"][:1]:
        yield ColumnPlan(name.column, None, default_type(name, default), _itself, {}, of_type=True)


def _itself(value: object) -> object:
    return value
