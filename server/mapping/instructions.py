"""Instructions of a control file, each turned once into a closure that does it for a record.

A builder takes the instruction as it stands in the control file and gives its step, or None where the instruction is at
fault: then it has said so through `Preparation.report`, and the instruction is left out while its siblings go on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from server.mapping.evaluate import Evaluation
from server.mapping.javascript import NOTHING, identical, is_skipped, is_truthy, js_text
from server.mapping.model import Name, safe_column
from server.mapping.scope import Lookup, Scalar, Scope, StoredRow, report_once
from server.mapping.setup import Converter, Setup
from server.mapping.targets import Cell, Place, Slot, Target, more_column
from server.mapping.values import converter

Instruction = Mapping[str, object]
Context = Mapping[str, object]
Step = Callable[[Evaluation, Context], None]
Setter = Callable[[Target, Scalar], None]

LOAD_BY_REF = "load:by-ref"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What builders work with: the places of the model and how values are to be converted."""

    places: Mapping[str, Place]
    setup: Setup

    def report(self, message: str) -> None:
        self.setup.report(message)

    def steps(self, instructions: object) -> tuple[Step, ...]:
        """The steps of a list, faulty instructions left out."""
        if not isinstance(instructions, list | tuple):
            return ()
        built = (self._step(instruction) for instruction in instructions if isinstance(instruction, Mapping))
        return tuple(step for step in built if step is not None)

    def _step(self, instruction: Instruction) -> Step | None:
        action = _text(instruction.get("action") or "field")
        build = BUILDERS.get(action)
        if build is None:
            self.report(f"Unknown action in instruction: {action}")
            return None
        return build(self, instruction)


class _Assignment(NamedTuple):
    """Where an instruction's values go, and how they get there."""

    destination: str
    cell: Cell
    convert: Converter
    put: Setter


