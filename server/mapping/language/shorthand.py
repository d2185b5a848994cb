"""Makes the control file of a process in short form: one destination, one reader, and columns to Names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.mapping.language.control import ON_BAD_VALUE
from server.mapping.language.decimal_marks import NUMBERS
from server.mapping.language.reading import OF_READERS, InputFormats, takers, takes
from server.mapping.model.document import Fields, choices, quoted
from server.mapping.model.model import Destination, Model, Name
from server.mapping.values.types.dates import ISO_8601, WHOLE_TEXT
from server.mapping.values.types.structured import PARTS
from server.mapping.values.types.written_numbers import DECIMAL_MARKS

SHORT_KEYS = ("model", "destination", "read", "write", "columns", "on_bad_value", "decimal", *OF_READERS)
YES, NO = ("true", "yes", "1"), ("false", "no", "0")

Instruction = dict[str, object]

_OPTIONS = (
    "qualifier", "filters", "mapInputValue", "mapInputValueDefault", "refMapping", "dateFormat", "trueValue",
    "falseValue", "country", "decimal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShortColumn:
    """One column of the input and the Name that it fills, or the part of a structured Name."""

    source: str
    name: Name
    part: str | None
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ShortForm:
    destination: Destination
    write: str
    flat: bool  # no value of the input is an object or a list
    columns: Sequence[ShortColumn]
    keeps_false: bool  # the input may hold false, and means it
    decimal: str | None = None  # the decimal mark of numbers, where a column names none


def short_control(fields: Fields, models: Mapping[str, Model], formats: InputFormats) -> dict[str, object]:
    """Returns the control file, which is empty after problems with the model or the destination."""
    label = fields.choice("model", tuple(models))
    destination = _destination(fields, models[label]) if label else None
    read = _read(fields, formats)
    write = fields.choice("write", ("create", "update", "upsert")) or "create"
    if label is None or destination is None:
        return {}
    if write != "create" and not destination.key:
        fields.wrong("write", f'"create", as destination {destination.name} has no key')
    format = formats.get(str(read.get("read")))
    values = "nested" if format is None else format.values
    flat = values != "nested"
    bad = fields.choice("on_bad_value", ("fail", "drop"), "fail")
    columns = _columns(fields, destination, flat)
    form = ShortForm(destination, write, flat, columns, keeps_false=values != "texts", decimal=_decimal(fields))
    _check_key(fields, form)
    return {
        "dataImportControlFileVersion": 0,
        "model": label,
        "files": {"DEFAULT": read},
        "instructions": _instructions(form),
        **({ON_BAD_VALUE: "fail"} if bad == "fail" else {}),
    }


def _decimal(fields: Fields) -> str | None:
    return fields.choice("decimal", DECIMAL_MARKS) if "decimal" in fields.values else None


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


def _read(fields: Fields, formats: InputFormats) -> dict[str, object]:
    """Returns the reader with its options, including those beside `read`."""
    read = _reader(fields)
    beside = {key: fields.values[key] for key in OF_READERS if key in fields.values}
    for key in beside:
        if read and not takes(read, key, formats):
            fields.wrong(key, f"left out: it is an option of {' and '.join(takers(key, formats))}")
    return {**read, **beside}


def _reader(fields: Fields) -> dict[str, object]:
    """Returns the entry of a reader, which may be written as its name alone."""
    read = fields.values.get("read")
    if isinstance(read, str) and read:
        return {"read": read}
    if isinstance(read, dict) and isinstance(read.get("read"), str):
        return read
    fields.wrong("read", 'the name of a reader, or an object like {"read": "tsv-with-name-row", "separator": ";"}')
    return {}


def _columns(fields: Fields, destination: Destination, flat: bool) -> list[ShortColumn]:
    if "columns" not in fields.values:
        return list(_same_named(destination, flat))
    found = (
        _column(fields, source, target, destination) for source, target in fields.objects("columns", required=True)
    )
    columns = [column for column in found if column]
    for column in columns:
        if flat and column.part is None and column.name.type in PARTS:
            parts = ", ".join(f"{column.name.name}.{part}" for part in PARTS[column.name.type])
            place, name = fields.at("columns", column.source), quoted(column.name.name)
            fields.problems.add(place, f"{name} is made of parts, should be one of {parts}")
    return columns


def _same_named(destination: Destination, flat: bool) -> Iterator[ShortColumn]:
    """Yields a column for every Name, called like it. In flat files the parts of a Name are columns NAME.PART."""
    for name in destination.names.values():
        if flat and name.type in PARTS:
            yield from (ShortColumn(f"{name.name}.{part}", name, part, {}) for part in PARTS[name.type])
        else:
            yield ShortColumn(name.name, name, None, {})


def _column(fields: Fields, source: str, target: object, destination: Destination) -> ShortColumn | None:
    path = fields.at("columns", source)
    options: Mapping[str, object] = {}
    if isinstance(target, dict):
        inner = Fields(target, path, fields.problems, ("name", "format", *_OPTIONS))
        options = {key: value for key, value in target.items() if key in _OPTIONS}
        if (pattern := inner.text("format")) is not None:
            options = {"dateFormat": pattern, **options}
        _decimal(inner)
        target = inner.text("name", choices(destination.names), required=True)
        path = (*path, "name")
    name, part = _named(target, destination)
    if name is None:
        fields.problems.wrong(path, target, choices(destination.names))
        return None
    return ShortColumn(source, name, part, options)


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


def _check_key(fields: Fields, form: ShortForm) -> None:
    given = {column.name.name for column in form.columns}
    missing = [name for name in form.destination.key if name not in given]
    if form.write != "create" and missing:
        fields.problems.add(
            fields.at("columns"), f"no column goes to {', '.join(missing)}, should be one, as the key needs it"
        )


def _instructions(form: ShortForm) -> list[Instruction]:
    name, key = form.destination.name, form.destination.key
    columns = list(form.columns)
    instructions: list[Instruction] = []
    if form.write == "update":
        keyed = [column for column in columns if column.name.name in key]
        columns = [column for column in columns if column.name.name not in key]
        instructions += [_field(column, f"load:{name}", form) for column in keyed]
        instructions.append({"action": "load", "destination": name, "using": f"load:{name}"})
    else:
        instructions.append({"action": "new" if form.write == "create" else "upsert", "destination": name})
    whole = [column for column in columns if column.part is None]
    instructions += [step for column in whole for step in _set(column, form)]
    return [*instructions, *_structured(columns, form)]


def _set(column: ShortColumn, form: ShortForm) -> list[Instruction]:
    if column.name.multivalue and not form.flat:
        return _many(column, form)
    return [_field(column, form.destination.name, form)]


def _field(column: ShortColumn, destination: str, form: ShortForm, source: str | None = None) -> Instruction:
    instruction: Instruction = {"source": source or column.source, "destination": destination, "name": column.name.name}
    if column.name.type == "datetime":
        instruction |= {WHOLE_TEXT: True} if "dateFormat" in column.options else {"dateFormat": ISO_8601}
    if column.name.type == "ref" and "refMapping" not in column.options:
        instruction["filters"] = ["haplo:to-string", "haplo:string-to-ref"]
    if column.name.type == "boolean":
        instruction |= {"trueValue": list(YES), "falseValue": list(NO)}
    if column.name.type in NUMBERS and form.decimal is not None:
        instruction["decimal"] = form.decimal
    return {**instruction, **_words(column.options), **_false(form)}


def _false(form: ShortForm) -> Instruction:
    """Returns the option that makes false a value, which `field` skips otherwise."""
    return {"keepFalse": True} if form.keeps_false else {}


def _words(options: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the words of a boolean as lists, which match in any case and also numbers of a workbook."""
    if not options.keys() & {"trueValue", "falseValue"}:
        return options
    words = {"trueValue": options.get("trueValue", "true"), "falseValue": options.get("falseValue", "false")}
    return {**options, **{key: word if isinstance(word, list) else [word] for key, word in words.items()}}


def _many(column: ShortColumn, form: ShortForm) -> list[Instruction]:
    """Returns instructions by which a list replaces all stored values. A value that is no list is the only one."""
    destination, name, source = form.destination.name, column.name.name, column.source
    each = {**_field(column, destination, form, "value"), "multivalue": True}
    one_by_one: Instruction = {"action": "for-each", "source": source, "wrapValues": True, "orSingle": True}
    one_by_one["instructions"] = [each]
    if form.write == "create":
        return [one_by_one]
    remove = {"action": "remove-values", "destination": destination, "name": name}
    return [{"action": "if-exists", "source": source, "then": [remove]}, one_by_one]


def _structured(columns: Sequence[ShortColumn], form: ShortForm) -> Iterator[Instruction]:
    """Yields instructions that collect the parts of each structured Name, and set it if there is at least one."""
    destination = form.destination.name
    names = {column.name.name: column.name for column in columns if column.part}
    for name in names.values():
        parts = [column for column in columns if column.part and column.name.name == name.name]
        pseudo = f"value:{name.type}"
        for column in parts:
            yield {
                "source": column.source,
                "destination": pseudo,
                "name": column.part,
                **column.options,
                **_false(form),
            }
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
