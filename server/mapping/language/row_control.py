"""A control file for rows that come without one: every column is accounted for, and `:Name` columns find a stored row.

The control file of an import process says where columns go. For rows that are queued one by one (vendor's
documentation: LearningBuilder, Workflow Import Queue) it is wrapped: an unknown column fails its row, and a row with
columns such as `:email` updates the one row that has those values, instead of what the process does with other rows.
"""

from collections.abc import Iterator, Mapping, Sequence

from server.mapping.language.control import parse_control
from server.mapping.model.model import Destination, Model, Name
from server.mapping.values.structured import PARTS

PREFIX = ":"

Instruction = Mapping[str, object]

_READY = ("new", "upsert", "load")
_NO_IDENTIFIER = {*PARTS, "json", "ref", "datetime"}  # unless the control file says how they are written
_FIELD_KEYS = ("action", "source", "destination", "multivalue", "qualifier")


def row_control(control: Instruction, model: Model, read: str) -> dict[str, object]:
    """Wraps a valid control file; `read` is the format of the rows. The same process gives the same control file."""
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
    """What the process does is done with rows that name no stored one; `upsert` also makes those not there yet."""
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
    """By column: the columns of the process read the way it reads them, every other plain Name as it is."""
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
    """A fresh row has no values to add to; a stored one gets the row's values in the place of its own."""
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
    """Columns that would have found the row are values like others once it has been found."""
    if ready["action"] == "load":
        for _, field in fields:
            if field.get("destination") == ready.get("using") and field.get("name") in destination.names:
                yield {**field, "destination": destination.name}


def _sources(instructions: Sequence[Instruction]) -> Iterator[str]:
    """The columns of a record that instructions read."""
    for one in instructions:
        if "source" in one:
            yield str(one["source"])
        yield from (source for branch in _branches(one) for source in _sources(branch))


def _fields(instructions: Sequence[Instruction], column: str | None = None) -> Iterator[tuple[str, Instruction]]:
    """Every `field` with the column of the record that its value comes from."""
    for one in instructions:
        source = column or str(one.get("source"))
        if one["action"] == "field":
            yield source, one
        elif one["action"] == "for-each" and isinstance(body := one.get("instructions"), list):
            yield from _fields(body, source)
        for branch in _branches(one):
            yield from _fields(branch, column)


def _branches(instruction: Instruction) -> list[list[Instruction]]:
    """Instructions that read the same record; those of `within` and `for-each` read a part of it."""
    found = (instruction.get(key) for key in ("then", "else", "otherwise"))
    return [branch for branch in found if isinstance(branch, list)]