def as_context(value: object) -> Context:
    """What instructions may read in a value: an object's properties, a list's elements by number, else nothing."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): element for index, element in enumerate(value)}
    return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else js_text(value)


def _get(instruction: Instruction, key: str) -> str:
    return _text(instruction.get(key))


# values into targets


def _assignment(prep: Preparation, instruction: Instruction, source: str) -> _Assignment | None:
    action, d, n = (
        _text(instruction.get("action") or "field"),
        _get(instruction, "destination"),
        _get(instruction, "name"),
    )
    place = prep.places.get(d)
    if place is None:
        prep.report(f"Unknown destination in {action}: {d}")
        return None
    cell = place.cells.get(n) or _open_cell(prep, place, n, action)
    if cell is None:
        prep.report(f"Unknown name in {action} {n} for destination {d}")
        return None
    convert = converter(instruction, cell.name, source, prep.setup)
    if convert is None:
        prep.report(f"Couldn't create value transformer for {action} {d}/{n}")
        return None
    put = _setter(prep, place, cell, instruction, f"{action} {d}/{n}")
    return None if put is None else _Assignment(d, cell, convert, put)


def _open_cell(prep: Preparation, place: Place, name: str, action: str) -> Cell | None:
    """A Name that the model does not list: a new text column, where the destination is open."""
    if not place.destination.open or not name:
        return None
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
    qualifier = _get(instruction, "qualifier")
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


def _field(prep: Preparation, instruction: Instruction) -> Step | None:
    source = _get(instruction, "source")
    made = _assignment(prep, instruction, f"input field {source}")
    if made is None:
        return None
    destination, _, convert, put = made

    def step(evaluation: Evaluation, context: Context) -> None:
        value = context.get(source)
        if value is None or is_skipped(value):
            return
        stored = convert(value, evaluation.scope)
        if stored is not NOTHING:
            put(evaluation.current.get(destination) or evaluation.target(destination), stored)  # type: ignore[arg-type]

    return step


def _field_structured(prep: Preparation, instruction: Instruction) -> Step | None:
    structured = _get(instruction, "structured")
    made = _assignment(prep, instruction, f"structured input field {structured}")
    if made is None:
        return None
    if structured not in prep.places:
        prep.report(f"Unknown structured value destination in field-structured: {structured}")
        return None
    destination, _, convert, put = made

    def step(evaluation: Evaluation, context: Context) -> None:
        stored = convert(evaluation.target(structured).collected(), evaluation.scope)
        if stored is not NOTHING:
            put(evaluation.target(destination), stored)  # type: ignore[arg-type]
        evaluation.clear(structured)

    return step


class _Eavesdropper:
    """Passes look-ups on and keeps what is said."""

    def __init__(self, scope: Scope) -> None:
        self.messages: list[str] = []
        self.lookup: Lookup = scope.lookup
        self.hints = scope.hints

    def report(self, message: str) -> None:
        self.messages.append(message)


def _set_value(prep: Preparation, instruction: Instruction) -> Step | None:
    value = instruction.get("value")
    made = _assignment(prep, instruction, f"set value {_get(instruction, 'destination')}/{_get(instruction, 'name')}")
    if made is None:
        return None
    destination, cell, convert, put = made
    # a reference must be looked up each time: the row may come and go while the job runs
    constant = _each_time(convert, value) if cell.name.type == "ref" else _once(convert, value)

    def step(evaluation: Evaluation, context: Context) -> None:
        stored = constant(evaluation.scope)
        if stored is not NOTHING:
            put(evaluation.target(destination), stored)  # type: ignore[arg-type]

    return step


def _each_time(convert: Converter, value: object) -> Callable[[Scope], object]:
    def constant(scope: Scope) -> object:
        heard = _Eavesdropper(scope)
        stored = convert(value, heard)
        for message in heard.messages:
            report_once(scope, message)
        return stored

    return constant


def _once(convert: Converter, value: object) -> Callable[[Scope], object]:
    compute = _each_time(convert, value)
    kept: list[object] = []

    def constant(scope: Scope) -> object:
        if not kept:
            kept.append(compute(scope))
        return kept[0]

    return constant


def _remove_values(prep: Preparation, instruction: Instruction) -> Step | None:
    destination = _get(instruction, "destination")
    place = prep.places.get(destination)
    if place is None:
        prep.report(f"Unknown destination in remove-values: {destination}")
        return None
    name = _get(instruction, "name")
    cell = place.cells.get(name) or _open_cell(prep, place, name, "remove-values")
    if cell is None:
        prep.report(f"Unknown name in remove-values for destination {destination}")
        return None
    return lambda evaluation, context: evaluation.target(destination).remove(cell)


# choices and loops


def _if_exists(prep: Preparation, instruction: Instruction) -> Step:
    source = _get(instruction, "source")
    then, otherwise = prep.steps(instruction.get("then")), prep.steps(instruction.get("else"))

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in otherwise if is_skipped(context.get(source)) else then:
            each(evaluation, context)

    return step


def _if_value_one_of(prep: Preparation, instruction: Instruction) -> Step:
    source, given = _get(instruction, "source"), instruction.get("values")
    then, otherwise = prep.steps(instruction.get("then")), prep.steps(instruction.get("else"))
    values: Sequence[object] = given if isinstance(given, list | tuple) else ()
    texts = frozenset(value for value in values if isinstance(value, str))

    def is_one(value: object) -> bool:
        return value in texts if isinstance(value, str) else any(identical(value, other) for other in values)

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in then if source in context and is_one(context[source]) else otherwise:
            each(evaluation, context)

    return step


def _if_has_value(prep: Preparation, instruction: Instruction) -> Step | None:
    then, otherwise = prep.steps(instruction.get("then")), prep.steps(instruction.get("else"))
    made = _assignment(prep, instruction, f"name {_get(instruction, 'name')}")
    if made is None:
        return None
    destination, cell, _, _ = made

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in then if evaluation.target(destination).has(cell) else otherwise:
            each(evaluation, context)

    return step


def _within(prep: Preparation, instruction: Instruction) -> Step:
    source, steps = _get(instruction, "source"), prep.steps(instruction.get("instructions"))

    def step(evaluation: Evaluation, context: Context) -> None:
        nested = context.get(source)
        if is_truthy(nested):
            inner = as_context(nested)
            for each in steps:
                each(evaluation, inner)

    return step


def _for_each(prep: Preparation, instruction: Instruction) -> Step:
    source, steps = _get(instruction, "source"), prep.steps(instruction.get("instructions"))
    wrap = is_truthy(instruction.get("wrapValues"))

    def step(evaluation: Evaluation, context: Context) -> None:
        for element in as_context(context.get(source)).values():
            inner = {"value": element} if wrap else as_context(element)
            for each in steps:
                each(evaluation, inner)

    return step


# targets


def _new(prep: Preparation, instruction: Instruction) -> Step:
    destination = _get(instruction, "destination")
    return lambda evaluation, context: evaluation.new(evaluation.place(destination))


def _upsert(prep: Preparation, instruction: Instruction) -> Step | None:
    destination = _get(instruction, "destination")
    place = prep.places.get(destination)
    if place is not None and not place.key:
        prep.report(f"Can only use destinations with a key in upsert: {destination}")
        return None
    return lambda evaluation, context: evaluation.new(evaluation.place(destination), overlay=True)


Finder = Callable[[Evaluation, Place], StoredRow | None]


def _finder(using: str) -> Finder:
    """Finds the row that the values in a pseudo destination speak of, and clears them."""

    def find(evaluation: Evaluation, place: Place) -> StoredRow | None:
        info = evaluation.target(using)
        evaluation.replace(place)
        row = _by_ref(evaluation, place, info) if using == LOAD_BY_REF else _by_key(evaluation, place, info)
        evaluation.clear(using)
        return row

    return find


def _by_ref(evaluation: Evaluation, place: Place, info: Target) -> StoredRow | None:
    ref = info.stored_form(info.place.cells["ref"])
    return evaluation.scope.lookup.get(place.table, ref) if isinstance(ref, int) and place.table else None


def _by_key(evaluation: Evaluation, place: Place, info: Target) -> StoredRow | None:
    cells = info.place.cells
    names = [cell.name.name for cell in place.key]
    return evaluation.find(place, [info.stored_form(cells[n]) if n in cells else None for n in names])


def _target_of(evaluation: Evaluation, using: str, destination: str) -> Place:
    evaluation.target(using)
    return evaluation.place(destination)


def _load(prep: Preparation, instruction: Instruction) -> Step:
    destination, using = _get(instruction, "destination"), _get(instruction, "using")
    find = _finder(using)
    otherwise = prep.steps(instruction["otherwise"]) if "otherwise" in instruction else None

    def step(evaluation: Evaluation, context: Context) -> None:
        place = _target_of(evaluation, using, destination)
        if evaluation.load(place, find(evaluation, place)):
            return
        if otherwise is None:
            evaluation.abort(f"Couldn't load destination: {destination}")
            return
        for each in otherwise:
            each(evaluation, context)

    return step


def _delete(prep: Preparation, instruction: Instruction) -> Step:
    destination, using = _get(instruction, "destination"), _get(instruction, "using")
    find = _finder(using)

    def step(evaluation: Evaluation, context: Context) -> None:
        place = _target_of(evaluation, using, destination)
        if not evaluation.delete(place, find(evaluation, place)):
            evaluation.abort(f"Couldn't load destination: {destination}")

    return step


def _assert_destination(prep: Preparation, instruction: Instruction) -> Step | None:
    destination, expected = _get(instruction, "destination"), instruction.get("exists")
    place = prep.places.get(destination)
    if place is None:
        prep.report(f"Unknown destination in assert-destination: {destination}")
        return None
    depends = place.destination.depends
    if depends is None:
        prep.report(f"Can only use dependent destinations in assert-destination: {destination}")
        return None

    def step(evaluation: Evaluation, context: Context) -> None:
        if evaluation.is_stored(place, depends) is not expected:
            evaluation.abort(f"assert-destination failed: {destination}")

    return step


# messages


def _message(instruction: Instruction, default: str) -> str:
    message = instruction.get("message")
    return _text(message) if is_truthy(message) else default


def _abort_record(prep: Preparation, instruction: Instruction) -> Step:
    message = _message(instruction, "abort")
    return lambda evaluation, context: evaluation.abort(message)


def _log_error(prep: Preparation, instruction: Instruction) -> Step:
    message = _message(instruction, "error")
    return lambda evaluation, context: evaluation.scope.report(message)


Builder = Callable[[Preparation, Instruction], Step | None]

BUILDERS: Mapping[str, Builder] = {
    "field": _field,
    "field-structured": _field_structured,
    "set-value": _set_value,
    "remove-values": _remove_values,
    "if-exists": _if_exists,
    "if-value-one-of": _if_value_one_of,
    "if-has-value": _if_has_value,
    "within": _within,
    "for-each": _for_each,
    "new": _new,
    "load": _load,
    "upsert": _upsert,
    "delete": _delete,
    "assert-destination": _assert_destination,
    "abort-record": _abort_record,
    "log-error": _log_error,
}
