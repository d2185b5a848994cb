"""Makes the control file for queued rows: unknown columns fail, and columns `:Name` find a stored row.

The control file of an import process says where columns go. For rows that are queued one by one (vendor's
documentation: LearningBuilder, Workflow Import Queue) it is wrapped: an unknown column fails its row, and a row with
columns such as `:email` updates the one stored row that has those values. Other rows go through the process as it is.
"""

from collections.abc import Iterator, Mapping, Sequence

from server.mapping.language.control import parse_control
from server.mapping.model.model import Destination, Model, Name
from server.mapping.values.types.structured import PARTS

PREFIX = ":"

Instruction = Mapping[str, object]

_READY = ("new", "upsert", "load")
_NO_IDENTIFIER = {*PARTS, "json", "ref", "datetime"}  # unless the process has a `field` that says how to read them
_FIELD_KEYS = ("action", "source", "destination", "multivalue", "qualifier")


def row_control(control: Instruction, model: Model, read: str) -> dict[str, object]:
    """Wraps a valid control file; `read` is the format of the rows. The result depends on nothing else."""
    instructions = parse_control(control).instructions
    fields = list(_fields(instructions))
    columns = dict.fromkeys(_sources(instructions))
    place = next((i for i, one in enumerate(instructions) if _is_ready(one, model)), None)
    if place is not None:
        wrapped = _identify(instructions[place], model, fields)
        instructions = [*instructions[:place], wrapped, *instructions[place + 1 :]]
        columns |= dict.fromkeys(wrapped["columns"])  # type: ignore[call-overload]
    strict = {"action": "only-columns", "columns": list(columns)}
    return {**control, "files": {"DEFAULT": {"read": read}}, "instructions": [strict, *instructions]}


def _is_ready(instruction: Instruction, model: Model) -> bool:
    return instruction["action"] in _READY and instruction.get("destination") in model.destinations


def _identify(ready: Instruction, model: Model, fields: Sequence[tuple[str, Instruction]]) -> dict[str, object]:
    """Wraps the instruction that makes a row ready, which then runs only for rows that name no stored row.

    `upsert` also runs for rows whose stored row is missing.
    """
    destination = model.destinations[str(ready["destination"])]
    wrapped: dict[str, object] = {
        "action": "identify",
        "destination": destination.name,
        "columns": _identifiers(destination, fields, (destination.name, ready.get("using"))),
        "then": [*_replaced(ready, destination, fields), *_kept(ready, destination, fields)],
        "else": [ready],
    }
    return {**wrapped, "missing": [ready]} if ready["action"] == "upsert" else wrapped


def _identifiers(
    destination: Destination, fields: Sequence[tuple[str, Instruction]], targets: Sequence[object]
) -> dict[str, object]:
    """Returns the identifying columns: those of the process, read in its way, and all other plain Names."""
    found: dict[str, object] = {}
    for source, field in fields:
        name = destination.names.get(str(field.get("name")))
        if name is not None and field.get("destination") in targets and _is_single(name) and "qualifier" not in field:
            options = {key: value for key, value in field.items() if key not in _FIELD_KEYS}
            found.setdefault(PREFIX + source, options)
            found.setdefault(PREFIX + name.name, options)
    for name in destination.names.values():
        if _is_single(name) and name.type not in _NO_IDENTIFIER:
            found.setdefault(PREFIX + name.name, {"name": name.name})
    return found


def _is_single(name: Name) -> bool:
    return not name.multivalue and name.type not in PARTS


def _replaced(
    ready: Instruction, destination: Destination, fields: Sequence[tuple[str, Instruction]]
) -> Iterator[Instruction]:
    """Yields instructions that empty several-valued Names of a stored row, so that new values replace the old."""
    if ready["action"] != "new":
        return
    several = {
        (source, str(field["name"]))
        for source, field in fields
        if field.get("destination") == destination.name and field.get("multivalue")
    }
    for source, name in sorted(several):
        remove = {"action": "remove-values", "destination": destination.name, "name": name}
        yield {"action": "if-exists", "source": source, "then": [remove]}


def _kept(
    ready: Instruction, destination: Destination, fields: Sequence[tuple[str, Instruction]]
) -> Iterator[Instruction]:
    """Yields instructions that set the columns of `load`: they are plain values once another column found the row."""
    if ready["action"] == "load":
        for _, field in fields:
            if field.get("destination") == ready.get("using") and field.get("name") in destination.names:
                yield {**field, "destination": destination.name}


def _sources(instructions: Sequence[Instruction]) -> Iterator[str]:
    """Yields the columns of a record that instructions read."""
    for one in instructions:
        if "source" in one:
            yield str(one["source"])
        yield from (source for branch in _branches(one) for source in _sources(branch))


def _fields(instructions: Sequence[Instruction], column: str | None = None) -> Iterator[tuple[str, Instruction]]:
    """Yields every `field` with the column of the record that it reads."""
    for one in instructions:
        source = column or str(one.get("source"))
        if one["action"] == "field":
            yield source, one
        elif one["action"] == "for-each" and isinstance(body := one.get("instructions"), list):
            yield from _fields(body, source)
        for branch in _branches(one):
            yield from _fields(branch, column)


def _branches(instruction: Instruction) -> list[list[Instruction]]:
    """Returns the nested instructions that read the same record. Those of `within` and `for-each` read a part of it."""
    found = (instruction.get(key) for key in ("then", "else", "otherwise"))
    return [branch for branch in found if isinstance(branch, list)]
