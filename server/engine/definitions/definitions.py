"""Reads models and import processes from the imports folder, at the start and at every reload."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import orjson

from server.engine.definitions.record_processors import processor_names
from server.engine.errors import ProcessNotFound, RequestInvalid
from server.mapping.language.control import ReaderCheck, all_mistakes, mistakes
from server.mapping.language.processes import Process, ProcessInvalid, check_processes, parse_process
from server.mapping.language.reading import ReadingWrong, chosen, read_as
from server.mapping.model.diagnostic import Diagnostic
from server.mapping.model.diagnostic import Path as Place
from server.mapping.model.model import Model, ModelInvalid, check_tables, parse_model
from server.mapping.program.compile import Program, compile_control
from server.readers.formats import FORMATS
from storage.records.base import Column, Table


class DefinitionsInvalid(Exception):
    """Files in the imports folder are wrong; `problems` has one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of the imports folder. `model_files` and `process_files` are by the name that each file defines."""

    models: Mapping[str, Model]
    processes: Mapping[str, Process]
    model_files: Mapping[str, Path]
    process_files: Mapping[str, Path]
    problems: Sequence[Diagnostic]


class Definitions:
    """The models and processes in force. `reload` replaces all of them, or none if any file is wrong."""

    def __init__(self, folder: Path, *, built_in: Collection[Model] = ()) -> None:
        self.folder = folder
        self._built_in = {model.name: model for model in built_in}
        self.models: Mapping[str, Model] = MappingProxyType(dict(self._built_in))
        self.processes: Mapping[str, Process] = MappingProxyType({})
        self.model_files: Mapping[str, Path] = {}
        self.process_files: Mapping[str, Path] = {}
        self.refused: int | None = None  # mistakes found by the last reading; None before the first
        self.mistakes: Sequence[str] = ()  # their texts
        self.changing = threading.RLock()

    def load(self) -> None:
        """Reads the folder for the first time; raises DefinitionsInvalid."""
        problems = self.reload()
        if problems:
            raise DefinitionsInvalid(problems)

    def reload(self) -> list[str]:
        with self.changing:
            reading = self.read()
            self.adopt(reading)
            return [*self.mistakes]

    def read(self, instead: Mapping[Path, object] | None = None) -> Reading:
        """Reads the folder, with the documents of `instead` in place of files. Puts nothing in force."""
        problems: list[Diagnostic] = []
        instead = instead or {}
        models = _read_models(self.folder / "models", problems, instead)
        all_models = self._built_in | {model.name: model for model, _ in models}
        problems += check_tables(all_models)
        processes = _read_processes(self.folder / "processes", all_models, problems, instead)
        return Reading(
            MappingProxyType(all_models),
            MappingProxyType({process.id: process for process, _ in processes}),
            {model.name: path for model, path in models},
            {process.id: path for process, path in processes},
            problems,
        )

    def adopt(self, reading: Reading) -> None:
        """Puts the reading in force, unless it has problems."""
        if not reading.problems:
            self.models, self.processes = reading.models, reading.processes
            self.model_files, self.process_files = reading.model_files, reading.process_files
        self.refused, self.mistakes = len(reading.problems), tuple(map(str, reading.problems))

    def is_built_in(self, model: str) -> bool:
        return model in self._built_in

    def process(self, id: str) -> Process:
        if id not in self.processes:
            raise ProcessNotFound(id)
        return self.processes[id]

    def validate_control(self, document: object) -> list[str]:
        """Returns the import language's messages about this control file, under the models in force."""
        return check_control(document, self.models)

    def tables(self) -> dict[str, Table]:
        """Returns every table that the models in force describe."""
        found: dict[str, Table] = {}
        for model in self.models.values():
            for table in tables_of(model, compile_control({"instructions": []}, model, self.models)):
                found[table.name] = merged(found[table.name], table) if table.name in found else table
        return found


def control_read_as(
    control: Mapping[str, object], texts: Mapping[str, str | None], models: Mapping[str, Model]
) -> bytes | None:
    """Returns the control file with other options to read its files; None where no option is chosen.

    Raises RequestInvalid where no reader has such an option, or a reader refuses its value.
    """
    options = chosen(texts)
    if not options:
        return None
    try:
        document = read_as(control, options, formats=FORMATS, model=models.get(str(control.get("model"))))
    except ReadingWrong as error:
        raise RequestInvalid(str(error)) from error
    entries = document.get("files")
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        problem = FORMATS[str(entry["read"])].reader.check(entry)
        if problem:
            raise RequestInvalid(problem)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def check_control(document: object, models: Mapping[str, Model]) -> list[str]:
    """Returns the vendor's messages about a control file, at most one from each check.

    The checks know all readers and record processors.
    """
    return [mistake.message for mistake in mistakes(document, models, readers=_reads(), processors=processor_names())]


