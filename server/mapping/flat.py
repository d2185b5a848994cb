"""Plain flat control files as generated code: one function that turns a block of records into rows.

A control file is flat when it makes one fresh row a record (`new` or `upsert`) and then only sets Names of it. The code
knows only the happy case. A record with anything else in it - a value that does not convert, a missing title, a column
that `only-columns` does not list or that is one of `identify` - is left to the general evaluator, which knows every
rule and every message; so both give the same answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, cast

import orjson

from server.mapping.control import ControlFile
from server.mapping.filters import Filters
from server.mapping.model import Destination, Model, Name, qualified_column
from server.mapping.scope import Lookup, Scalar
from server.mapping.values import NOTHING, Converter, Setup, converter

_SET = ("field", "set-value")
_LOOKS_UP = {"ref", "object-type"}
_LOOKUP_FILTERS = ("haplo:string-to-ref", "haplo:code-to-ref", "haplo:username-to-ref", "haplo:email-to-ref")
_INLINE = {
    "text": "{v}.__class__ is str and {v}",
    "email-address": "{v}.__class__ is str and {v}.find('@') > 0",
    "integer": "{v}.__class__ is int and -9223372036854775808 <= {v} <= 9223372036854775807",
    "number": "{v}.__class__ is float and {v} - {v} == 0.0",
}


class Rows(Protocol):
    """Appends to `rows` a tuple for every plain record (columns, then number), to `odd` the index of each other."""

    def __call__(
        self, records: Sequence[object], number: int, rows: list[tuple[Scalar, ...]], odd: list[int]
    ) -> None: ...


@dataclass(frozen=True)
class FlatPlan:
    """`key` is None for `new`. `of_dicts` takes records as they are; `of_cells` makes the function for a name row."""

    destination: Destination
    columns: tuple[str, ...]
    key: tuple[str, ...] | None
    of_dicts: Rows
    of_cells: Callable[[Sequence[str]], Rows]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One column: a source to read or a constant, and what must hold of it."""

    column: str
    name: Name | None
    source: str | None
    constant: Scalar
    convert: Callable[[object], object]
    inline: str | None  # the test that a value passes as it is, as code with {v} for the variable
    wrap: bool
    required: bool = False
    quick: tuple[tuple[str, str], ...] = ()  # tests like `inline`, each with the code of what is stored then


class _Unheard:
    """A scope for values that convert by themselves; what they have to say is said again by the evaluator."""

    def __init__(self) -> None:
        self.hints: list[str] = []

    @property
    def lookup(self) -> Lookup:
        raise LookupError("a flat value does not look up rows")

    def report(self, message: str) -> None:
        pass


def plan(control: ControlFile, model: Model, models: Mapping[str, Model]) -> FlatPlan | None:
    """The plan of a flat control file, or None where the evaluator must do it."""
    allowed, instructions = _unguarded(control.instructions)
    head, *sets = instructions or ({},)
    action, target = head.get("action"), str(head.get("destination"))
    destination = model.destinations.get(target)
    if action not in ("new", "upsert") or destination is None or not _stands_alone(destination, model):
        return None
    upsert = action == "upsert"
    if upsert and (not destination.key or destination.types):
        return None
    if destination.types and not destination.types.default:
        return None
    problems: list[str] = []
    setup = Setup(model=model, models=models, mapping=control.mapping, report=problems.append, filters=Filters(models))
    cells = [_cell(instruction, destination, upsert, setup) for instruction in sets]
    if problems or None in cells:
        return None
    return _assemble(destination, upsert, cast(list[_Cell], cells), allowed)


Instructions = Sequence[Mapping[str, object]]


def _unguarded(instructions: Instructions) -> tuple[frozenset[str] | None, Instructions]:
    """The columns that plain records may have (None: any), and what is done with such records."""
    if not instructions or instructions[0].get("action") != "only-columns":
        return None, instructions
    listed, rest = instructions[0].get("columns"), instructions[1:]
    allowed = frozenset(map(str, listed)) if isinstance(listed, list | tuple) else frozenset()
    if not rest or rest[0].get("action") != "identify":
        return allowed, rest
    identifiers, otherwise = rest[0].get("columns"), rest[0].get("else")
    if not isinstance(identifiers, Mapping) or not isinstance(otherwise, list):
        return allowed, rest
    return allowed - identifiers.keys(), [*otherwise, *rest[1:]]


