"""The control file: how records of some files become values of a model. Checked when it is sent and again when it runs.

`validate` answers with the vendor's exact texts, one message at most from each of five checks, in their order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from server.mapping.filters import available
from server.mapping.javascript import is_truthy, js_text
from server.mapping.model import Model
from server.mapping.positions import Path
from server.mapping.scope import RunFault

ReaderCheck = Callable[[Mapping[str, object]], str | None]
"""What is wrong with the options of a file's entry, or None."""


class Mistake(NamedTuple):
    """A message, and the place in the document that it is about."""

    message: str
    path: Path = ()


class Action(NamedTuple):
    """Properties that must be there, and those that hold instructions."""

    required: tuple[str, ...]
    nested: tuple[str, ...] = ()


ACTIONS: Mapping[str, Action] = {
    "field": Action(("source", "destination", "name")),
    "field-structured": Action(("structured", "destination", "name")),
    "set-value": Action(("destination", "name", "value")),
    "remove-values": Action(("destination", "name")),
    "if-exists": Action(("source",), ("then", "else")),
    "if-value-one-of": Action(("source",), ("then", "else")),
    "if-has-value": Action(("destination", "name"), ("then", "else")),
    "within": Action(("source",), ("instructions",)),
    "for-each": Action(("source",), ("instructions",)),
    "new": Action(("destination",)),
    "load": Action(("destination", "using"), ("otherwise",)),
    "upsert": Action(("destination",)),
    "delete": Action(("destination", "using")),
    "identify": Action(("destination", "columns"), ("then", "else", "missing")),
    "only-columns": Action(("columns",)),
    "assert-destination": Action(("destination", "exists")),
    "abort-record": Action(("message",)),
    "log-error": Action(("message",)),
}

_ASSIGNS = ("field", "field-structured", "set-value")
_READIES = ("new", "load", "upsert", "identify")
_CONVERTS = (*_ASSIGNS, "if-has-value")
_DEEPEST = 64
_OVERWRITES = (
    "Assigning values within for-each without a new/load statement or setting multivalue property will result in "
    "overwritten data"
)


@dataclass(frozen=True, slots=True)
class ControlFile:
    """A checked control file. Every instruction has its `action`; lists of instructions are lists."""

    model: str
    files: Mapping[str, Mapping[str, object]]
    instructions: Sequence[Mapping[str, object]]
    mapping: Mapping[str, object]
    record_processor: str | None = None

    def entry(self, name: str) -> Mapping[str, object]:
        """How to read a file: its own entry, or DEFAULT."""
        found = self.files.get(name, self.files.get("DEFAULT"))
        if found is None:
            raise RunFault(
                f"Could not find file specification in control file for file {name} "
                "(and DEFAULT file entry does not exist)"
            )
        return found


def parse_control(document: Mapping[str, object]) -> ControlFile:
    """Of a document in which `validate` found nothing."""
    files, mapping = document.get("files"), document.get("mapping")
    processor = document.get("recordProcessor")
    return ControlFile(
        model=js_text(document.get("model")),
        files=files if isinstance(files, dict) else {},
        instructions=_with_actions(document.get("instructions")),
        mapping=mapping if isinstance(mapping, dict) else {},
        record_processor=processor if isinstance(processor, str) else None,
    )


def _with_actions(instructions: object) -> list[Mapping[str, object]]:
    return [_with_action(one) for one in instructions] if isinstance(instructions, list) else []


def _with_action(instruction: Mapping[str, object]) -> Mapping[str, object]:
    action = _action(instruction)
    nested = {key: _with_actions(instruction[key]) for key in ACTIONS[action].nested if key in instruction}
    return {**instruction, "action": action, **nested}


def _action(instruction: Mapping[str, object]) -> str:
    action = instruction.get("action")
    return js_text(action) if is_truthy(action) else "field"


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
) -> list[Mistake]:
    """What `validate` says, with places."""
    control: Mapping[str, object] = document if isinstance(document, dict) else {}
    found = (
        _check_version(control),
        _check_model(control, models),
        _check_instructions(control, available(models)),
        _check_files(control, readers),
        _check_processor(control, processors),
    )
    return [mistake for mistake in found if mistake]


def _check_version(control: Mapping[str, object]) -> Mistake | None:
    key = "dataImportControlFileVersion"
    if key not in control:
        return Mistake("Not a control file")
    version = control[key]
    right = isinstance(version, int | float) and not isinstance(version, bool) and version == 0
    return None if right else Mistake("Bad version of control file, should be 0", (key,))


