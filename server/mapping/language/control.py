"""Checks control files, which say how records become values of a model, when they are sent and when a job starts.

`validate` returns the vendor's exact texts: at most one message of each check, in the order of the checks.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from server.mapping.model.diagnostic import Diagnostic, Path
from server.mapping.model.model import Model, safe_column
from server.mapping.model.scope import RunFault
from server.mapping.values.filters import available
from server.mapping.values.javascript import is_truthy, js_text

Instruction = Mapping[str, object]

ReaderCheck = Callable[[Mapping[str, object]], str | None]
"""Returns what is wrong with the options of a file's entry, or None."""


class ActionRule(NamedTuple):
    """The properties that an action requires, and those that hold instructions."""

    required: tuple[str, ...]
    nested: tuple[str, ...] = ()


ACTIONS: Mapping[str, ActionRule] = {
    "field": ActionRule(("source", "destination", "name")),
    "field-structured": ActionRule(("structured", "destination", "name")),
    "set-value": ActionRule(("destination", "name", "value")),
    "remove-values": ActionRule(("destination", "name")),
    "if-exists": ActionRule(("source",), ("then", "else")),
    "if-value-one-of": ActionRule(("source",), ("then", "else")),
    "if-has-value": ActionRule(("destination", "name"), ("then", "else")),
    "within": ActionRule(("source",), ("instructions",)),
    "for-each": ActionRule(("source",), ("instructions",)),
    "new": ActionRule(("destination",)),
    "load": ActionRule(("destination", "using"), ("otherwise",)),
    "upsert": ActionRule(("destination",)),
    "delete": ActionRule(("destination", "using")),
    "identify": ActionRule(("destination", "columns"), ("then", "else", "missing")),
    "only-columns": ActionRule(("columns",)),
    "assert-destination": ActionRule(("destination", "exists")),
    "abort-record": ActionRule(("message",)),
    "log-error": ActionRule(("message",)),
}

ON_BAD_VALUE = "onBadValue"  # our option: "fail" makes a record with a lost value fail

_ASSIGNS = ("field", "field-structured", "set-value")
_READIES = ("new", "load", "upsert", "identify")
_CONVERTS = (*_ASSIGNS, "if-has-value")
_DEEPEST = 64
_MOST = 200  # mistakes that are told at once
MOST_OPEN_NAMES = 1_000  # of an open destination: each is a column, and none is ever dropped
_OVERWRITES = (
    "Assigning values within for-each without a new/load statement or setting multivalue property will result in "
    "overwritten data"
)


@dataclass(frozen=True, slots=True)
class ControlFile:
    """A checked control file. Every instruction has its `action`; lists of instructions are lists.

    `on_bad_value` is "fail" where a value that cannot be stored makes its record fail.
    """

    model: str
    files: Mapping[str, Mapping[str, object]]
    instructions: Sequence[Mapping[str, object]]
    mapping: Mapping[str, object]
    record_processor: str | None = None
    on_bad_value: str | None = None

    def entry(self, name: str) -> Mapping[str, object]:
        """Returns how to read a file: its own entry, or the entry DEFAULT."""
        found = self.files.get(name, self.files.get("DEFAULT"))
        if found is None:
            raise RunFault(
                f"Could not find file specification in control file for file {name} "
                "(and DEFAULT file entry does not exist)"
            )
        return found


def parse_control(document: Mapping[str, object]) -> ControlFile:
    """Reads a document in which `validate` found no mistake."""
    files, mapping = document.get("files"), document.get("mapping")
    processor = document.get("recordProcessor")
    return ControlFile(
        model=js_text(document.get("model")),
        files=files if isinstance(files, dict) else {},
        instructions=_with_actions(document.get("instructions")),
        mapping=mapping if isinstance(mapping, dict) else {},
        record_processor=processor if isinstance(processor, str) else None,
        on_bad_value="fail" if document.get(ON_BAD_VALUE) == "fail" else None,
    )


def _with_actions(instructions: object) -> list[Mapping[str, object]]:
    return [_with_action(one) for one in instructions] if isinstance(instructions, list) else []


def _with_action(instruction: Mapping[str, object]) -> Mapping[str, object]:
    action = action_of(instruction)
    nested = {key: _with_actions(instruction[key]) for key in ACTIONS[action].nested if key in instruction}
    return {**instruction, "action": action, **nested}


