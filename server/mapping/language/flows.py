"""The flows of a control file: from each source that it reads to a Name and its column."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from server.mapping.language.control import ACTIONS, Instruction, action_of, text_of
from server.mapping.model.model import Destination, Model, Name


class Flow(NamedTuple):
    """One source and the Name that it fills. `source` begins with the sources around it; `when` are its conditions."""

    source: str
    destination: str
    name: str
    table: str
    column: str
    type: str
    options: Mapping[str, object]
    when: tuple[str, ...] = ()


class _At(NamedTuple):
    """A place in the control file: the values around it, and its conditions."""

    within: str = ""
    when: tuple[str, ...] = ()


_WHOLE = "\0"  # begins the source of a structured value; no column has this name
_PLAIN = ("action", "source", "structured", "destination", "name", "value", "then", "else", "instructions")


_CONDITIONS: Mapping[tuple[str, str], str] = {
    ("if-exists", "then"): "{source} is there",
    ("if-exists", "else"): "{source} is not there",
    ("if-value-one-of", "then"): "{source} has a listed value",
    ("if-value-one-of", "else"): "{source} has no listed value",
    ("load", "otherwise"): "no row was found",
}


def flows(control: Mapping[str, object], model: Model) -> list[Flow]:
    """Returns the flows in the order of the instructions. Parts of a structured value flow to the Name of the whole."""
    wholes: dict[str, Flow] = {}  # the nearest later one of each, as the loop starts from the end
    found: list[Flow] = []
    for flow in reversed(list(_listed(control.get("instructions"), model, _At()))):
        if flow.source.startswith(_WHOLE):
            wholes[flow.source] = flow
        else:
            found.append(_of_part(flow, wholes.get(_WHOLE + flow.destination)))
    return found[::-1]


def _of_part(flow: Flow, whole: Flow | None) -> Flow:
    if whole is None:
        return flow
    name = f"{whole.name}.{flow.name}"
    return flow._replace(
        destination=whole.destination, name=name, table=whole.table, column=whole.column, type=whole.type
    )


def _listed(instructions: object, model: Model, at: _At) -> Iterator[Flow]:
    for instruction in instructions if isinstance(instructions, list) else ():
        if isinstance(instruction, dict):
            yield from _one(instruction, model, at)


def _one(instruction: Instruction, model: Model, at: _At) -> Iterator[Flow]:
    action, source = action_of(instruction), text_of(instruction, "source")
    if action == "field":
        yield _flow(at.within + source, instruction, model, at)
    elif action == "field-structured":
        yield _flow(_WHOLE + text_of(instruction, "structured"), instruction, model, at)
    elif action == "set-value":
        yield _flow("", instruction, model, at)
    for key in ACTIONS[action].nested if action in ACTIONS else ():
        yield from _listed(instruction.get(key), model, _inside(action, key, source, at))


def _inside(action: str, key: str, source: str, at: _At) -> _At:
    if action == "for-each":
        return at._replace(within=f"{at.within}{source}[].")
    if action == "within":
        return at._replace(within=f"{at.within}{source}.")
    said = _CONDITIONS.get((action, key), f"{action}: {key}").replace("{source}", source)
    return at._replace(when=(*at.when, said))


def _flow(source: str, instruction: Instruction, model: Model, at: _At) -> Flow:
    destination, name = text_of(instruction, "destination"), text_of(instruction, "name")
    options = {key: value for key, value in instruction.items() if key not in _PLAIN}
    known = model.destinations.get(destination.removeprefix("load:"))
    found = _name_of(known, name)
    return Flow(
        source,
        destination,
        name,
        known.table if known else "",
        found.column if found else "",
        found.type if found else "",
        options if source else {**options, "value": instruction.get("value")},
        at.when,
    )


def _name_of(destination: Destination | None, name: str) -> Name | None:
    return destination.names.get(name) if destination else None
