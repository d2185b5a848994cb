"""Compares the columns of files with a control file: where each goes, which are not used, which Names stay empty."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from server.mapping.language.control import ACTIONS, Instruction, action_of, text_of
from server.mapping.language.flows import Flow, flows
from server.mapping.model.model import Model


class ColumnUse(NamedTuple):
    """What a column is used for: it fills Names (`flows`), finds the row (`finds`), or is only tested (`asked`)."""

    flows: Sequence[Flow]
    finds: Sequence[Flow]
    asked: bool

    @property
    def used(self) -> bool:
        return bool(self.flows or self.finds or self.asked)


class Unfilled(NamedTuple):
    """A Name that no column fills. `required`: a new row needs a value for it."""

    destination: str
    name: str
    type: str
    required: bool


class Matched(NamedTuple):
    """The uses of all columns, what the control file reads and no file has, and the Names that no column fills."""

    uses: Mapping[str, ColumnUse]
    missing: Sequence[Flow]
    unfilled: Sequence[Unfilled]


def match_columns(control: Mapping[str, object], model: Model, columns: Collection[str]) -> Matched:
    """Matches the columns of all files, which are written like the sources of flows: `books[].title`."""
    flowing = [*flows(control, model), *_identifying(control.get("instructions"), model)]
    asked = set(_asked(control.get("instructions"), ""))
    uses = {column: _use(column, flowing, asked) for column in columns}
    there = {s for s in {flow.source for flow in flowing} if not s or any(_is_of(column, s) for column in columns)}
    here = [flow for flow in flowing if flow.source in there]
    missing = {flow.source: flow for flow in flowing if flow.source not in there}
    return Matched(uses, list(missing.values()), list(_unfilled(model, flowing, here)))


def _use(column: str, flowing: Sequence[Flow], asked: Collection[str]) -> ColumnUse:
    to = [flow for flow in flowing if flow.source and _is_of(column, flow.source)]
    finds = [flow for flow in to if flow.destination.startswith("load:")]
    filling = {(f.destination, f.name): f for f in to if not f.destination.startswith("load:")}
    return ColumnUse(
        list(filling.values()),
        finds,
        any(_is_of(column, source) for source in asked),
    )


def _is_of(column: str, source: str) -> bool:
    """Whether a source reads a column, which may be inside it. `value` is the name of a wrapped element."""
    return column == source or column + ".value" == source or column.startswith((source + ".", source + "[]"))


def _unfilled(model: Model, flowing: Sequence[Flow], here: Sequence[Flow]) -> Iterator[Unfilled]:
    reached = {flow.destination for flow in flowing}
    for destination in model.destinations.values():
        if destination.name not in reached:
            continue
        filled = [flow.name for flow in here if flow.destination == destination.name]
        for name in destination.names.values():
            if not any(one == name.name or one.startswith(name.name + ".") for one in filled):
                needed = name.name == destination.title or (name.required and destination.kind == "dictionary")
                yield Unfilled(destination.name, name.name, name.type, needed)


def _asked(instructions: object, within: str) -> Iterator[str]:
    """Yields the sources that are only tested."""
    for instruction in _listed(instructions):
        action, source = action_of(instruction), text_of(instruction, "source")
        if action in ("if-exists", "if-value-one-of"):
            yield within + source
        inside = {"for-each": f"{within}{source}[].", "within": f"{within}{source}."}.get(action, within)
        for key in ACTIONS[action].nested if action in ACTIONS else ():
            yield from _asked(instruction.get(key), inside)


def _identifying(instructions: object, model: Model) -> Iterator[Flow]:
    """Yields the columns of `identify`, by which a row is found."""
    for instruction in _listed(instructions):
        columns = instruction.get("columns")
        destination = model.destinations.get(text_of(instruction, "destination"))
        if action_of(instruction) != "identify" or destination is None or not isinstance(columns, dict):
            continue
        for column, options in columns.items():
            name = destination.names.get(str(options.get("name") if isinstance(options, dict) else options))
            if name is not None:
                to = f"load:{destination.name}"
                yield Flow(str(column), to, name.name, destination.table, name.column, name.type, {})


def _listed(instructions: object) -> list[Instruction]:
    return [one for one in instructions if isinstance(one, dict)] if isinstance(instructions, list) else []


def sources_of(control: Mapping[str, object], model: Model) -> dict[str, str]:
    """Returns every source that a control file reads, with the type of the Name that it fills."""
    flowing = [*flows(control, model), *_identifying(control.get("instructions"), model)]
    found: dict[str, str] = {}
    for flow in flowing:
        if flow.source:
            found.setdefault(flow.source, flow.type)
    ordered = sorted(found)
    for source in dict.fromkeys(_asked(control.get("instructions"), "")):
        if source not in found and not (_has_within(ordered, source + ".") or _has_within(ordered, source + "[]")):
            found[source] = "text"
            insort(ordered, source)
    return found


def _has_within(ordered: Sequence[str], beginning: str) -> bool:
    at = bisect_left(ordered, beginning)
    return at < len(ordered) and ordered[at].startswith(beginning)
