"""Compiles a control file and its model, once, to a program that makes changes of one record at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.mapping.language.control import ON_BAD_VALUE, ControlFile, action_of
from server.mapping.model.model import ColumnKind, Destination, Model, Name
from server.mapping.model.scope import Result, Scope
from server.mapping.program.assigning import LOAD_BY_REF, Preparation
from server.mapping.program.instructions import Step, as_context, steps
from server.mapping.record.evaluation import Evaluation
from server.mapping.record.targets import PreparedDestination, prepare_destination, prepare_pseudo
from server.mapping.values.filters import Filters
from server.mapping.values.setup import Setup, brief
from server.mapping.values.types.structured import PSEUDO_DESTINATIONS


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled control file. It keeps nothing between records that a run would miss after a crash.

    * `setup_messages`: faults found before the first record, in order. Each faulty instruction was left out.
    * `columns`: by table, every column that the changes may fill, with its kind.
    * `links`: by table, the columns that hold the id of a parent's row, with the parent's table. Runs look up by them.
    * `strict`: a record with a lost value fails; otherwise it is stored with a warning.
    * `reads`: the program reads values of records, and a record with none of them makes no row.
    """

    setup_messages: tuple[str, ...]
    columns: Mapping[str, tuple[tuple[str, ColumnKind], ...]]
    links: Mapping[str, tuple[tuple[str, str], ...]]
    destinations: Mapping[str, PreparedDestination]
    steps: tuple[Step, ...]
    strict: bool = False
    reads: bool = False

    def run(self, record: object, scope: Scope) -> Result:
        """Maps one record. Raises RunFault for a fault of the control file itself."""
        evaluation = Evaluation(self.destinations, scope, strict=self.strict)
        if not isinstance(record, dict) and (self.strict or not isinstance(record, list)):
            evaluation.abort(f"The record is no object with names and values: {brief(record)}")
        evaluation.tried = not self.reads
        context = as_context(record)
        for step in self.steps:
            step(evaluation, context)
        return evaluation.finish()


def compile_control(control: ControlFile | Mapping[str, object], model: Model, models: Mapping[str, Model]) -> Program:
    """Prepares every instruction. The program's `setup_messages` say what is wrong with them."""
    mapping, instructions = _parts(control)
    messages: list[str] = []
    destinations = prepare_destinations(model)
    setup = Setup(model=model, models=models, mapping=mapping, report=messages.append, filters=Filters(models))
    built = steps(Preparation(destinations, setup), instructions)
    strict, reads = is_strict(control), _reads(instructions)
    return Program(tuple(messages), _columns(destinations), _links(destinations), destinations, built, strict, reads)


def _reads(instructions: object) -> bool:
    """Whether an instruction, or one inside it, reads a value of the record."""
    listed = instructions if isinstance(instructions, list | tuple) else ()
    return any(
        action_of(one) == "field" or any(_reads(inner) for inner in one.values())
        for one in listed
        if isinstance(one, Mapping)
    )


def prepare_destinations(model: Model) -> dict[str, PreparedDestination]:
    """Prepares the destinations of the model, in its order, and then their pseudo destinations."""
    destinations = {d.name: prepare_destination(d, model.qualifiers) for d in model.destinations.values()}
    for name, prepared in destinations.items():
        prepared.dependents = tuple(other for other in destinations if other != name and _depends(model, other, name))
    for pseudo in _pseudo_destinations(model):
        destinations.setdefault(pseudo.name, prepare_pseudo(pseudo))
    return destinations


def is_strict(control: ControlFile | Mapping[str, object]) -> bool:
    return (control.get(ON_BAD_VALUE) if isinstance(control, Mapping) else control.on_bad_value) == "fail"


def _parts(control: ControlFile | Mapping[str, object]) -> tuple[Mapping[str, object], object]:
    if not isinstance(control, Mapping):
        return control.mapping, control.instructions
    mapping = control.get("mapping")
    return mapping if isinstance(mapping, Mapping) else {}, control.get("instructions")


def _depends(model: Model, name: str, on: str) -> bool:
    seen: set[str] = set()
    parent: str | None = name
    while parent is not None and parent not in seen:
        seen.add(parent)
        destination = model.destinations.get(parent)
        parent = destination.depends if destination is not None else None
        if parent == on:
            return True
    return False


def _pseudo_destinations(model: Model) -> Iterator[Destination]:
    yield _pseudo(LOAD_BY_REF, {"ref": Name("ref", type="ref", description="Ref of the row")})
    for destination in model.destinations.values():
        if destination.key:
            yield _pseudo(f"load:{destination.name}", {n: destination.names[n] for n in destination.key})
    used = {f"value:{name.type}" for d in model.destinations.values() for name in d.names.values()}
    yield from (structured for name, structured in PSEUDO_DESTINATIONS.items() if name in used)


def _pseudo(name: str, names: Mapping[str, Name]) -> Destination:
    return Destination(name=name, table="", kind="dictionary", names=names)


def _columns(destinations: Mapping[str, PreparedDestination]) -> dict[str, tuple[tuple[str, ColumnKind], ...]]:
    found: dict[str, dict[str, ColumnKind]] = {}
    for prepared in destinations.values():
        if not prepared.pseudo:
            table = found.setdefault(prepared.table, {})
            for column, kind in prepared.columns():
                table.setdefault(column, kind)
    return {table: tuple(columns.items()) for table, columns in found.items()}


def _links(destinations: Mapping[str, PreparedDestination]) -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, dict[str, str]] = {}
    for prepared in destinations.values():
        parent = destinations.get(prepared.destination.depends or "")
        if prepared.link is not None and parent is not None:
            found.setdefault(prepared.table, {})[prepared.link.column] = parent.table
    return {table: tuple(links.items()) for table, links in found.items()}