def validate(
    document: object,
    models: Mapping[str, Model],
    *,
    readers: Mapping[str, ReaderCheck],
    processors: Collection[str] = (),
) -> list[str]:
    """The messages, none where the control file can be used. What is not an object is not a control file."""
    return [mistake.message for mistake in mistakes(document, models, readers=readers, processors=processors)]


def mistakes(
    document: object,
    models: Mapping[str, Model],
    *,
    readers: Mapping[str, ReaderCheck],
    processors: Collection[str] = (),
) -> list[Diagnostic]:
    """What `validate` says, with places: one mistake at most from each check, of several files that of the last."""
    version, model, instructions, files, processor, open_ = _checks(document, models, readers, processors)
    first = [next(found, None) for found in (version, model, instructions)]
    return [mistake for mistake in (*first, _last(files), next(processor, None), next(open_, None)) if mistake]


def all_mistakes(
    document: object,
    models: Mapping[str, Model],
    *,
    readers: Mapping[str, ReaderCheck],
    processors: Collection[str] = (),
) -> list[Diagnostic]:
    """All of them, up to a number that no reader gets to the end of."""
    return list(islice(chain.from_iterable(_checks(document, models, readers, processors)), _MOST))


Found = Iterator[Diagnostic]


def _checks(
    document: object, models: Mapping[str, Model], readers: Mapping[str, ReaderCheck], processors: Collection[str]
) -> tuple[Found, Found, Found, Found, Found, Found]:
    control: Mapping[str, object] = document if isinstance(document, dict) else {}
    return (
        _check_version(control),
        _check_model(control, models),
        _check_instructions(control, available(models)),
        _check_files(control, readers),
        _check_processor(control, processors),
        _check_open(control, models),
    )


def _last(found: Found) -> Diagnostic | None:
    last = None
    for mistake in found:
        last = mistake
    return last


def _known(what: str, names: Collection[str]) -> str:
    return f"{what}: {', '.join(sorted(names)) or 'none'}"


def _check_version(control: Mapping[str, object]) -> Found:
    key = "dataImportControlFileVersion"
    if key not in control:
        yield Diagnostic("Not a control file", way_out=f'it needs "{key}": 0')
        return
    version = control[key]
    if not isinstance(version, int | float) or isinstance(version, bool) or version != 0:
        yield Diagnostic("Bad version of control file, should be 0", (key,))


def _check_model(control: Mapping[str, object], models: Mapping[str, Model]) -> Found:
    if "model" not in control:
        yield Diagnostic("Control file does not specify model in the model property")
        return
    name = control["model"]
    if not isinstance(name, str) or name not in models:
        yield Diagnostic(f"Model not implemented: {js_text(name)}", ("model",), _known("the models are", models))


def _check_files(control: Mapping[str, object], readers: Mapping[str, ReaderCheck]) -> Found:
    if "files" not in control:
        yield Diagnostic("Control file does not have files property")
        return
    files = control["files"]
    if not isinstance(files, dict):
        yield Diagnostic("'files' property is not an object", ("files",))
        return
    for name, entry in files.items():
        yield from _check_file(name, entry, readers)


def _check_file(name: str, entry: object, readers: Mapping[str, ReaderCheck]) -> Found:
    path: Path = ("files", name)
    if not isinstance(entry, dict) or "read" not in entry:
        yield Diagnostic(f"Reader not specified for file {name}", path, _known("the readers are", readers))
        return
    read = entry["read"]
    if not isinstance(read, str) or read not in readers:
        message = f"Unknown reader for file {name}: {js_text(read)}"
        yield Diagnostic(message, (*path, "read"), _known("the readers are", readers))
    elif problem := readers[read](entry):
        yield Diagnostic(f"Bad options for file {name}: {problem}", path)


def _check_processor(control: Mapping[str, object], processors: Collection[str]) -> Found:
    key = "recordProcessor"
    if key in control and control[key] not in processors:
        message = f"Unknown record processor specified in recordProcessor property: {js_text(control[key])}"
        yield Diagnostic(message, (key,), _known("the record processors are", processors))


def _check_instructions(control: Mapping[str, object], filters: Collection[str]) -> Found:
    if "instructions" not in control:
        yield Diagnostic("Control file does not specify processing instructions in the instructions property")
        return
    yield from _check_list(control["instructions"], ("instructions",), filters, None)


