"""The short form of an import process: one destination, one reader, columns to Names; made into a control file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.mapping.dates import ISO_8601
from server.mapping.document import Fields, choices, quoted
from server.mapping.model import Destination, Model, Name
from server.mapping.reading import TAKERS, takes
from server.mapping.structured import PARTS

SHORT_KEYS = ("model", "destination", "read", "write", "columns", *TAKERS)

Instruction = dict[str, object]

_FLAT_READERS = frozenset(
    ("csv-with-name-row", "tsv-with-name-row", "xlsx-with-name-row", "xml-text-of-children", "xml-attributes")
)
_OPTIONS = (
    "qualifier", "filters", "mapInputValue", "mapInputValueDefault", "refMapping", "dateFormat", "trueValue",
    "falseValue", "country",
)  # fmt: skip
_TAKES_LISTS = frozenset(
    ("boolean", "integer", "number", "json", "postal-address")
)  # not a list by mistake for one value


@dataclass(frozen=True, slots=True)
class Column:
    """Where one column of the input goes: a Name, or one part of a structured one."""

    source: str
    name: Name
    part: str | None
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Plan:
    destination: Destination
    write: str
    flat: bool  # every value of the input is text
    columns: Sequence[Column]


def short_control(fields: Fields, models: Mapping[str, Model]) -> dict[str, object]:
    """The control file; empty where there are problems with the model or the destination."""
    label = fields.choice("model", tuple(models))
    destination = _destination(fields, models[label]) if label else None
    read = _read(fields)
    write = fields.choice("write", ("create", "update", "upsert")) or "create"
    if label is None or destination is None:
        return {}
    if write != "create" and not destination.key:
        fields.wrong("write", f'"create", as destination {destination.name} has no key')
    flat = read.get("read") in _FLAT_READERS
    plan = Plan(destination, write, flat, _columns(fields, destination, flat))
    _check_key(fields, plan)
    return {
        "dataImportControlFileVersion": 0,
        "model": label,
        "files": {"DEFAULT": read},
        "instructions": _instructions(plan),
    }


def _destination(fields: Fields, model: Model) -> Destination | None:
    name = fields.choice("destination", tuple(model.destinations))
    if name is None:
        return None
    destination = model.destinations[name]
    if destination.depends:
        right = f"one that does not depend on another ({destination.depends}), or write a control file"
        fields.wrong("destination", right)
    needed = [d.name for d in model.destinations.values() if not d.optional and d.name != name]
    if needed:
        fields.wrong("destination", f"used with a control file, as the model also requires {', '.join(needed)}")
    return destination


def _read(fields: Fields) -> dict[str, object]:
    """The reader with its options, those that stand beside it too."""
    read = _reader(fields)
    beside = {key: fields.values[key] for key in TAKERS if key in fields.values}
    for key in beside:
        if read and not takes(read, key):
            fields.wrong(key, f"left out: only {' and '.join(TAKERS[key])} take it")
    return {**read, **beside}


def _reader(fields: Fields) -> dict[str, object]:
    """The name of a reader, or an object with the reader's options too."""
    read = fields.values.get("read")
    if isinstance(read, str) and read:
        return {"read": read}
    if isinstance(read, dict) and isinstance(read.get("read"), str):
        return read
    fields.wrong("read", 'the name of a reader, or an object like {"read": "tsv-with-name-row", "separator": ";"}')
    return {}


def _columns(fields: Fields, destination: Destination, flat: bool) -> list[Column]:
    if "columns" not in fields.values:
        return list(_same_named(destination, flat))
    found = (
        _column(fields, source, target, destination) for source, target in fields.objects("columns", required=True)
    )
    columns = [column for column in found if column]
    for column in columns:
        if flat and column.part is None and column.name.type in PARTS:
            parts = ", ".join(f"{column.name.name}.{part}" for part in PARTS[column.name.type])
            place, name = fields.at(f"columns.{column.source}"), quoted(column.name.name)
            fields.problems.add(place, f"{name} is made of parts, should be one of {parts}")
    return columns


def _same_named(destination: Destination, flat: bool) -> Iterator[Column]:
    """Every Name from the column of that name; the parts of a structured one from NAME.PART where values are text."""
    for name in destination.names.values():
        if flat and name.type in PARTS:
            yield from (Column(f"{name.name}.{part}", name, part, {}) for part in PARTS[name.type])
        else:
            yield Column(name.name, name, None, {})