def _stands_alone(destination: Destination, model: Model) -> bool:
    others = [d for d in model.destinations.values() if d is not destination]
    return destination.depends is None and all(d.optional for d in others)


def _cell(instruction: Mapping[str, object], destination: Destination, upsert: bool, setup: Setup) -> _Cell | None:
    if instruction.get("action") == "if-value-one-of":
        return _boolean_cell(instruction, destination, upsert, setup)
    name = destination.names.get(str(instruction.get("name")))
    action = instruction.get("action", "field")
    if name is None or action not in _SET or instruction.get("destination") != destination.name:
        return None
    if not _is_plain(instruction, name, upsert):
        return None
    source = str(instruction.get("source")) if action == "field" else None
    where = f"input field {source}" if source is not None else f"set value {destination.name}/{name.name}"
    convert = converter(instruction, name, where, setup)
    if convert is None:
        return None
    column = _column(instruction, name, destination, setup.model)
    if column is None:
        return None
    bound = partial(_convert, convert)
    if source is None:
        return _constant(column, name, bound, instruction.get("value"))
    inline = None if name.multivalue or _OPTIONS & instruction.keys() else _INLINE.get(name.type)
    quick = () if name.multivalue or _OPTIONS & instruction.keys() else _QUICK.get(name.type, ())
    return _Cell(column, name, source, None, bound, inline, name.multivalue, quick=quick)


def _boolean_cell(
    instruction: Mapping[str, object], destination: Destination, upsert: bool, setup: Setup
) -> _Cell | None:
    """How a shorthand process says that a JSON false counts: set it where it is false, else take the field."""
    source, values = instruction.get("source"), instruction.get("values")
    branches = instruction.get("then"), instruction.get("else")
    if not isinstance(values, list) or len(values) != 1 or values[0] is not False:
        return None
    if not all(isinstance(branch, list) and len(branch) == 1 for branch in branches):
        return None
    no, field = (_cell(cast(list[Mapping[str, object]], branch)[0], destination, upsert, setup) for branch in branches)
    if no is None or field is None or no.source is not None or (field.source, field.column) != (source, no.column):
        return None
    return replace(field, quick=(("{v} is False", repr(no.constant)), *field.quick))


def _convert(convert: Converter, value: object) -> object:
    return convert(value, _UNHEARD)


def _constant(column: str, name: Name, convert: Callable[[object], object], value: object) -> _Cell | None:
    result = convert(value)
    if result is NOTHING:
        return None
    stored = orjson.dumps([result]).decode() if name.multivalue else cast(Scalar, result)
    return _Cell(column, name, None, stored, convert, None, False)


_UNHEARD = _Unheard()
_PLAIN_DIGITS = "{v}.__class__ is str and {v}.isdecimal() and {v}.isascii() and ({v}[0] != '0' or {v} == '0')"
_QUICK = {
    "text": (("{v}.__class__ is int and -9007199254740992 < {v} < 9007199254740992", "str({v})"),),
    "boolean": (("{v} is True", "1"), ("{v} == 'true'", "1"), ("{v} == 'false'", "0")),
    "integer": ((_PLAIN_DIGITS + " and len({v}) < 19", "int({v})"),),
}
_OPTIONS = {"mapInputValue", "mapInputValueDefault", "filters", "trueValue", "falseValue", "dateFormat"}


def _is_plain(instruction: Mapping[str, object], name: Name, upsert: bool) -> bool:
    filters = instruction.get("filters") or []
    if name.type in _LOOKS_UP or instruction.get("refMapping") is not None:
        return False
    if not isinstance(filters, list) or any(f in _LOOKUP_FILTERS or not str(f).startswith("haplo:") for f in filters):
        return False
    return not (instruction.get("multivalue") and (upsert or not name.multivalue))