def _check_list(instructions: object, path: Path, filters: Collection[str], ready: set[str] | None) -> Found:
    """Checks a list of instructions. `ready`: the destinations that a for-each made ready so far, else None."""
    if not is_truthy(instructions):
        return
    if not isinstance(instructions, list):
        yield Diagnostic(f"'{path[-1]}' property is not an array", path)
    elif len(path) // 2 == _DEEPEST:
        yield Diagnostic(f"Instructions are nested more than {_DEEPEST} deep", path)
    else:
        for index, instruction in enumerate(instructions):
            yield from _check_one(instruction, (*path, index), filters, ready)


def _check_one(instruction: object, path: Path, filters: Collection[str], ready: set[str] | None) -> Found:
    if not isinstance(instruction, dict):
        yield Diagnostic(f"Instruction is not an object: {js_text(instruction)}", path)
        return
    action = action_of(instruction)
    if action not in ACTIONS:
        message = f"Unknown action in instruction: {action}"
        yield Diagnostic(message, (*path, "action"), _known("the actions are", ACTIONS))
        return
    if missing := [name for name in ACTIONS[action].required if name not in instruction]:
        yield Diagnostic(f"Expected property not found in {action} instruction: {', '.join(missing)}", path)
    elif ready is not None and _overwrites(instruction, action, ready):
        yield Diagnostic(_OVERWRITES, path)
    inner = set[str]() if action == "for-each" else ready
    for key in ACTIONS[action].nested:
        yield from _check_list(instruction.get(key), (*path, key), filters, inner)
    if action in _CONVERTS:
        yield from _check_filters(instruction, path, filters)


def _check_open(control: Mapping[str, object], models: Mapping[str, Model]) -> Found:
    """Checks new Names of open destinations, which are ours: they must fit into a table, and need a column each."""
    model = models.get(str(control.get("model")))
    opened = {} if model is None else {name: each for name, each in model.destinations.items() if each.open}
    names: dict[str, dict[str, str]] = {name: {} for name in opened}
    for instruction, path in each_instruction(control.get("instructions"), ("instructions",)) if opened else ():
        destination, name = instruction.get("destination"), instruction.get("name")
        if not isinstance(destination, str) or not isinstance(name, str) or destination not in opened:
            continue
        if not name or name in opened[destination].names:
            continue
        column = safe_column(name)
        other = names[destination].setdefault(column.lower(), name)
        if other != name:
            message = f"Names {other} and {name} of destination {destination} would share the column {column}"
            yield Diagnostic(message, (*path, "name"))
    for name, columns in names.items():
        if len(columns) + len(opened[name].names) > MOST_OPEN_NAMES:
            total = len(columns) + len(opened[name].names)
            most = f"an open destination can have {MOST_OPEN_NAMES:,} at most"
            yield Diagnostic(f"Destination {name} would have {total:,} Names; {most}")


def each_instruction(instructions: object, path: Path) -> Iterator[tuple[Mapping[str, object], Path]]:
    """Yields all instructions with their paths, to the depth that is allowed."""
    if not isinstance(instructions, list) or len(path) // 2 > _DEEPEST:
        return
    for index, instruction in enumerate(instructions):
        if isinstance(instruction, dict):
            yield instruction, (*path, index)
            action = ACTIONS.get(action_of(instruction))
            for key in action.nested if action else ():
                yield from each_instruction(instruction.get(key), (*path, index, key))


def _overwrites(instruction: Mapping[str, object], action: str, ready: set[str]) -> bool:
    """Whether each round of a for-each would overwrite the single value of the round before."""
    destination = js_text(instruction.get("destination"))
    if action in _READIES:
        ready.add(destination)
    if action not in _ASSIGNS or "load" in destination or destination in ready:
        return False
    return not is_truthy(instruction.get("multivalue"))


def _check_filters(instruction: Mapping[str, object], path: Path, filters: Collection[str]) -> Found:
    listed = instruction.get("filters", [])
    path = (*path, "filters")
    if not isinstance(listed, list):
        yield Diagnostic("'filters' property is not an array", path)
        return
    for index, name in enumerate(listed):
        if not isinstance(name, str) or name not in filters:
            message = f"Filter {js_text(name)} is not available."
            yield Diagnostic(message, (*path, index), _known("the filters are", filters))


def text_of(instruction: Instruction, key: str) -> str:
    """Returns a property of an instruction as text, as names, sources and destinations are compared as text."""
    return js_text(instruction.get(key))


def action_of(instruction: Instruction) -> str:
    action = instruction.get("action")
    return js_text(action) if is_truthy(action) else "field"