def _column(fields: Fields, source: str, target: object, destination: Destination) -> Column | None:
    where = f"columns.{source}"
    options: Mapping[str, object] = {}
    if isinstance(target, dict):
        inner = Fields(target, fields.at(where), fields.problems, ("name", *_OPTIONS))
        options = {key: value for key, value in target.items() if key in _OPTIONS}
        target = inner.text("name", choices(destination.names), required=True)
        where += ".name"
    name, part = _named(target, destination)
    if name is None:
        fields.problems.wrong(fields.at(where), target, choices(destination.names))
        return None
    return Column(source, name, part, options)


def _named(target: object, destination: Destination) -> tuple[Name | None, str | None]:
    if not isinstance(target, str):
        return None, None
    if target in destination.names:
        return destination.names[target], None
    before, _, part = target.rpartition(".")
    name = destination.names.get(before)
    if name is not None and part in PARTS.get(name.type, ()):
        return name, part
    if destination.open and target:
        return Name(target), None
    return None, None


def _check_key(fields: Fields, plan: Plan) -> None:
    given = {column.name.name for column in plan.columns}
    missing = [name for name in plan.destination.key if name not in given]
    if plan.write != "create" and missing:
        fields.problems.add(
            fields.at("columns"), f"no column goes to {', '.join(missing)}, should be one, as the key needs it"
        )


def _instructions(plan: Plan) -> list[Instruction]:
    name, key = plan.destination.name, plan.destination.key
    columns = list(plan.columns)
    instructions: list[Instruction] = []
    if plan.write == "update":
        keyed = [column for column in columns if column.name.name in key]
        columns = [column for column in columns if column.name.name not in key]
        instructions += [step for column in keyed for step in _single(column, f"load:{name}", plan.flat)]
        instructions.append({"action": "load", "destination": name, "using": f"load:{name}"})
    else:
        instructions.append({"action": "new" if plan.write == "create" else "upsert", "destination": name})
    whole = [column for column in columns if column.part is None]
    instructions += [step for column in whole for step in _set(column, plan)]
    return [*instructions, *_structured(columns, name)]


def _set(column: Column, plan: Plan) -> list[Instruction]:
    if column.name.multivalue and not plan.flat:
        return _many(column, plan)
    return _single(column, plan.destination.name, plan.flat)


def _field(column: Column, destination: str, source: str | None = None) -> Instruction:
    instruction: Instruction = {"source": source or column.source, "destination": destination, "name": column.name.name}
    if column.name.type == "datetime":
        instruction["dateFormat"] = ISO_8601
    if column.name.type == "ref" and "refMapping" not in column.options:
        instruction["filters"] = ["haplo:to-string", "haplo:string-to-ref"]
    return {**instruction, **column.options}


def _single(column: Column, destination: str, flat: bool) -> list[Instruction]:
    field = _field(column, destination)
    if flat or column.name.type != "boolean":
        return [field]
    # `field` passes over false, but JSON means it
    no = {**field, "action": "set-value", "value": False}
    del no["source"]
    return [{"action": "if-value-one-of", "source": column.source, "values": [False], "then": [no], "else": [field]}]


def _many(column: Column, plan: Plan) -> list[Instruction]:
    """A list sets all values, in the place of those that are stored; a value that is no list is the only one."""
    destination, name = plan.destination.name, column.name
    each = {**_field(column, destination, "value"), "multivalue": True}
    then: list[Instruction] = []
    if plan.write != "create":
        then.append({"action": "remove-values", "destination": destination, "name": name.name})
    if name.type not in _TAKES_LISTS:
        then.append(_field(column, destination))
    then.append({"action": "for-each", "source": column.source, "wrapValues": True, "instructions": [each]})
    return [{"action": "if-exists", "source": column.source, "then": then}]


def _structured(columns: Sequence[Column], destination: str) -> Iterator[Instruction]:
    """Parts are collected, then set together, where there is at least one."""
    names = {column.name.name: column.name for column in columns if column.part}
    for name in names.values():
        parts = [column for column in columns if column.part and column.name.name == name.name]
        pseudo = f"value:{name.type}"
        for column in parts:
            yield {"source": column.source, "destination": pseudo, "name": column.part, **column.options}
        put: Instruction = {
            "action": "field-structured",
            "structured": pseudo,
            "destination": destination,
            "name": name.name,
        }
        yield from _if_any([column.source for column in parts], put)


def _if_any(sources: Sequence[str], put: Instruction) -> list[Instruction]:
    found: list[Instruction] = []
    for source in reversed(sources):
        found = [{"action": "if-exists", "source": source, "then": [put], "else": found}]
    return found
