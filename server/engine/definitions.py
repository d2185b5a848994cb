"""Models and import processes as the operator wrote them: read from the imports folder, and again when told to."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import orjson

from server.engine.errors import ProcessNotFound
from server.engine.processors import processor_names
from server.mapping.compile import Program, compile_control
from server.mapping.control import validate
from server.mapping.model import Model, ModelInvalid, check_tables, parse_model
from server.mapping.processes import Process, ProcessInvalid, check_processes, parse_process
from server.readers import READERS
from storage.records.base import Column, Table


class DefinitionsInvalid(Exception):
    """Files in the imports folder are wrong; `problems` has one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Definitions:
    """The set in force. `reload` replaces all of it, or nothing where any file is wrong."""

    def __init__(self, folder: Path, *, built_in: Collection[Model] = ()) -> None:
        self._folder = folder
        self._built_in = {model.name: model for model in built_in}
        self.models: Mapping[str, Model] = MappingProxyType(dict(self._built_in))
        self.processes: Mapping[str, Process] = MappingProxyType({})
        self.refused: int | None = None  # mistakes found by the last reading; None before the first

    def load(self) -> None:
        """The first reading; raises DefinitionsInvalid."""
        problems = self.reload()
        if problems:
            raise DefinitionsInvalid(problems)

    def reload(self) -> list[str]:
        problems: list[str] = []
        models = dict(self._built_in) | _read_models(self._folder / "models", problems)
        problems += check_tables(models)
        processes = _read_processes(self._folder / "processes", models, problems)
        if not problems:
            self.models, self.processes = MappingProxyType(models), MappingProxyType(processes)
        self.refused = len(problems)
        return problems

    def process(self, id: str) -> Process:
        if id not in self.processes:
            raise ProcessNotFound(id)
        return self.processes[id]

    def validate_control(self, document: object) -> list[str]:
        """The messages of the import language for this control file, under the models in force."""
        return check_control(document, self.models)

    def tables(self) -> dict[str, Table]:
        """Every table that the models in force describe."""
        found: dict[str, Table] = {}
        for model in self.models.values():
            for table in tables_of(model, compile_control({"instructions": []}, model, self.models)):
                found[table.name] = merged(found[table.name], table) if table.name in found else table
        return found


def check_control(document: object, models: Mapping[str, Model]) -> list[str]:
    """What the import language says of a control file, with the readers and record processors there are."""
    checks = {name: reader.check for name, reader in READERS.items()}
    return validate(document, models, readers=checks, processors=processor_names())


def tables_of(model: Model, program: Program) -> list[Table]:
    """The tables of a model's destinations, with every column and link that the program may write."""
    tables: dict[str, Table] = {}
    for destination in model.destinations.values():
        names = destination.names
        links = program.links.get(destination.table, ())
        table = Table(
            name=destination.table,
            columns=tuple(Column(name, kind) for name, kind in program.columns.get(destination.table, ())),
            keys=(tuple(names[n].column for n in destination.key),) if destination.key else (),
            lookups=tuple([names[n].column for n in destination.lookups.values()] + [column for column, _ in links]),
            references=(*((n.column, n.refers_to) for n in names.values() if n.type == "ref" and n.refers_to), *links),
        )
        tables[table.name] = merged(tables[table.name], table) if table.name in tables else table
    return list(tables.values())


def merged(one: Table, other: Table) -> Table:
    """Two descriptions of one table; their columns agree (the models were checked for that)."""
    return Table(
        name=one.name,
        columns=tuple({c.name: c for c in (*other.columns, *one.columns)}.values()),
        keys=tuple(dict.fromkeys((*one.keys, *other.keys))),
        lookups=tuple(dict.fromkeys((*one.lookups, *other.lookups))),
        references=tuple(dict.fromkeys((*one.references, *other.references))),
    )


def _read_models(folder: Path, problems: list[str]) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for path, document in _documents(folder, problems):
        try:
            model = parse_model(document, str(path))
        except ModelInvalid as error:
            problems += error.problems
            continue
        if model.name in models:
            problems.append(f"{path}: name: another file already defines the model {model.name!r}; rename one of them")
        models[model.name] = model
    return models


def _read_processes(folder: Path, models: Mapping[str, Model], problems: list[str]) -> dict[str, Process]:
    processes: dict[str, Process] = {}
    for path, document in _documents(folder, problems, skip=".control.json"):
        try:
            process = parse_process(document, str(path), models, lambda name: _control(folder, name))
        except ProcessInvalid as error:
            problems += error.problems
            continue
        if process.id in processes:
            problems.append(f"{path}: id: another file already defines the process {process.id!r}; rename one of them")
        problems += [f"{path}: control: {message}" for message in check_control(process.control, models)]
        processes[process.id] = process
    problems += check_processes(processes.values())
    return processes


def _control(folder: Path, name: str) -> object:
    """A control file that a process names; it lies beside it."""
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise ValueError("must name a file in the same folder")
    return orjson.loads(path.read_bytes())


def _documents(folder: Path, problems: list[str], skip: str = "\0") -> list[tuple[Path, object]]:
    found: list[tuple[Path, object]] = []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(skip):
            continue
        try:
            found.append((path, orjson.loads(path.read_bytes())))
        except (OSError, ValueError) as error:
            problems.append(f"{path}: cannot be read as JSON: {error}")
    return found