def _check_model(control: Mapping[str, object], models: Mapping[str, Model]) -> Mistake | None:
    if "model" not in control:
        return Mistake("Control file does not specify model in the model property")
    name = control["model"]
    right = isinstance(name, str) and name in models
    return None if right else Mistake(f"Model not implemented: {js_text(name)}", ("model",))


def _check_files(control: Mapping[str, object], readers: Mapping[str, ReaderCheck]) -> Mistake | None:
    if "files" not in control:
        return Mistake("Control file does not have files property")
    files = control["files"]
    if not isinstance(files, dict):
        return Mistake("'files' property is not an object", ("files",))
    found = [_check_file(name, entry, readers) for name, entry in files.items()]
    return next((mistake for mistake in reversed(found) if mistake), None)


def _check_file(name: str, entry: object, readers: Mapping[str, ReaderCheck]) -> Mistake | None:
    path: Path = ("files", name)
    if not isinstance(entry, dict) or "read" not in entry:
        return Mistake(f"Reader not specified for file {name}", path)
    read = entry["read"]
    if not isinstance(read, str) or read not in readers:
        return Mistake(f"Unknown reader for file {name}: {js_text(read)}", (*path, "read"))
    problem = readers[read](entry)
    return Mistake(f"Bad options for file {name}: {problem}", path) if problem else None


def _check_processor(control: Mapping[str, object], processors: Collection[str]) -> Mistake | None:
    key = "recordProcessor"
    if key not in control or control[key] in processors:
        return None
    return Mistake(f"Unknown record processor specified in recordProcessor property: {js_text(control[key])}", (key,))


def _check_instructions(control: Mapping[str, object], filters: Collection[str]) -> Mistake | None:
    if "instructions" not in control:
        return Mistake("Control file does not specify processing instructions in the instructions property")
    return _check_list(control["instructions"], ("instructions",), filters, None)


def _check_list(instructions: object, path: Path, filters: Collection[str], ready: set[str] | None) -> Mistake | None:
    """`ready`: in a for-each, the destinations that were made ready in its body so far; None outside."""
    if not is_truthy(instructions):
        return None
    if not isinstance(instructions, list):
        return Mistake(f"'{path[-1]}' property is not an array", path)
    if len(path) // 2 == _DEEPEST:
        return Mistake(f"Instructions are nested more than {_DEEPEST} deep", path)
    for index, instruction in enumerate(instructions):
        if mistake := _check_one(instruction, (*path, index), filters, ready):
            return mistake
    return None


def _check_one(instruction: object, path: Path, filters: Collection[str], ready: set[str] | None) -> Mistake | None:
    if not isinstance(instruction, dict):
        return Mistake(f"Instruction is not an object: {js_text(instruction)}", path)
    action = _action(instruction)
    if action not in ACTIONS:
        return Mistake(f"Unknown action in instruction: {action}", (*path, "action"))
    if missing := [name for name in ACTIONS[action].required if name not in instruction]:
        return Mistake(f"Expected property not found in {action} instruction: {', '.join(missing)}", path)
    if ready is not None and _overwrites(instruction, action, ready):
        return Mistake(_OVERWRITES, path)
    inner = set[str]() if action == "for-each" else ready
    for key in ACTIONS[action].nested:
        if mistake := _check_list(instruction.get(key), (*path, key), filters, inner):
            return mistake
    return _check_filters(instruction, path, filters) if action in _CONVERTS else None


def _overwrites(instruction: Mapping[str, object], action: str, ready: set[str]) -> bool:
    """Whether a for-each would set the same single value again and again."""
    destination = js_text(instruction.get("destination"))
    if action in _READIES:
        ready.add(destination)
    if action not in _ASSIGNS or "load" in destination or destination in ready:
        return False
    return not is_truthy(instruction.get("multivalue"))


def _check_filters(instruction: Mapping[str, object], path: Path, filters: Collection[str]) -> Mistake | None:
    listed = instruction.get("filters", [])
    path = (*path, "filters")
    if not isinstance(listed, list):
        return Mistake("'filters' property is not an array", path)
    for index, name in enumerate(listed):
        if not isinstance(name, str) or name not in filters:
            return Mistake(f"Filter {js_text(name)} is not available.", (*path, index))
    return None