def _column(instruction: Mapping[str, object], name: Name, destination: Destination, model: Model) -> str | None:
    qualifier = instruction.get("qualifier")
    if qualifier is None or destination.kind == "dictionary":
        return name.column
    return qualified_column(name, str(qualifier)) if qualifier in model.qualifiers else None


def _assemble(
    destination: Destination, upsert: bool, cells: list[_Cell], allowed: frozenset[str] | None
) -> FlatPlan | None:
    names = destination.names
    needed = {names[n].column for n in destination.key} if upsert else set()
    if destination.kind == "dictionary":
        needed |= {n.column for n in names.values() if n.required}
    elif destination.title:
        needed.add(names[destination.title].column)
    columns = [cell.column for cell in cells]
    if len(set(columns)) < len(columns) or not needed <= set(columns):
        return None
    if any(cell.wrap and cell.column in needed for cell in cells) and upsert:
        return None
    if destination.types and destination.types.default:
        cells = [*cells, _Cell("_type", None, None, destination.types.default, _itself, None, False)]
    cells = [replace(cell, required=cell.column in needed) for cell in cells]
    if any(cell.required and cell.constant in ("", '[""]') for cell in cells):
        return None
    return FlatPlan(
        destination=destination,
        columns=tuple(cell.column for cell in cells),
        key=tuple(names[n].column for n in destination.key) if upsert else None,
        of_dicts=_compile(cells, None, allowed),
        of_cells=lambda header: _compile(cells, list(header), allowed),
    )


def _compile(cells: Sequence[_Cell], header: list[str] | None, allowed: frozenset[str] | None = None) -> Rows:
    """Builds the function's text and compiles it: straight-line code over local variables."""
    names: dict[str, object] = {"NOTHING": NOTHING, "dumps": orjson.dumps}
    body: list[str] = []
    if allowed is not None:
        names["allowed"] = allowed
        strange = "not record.keys() <= allowed" if header is None else str(not allowed.issuperset(header or ()))
        body += [f"if {strange}:", "    odd.append(index); continue"]
    for i, cell in enumerate(cells):
        names[f"k{i}"], names[f"c{i}"] = cell.constant if cell.source is None else cell.source, cell.convert
        if cell.source is not None:
            body += _read(i, cell, header)
    values = ", ".join(f"v{i}" if cell.source is not None else f"k{i}" for i, cell in enumerate(cells))
    # sources and constants are bound by name, never written into the text
    start = ["get = record.get"] if header is None else []
    guard = "record.__class__ is not dict" if header is None else "record.__class__ is not list"
    lines = [
        f"def rows(records, number, rows, odd, {', '.join(f'{n}={n}' for n in names)}):",
        "    append = rows.append",
        "    for index, record in enumerate(records):",
        f"        if {guard}:",
        "            odd.append(index); continue",
        *(f"        {line}" for line in start + body),
        f"        append(({values}, number + index))",
    ]
    exec(compile("\n".join(lines), "<flat control file>", "exec"), names)
    return cast(Rows, names["rows"])


def _read(i: int, cell: _Cell, header: list[str] | None) -> list[str]:
    v = f"v{i}"
    if header is None:
        read = f"{v} = get(k{i})"
    elif cell.source in header:
        # a name that stands twice: the last one counts, as in a dict
        read = f"{v} = record[{len(header) - 1 - header[::-1].index(cell.source)}]"
    else:
        read = f"{v} = None"
    absent = f"elif {v} is None or {v} is False or {v} == '':"
    lines = [read]
    if cell.inline:
        lines.append(f"elif {cell.inline.format(v=v)}: pass")
    lines += [f"elif {test.format(v=v)}: {v} = {code.format(v=v)}" for test, code in cell.quick]
    lines.append(absent)
    lines[1] = lines[1].removeprefix("el")
    lines += ["    odd.append(index); continue" if cell.required else f"    {v} = None"]
    bad = f"{v} is NOTHING or {v} == ''" if cell.required else f"{v} is NOTHING"
    lines += ["else:", f"    {v} = c{i}({v})", f"    if {bad}:", "        odd.append(index); continue"]
    if cell.wrap:
        lines += [f"    {v} = dumps([{v}]).decode()"]
    return lines


def _itself(value: object) -> object:
    return value
