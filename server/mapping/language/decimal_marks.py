"""The decimal mark that one import chooses, for all numbers that its control file reads."""

from collections.abc import Callable, Iterator, Mapping

from server.mapping.language.control import ACTIONS, Instruction, action_of, text_of
from server.mapping.model.model import Model

NUMBERS = ("integer", "number", "decimal")  # types of Names
KEY = "decimal"

Change = Callable[[Instruction], Instruction]


def reads_numbers(control: Mapping[str, object], model: Model) -> bool:
    """Whether the control file reads numbers, so that a decimal mark matters."""
    return with_mark(control, ".", model) is not None


def with_mark(control: Mapping[str, object], mark: str, model: Model) -> Mapping[str, object] | None:
    """Returns the control file with the mark at each instruction that reads a number, or None if there is none."""
    found = False

    def marked(instruction: Instruction) -> Instruction:
        nonlocal found
        changed = _marked(instruction, mark, model)
        found = found or changed is not instruction
        return changed

    changed = _changed(control, marked)
    return changed if found else None


def without_marks(control: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the control file without its marks, to compare the rest."""
    return _changed(control, _unmarked)


def marks_of(control: Mapping[str, object]) -> set[object]:
    """Returns the marks that the instructions of a control file name."""
    found: set[object] = set()

    def look(instruction: Instruction) -> Instruction:
        found.update(one[KEY] for one in (instruction, *_columns(instruction)) if KEY in one)
        return instruction

    _changed(control, look)
    return found


def _changed(control: Mapping[str, object], change: Change) -> Mapping[str, object]:
    return {**control, "instructions": _each(control.get("instructions"), change)}


def _each(instructions: object, change: Change) -> object:
    if not isinstance(instructions, list):
        return instructions
    return [_one(one, change) if isinstance(one, Mapping) else one for one in instructions]


def _one(instruction: Instruction, change: Change) -> Instruction:
    action = action_of(instruction)
    keys = [key for key in ACTIONS[action].nested if key in instruction] if action in ACTIONS else []
    nested = {key: _each(instruction[key], change) for key in keys}
    return change({**instruction, **nested} if nested else instruction)


def _marked(instruction: Instruction, mark: str, model: Model) -> Instruction:
    """Returns an instruction with the mark. One that reads no number is returned as it is."""
    names = _types(model, text_of(instruction, "destination").removeprefix("load:"))
    action, columns = action_of(instruction), instruction.get("columns")
    if action == "field" and names.get(text_of(instruction, "name")) in NUMBERS:
        return {**instruction, KEY: mark}
    if action != "identify" or not isinstance(columns, Mapping):
        return instruction
    numbers = {
        column: {**given, KEY: mark}
        for column, options in columns.items()
        if names.get(str((given := _given(options)).get("name"))) in NUMBERS
    }
    return {**instruction, "columns": {**columns, **numbers}} if numbers else instruction


def _unmarked(instruction: Instruction) -> Instruction:
    plain = {key: value for key, value in instruction.items() if key != KEY}
    columns = instruction.get("columns")
    if action_of(instruction) == "identify" and isinstance(columns, Mapping):
        given = {column: _given(options) for column, options in columns.items()}
        plain["columns"] = {c: {k: v for k, v in options.items() if k != KEY} for c, options in given.items()}
    return plain


def _columns(instruction: Instruction) -> Iterator[Mapping[str, object]]:
    columns = instruction.get("columns")
    if action_of(instruction) == "identify" and isinstance(columns, Mapping):
        yield from map(_given, columns.values())


def _given(options: object) -> Mapping[str, object]:
    """Returns the options of a column of `identify`, which may be a Name alone."""
    return options if isinstance(options, Mapping) else {"name": options}


def _types(model: Model, destination: str) -> Mapping[str, str]:
    found = model.destinations.get(destination)
    return {} if found is None else {name.name: name.type for name in found.names.values()}