def _reads() -> Mapping[str, ReaderCheck]:
    return {name: format.reader.check for name, format in FORMATS.items()}


def control_mistakes(document: object, models: Mapping[str, Model]) -> list[Diagnostic]:
    """Returns every mistake in a control file, with its place and a remedy, for its author.

    A message that a run logs before its first record is no mistake: the vendor accepts such a file. See `rehearse`.
    """
    return all_mistakes(document, models, readers=_reads(), processors=processor_names())


def check_process(path: Path, document: object, models: Mapping[str, Model]) -> Process:
    """Returns the process that a file defines, with its control file. Raises ProcessInvalid with every mistake."""
    problems: list[Diagnostic] = []
    process: Process | None = None
    try:
        process = parse_process(
            document, str(path), models, formats=FORMATS, load_control=lambda name: _control(path.parent, name)
        )
    except ProcessInvalid as error:
        problems += error.problems
    control = _control_of(path, document) if process is None else process.control
    known = () if process is not None else (("model",),)  # the parser has reported this one already
    if control is not None:
        problems += [
            Diagnostic(mistake.text, _place(document, mistake), source=str(path), place="control")
            for mistake in control_mistakes(control, models)
            if mistake.path not in known
        ]
    if process is None or problems:
        raise ProcessInvalid(problems)
    return process


def _control_of(path: Path, document: object) -> object:
    """Returns the control file that a process names or holds; None where there is none to check."""
    control = document.get("control") if isinstance(document, dict) else None
    try:
        return _control(path.parent, control) if isinstance(control, str) else control
    except (OSError, ValueError):
        return None


def tables_of(model: Model, program: Program) -> list[Table]:
    """Returns the tables of a model's destinations, with every column and link that the program may write."""
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
    """Joins two descriptions of one table. Their columns agree: the models were checked for that."""
    return Table(
        name=one.name,
        columns=tuple({c.name: c for c in (*other.columns, *one.columns)}.values()),
        keys=tuple(dict.fromkeys((*one.keys, *other.keys))),
        lookups=tuple(dict.fromkeys((*one.lookups, *other.lookups))),
        references=tuple(dict.fromkeys((*one.references, *other.references))),
    )


def _read_models(folder: Path, problems: list[Diagnostic], instead: Mapping[Path, object]) -> list[tuple[Model, Path]]:
    models: dict[str, tuple[Model, Path]] = {}
    for path, document in _documents(folder, problems, instead):
        try:
            model = parse_model(document, str(path))
        except ModelInvalid as error:
            problems += error.problems
            continue
        if model.name in models:
            text = f"another file already defines the model {model.name!r}; rename one of them"
            problems.append(Diagnostic(text, ("name",), source=str(path)))
        models[model.name] = model, path
    return list(models.values())


def _read_processes(
    folder: Path, models: Mapping[str, Model], problems: list[Diagnostic], instead: Mapping[Path, object]
) -> list[tuple[Process, Path]]:
    processes: dict[str, tuple[Process, Path]] = {}
    for path, document in _documents(folder, problems, instead, skip=".control.json"):
        try:
            process = check_process(path, document, models)
        except ProcessInvalid as error:
            problems += error.problems
            continue
        if process.id in processes:
            text = f"another file already defines the process {process.id!r}; rename one of them"
            problems.append(Diagnostic(text, ("id",), source=str(path)))
        processes[process.id] = process, path
    problems += check_processes(process for process, _ in processes.values())
    return list(processes.values())


def _place(process: object, mistake: Diagnostic) -> Place:
    """Returns the place of a mistake in the process's file: inside its control file, or at the key that made it."""
    control = process.get("control") if isinstance(process, dict) else None
    if isinstance(control, dict):
        return ("control", *(mistake.path or ()))
    if control is not None:
        return ("control",)
    return ({"files": "read", "model": "model"}.get(str(mistake.path[0]) if mistake.path else "", "columns"),)


def _control(folder: Path, name: str) -> object:
    """Reads a control file that a process names; it must be in the same folder."""
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise ValueError("must name a file in the same folder")
    return orjson.loads(path.read_bytes())


def _documents(
    folder: Path, problems: list[Diagnostic], instead: Mapping[Path, object], skip: str = "\0"
) -> list[tuple[Path, object]]:
    found: list[tuple[Path, object]] = []
    there = {path for path in folder.glob("*.json") if not path.name.endswith(skip)}
    for path in sorted(there | {path for path in instead if path.parent == folder}):
        try:
            found.append((path, instead[path] if path in instead else orjson.loads(path.read_bytes())))
        except (OSError, ValueError) as error:
            problems.append(Diagnostic(f"cannot be read as JSON: {error}", None, source=str(path)))
    return found
