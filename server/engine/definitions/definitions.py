"""Models and import processes as the operator wrote them: read from the imports folder, and again when told to."""

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
    """What the files of the imports folder say; the files are by the name of what they define."""

    models: Mapping[str, Model]
    processes: Mapping[str, Process]
    model_files: Mapping[str, Path]
    process_files: Mapping[str, Path]
    problems: Sequence[Diagnostic]


class Definitions:
    """The set in force. `reload` replaces all of it, or nothing where any file is wrong."""

    def __init__(self, folder: Path, *, built_in: Collection[Model] = ()) -> None:
        self.folder = folder
        self._built_in = {model.name: model for model in built_in}
        self.models: Mapping[str, Model] = MappingProxyType(dict(self._built_in))
        self.processes: Mapping[str, Process] = MappingProxyType({})
        self.model_files: Mapping[str, Path] = {}
        self.process_files: Mapping[str, Path] = {}
        self.refused: int | None = None  # mistakes found by the last reading; None before the first
        self.mistakes: Sequence[str] = ()  # and what they were
        self.changing = threading.RLock()

    def load(self) -> None:
        """The first reading; raises DefinitionsInvalid."""
        problems = self.reload()
        if problems:
            raise DefinitionsInvalid(problems)

    def reload(self) -> list[str]:
        with self.changing:
            reading = self.read()
            self.adopt(reading)
            return [*self.mistakes]

    def read(self, instead: Mapping[Path, object] | None = None) -> Reading:
        """The folder as it is, with these documents in the place of files; nothing is put in force."""
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
        """Puts it in force, unless it has problems."""
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
        """The messages of the import language for this control file, under the models in force."""
        return check_control(document, self.models)

    def tables(self) -> dict[str, Table]:
        """Every table that the models in force describe."""
        found: dict[str, Table] = {}
        for model in self.models.values():
            for table in tables_of(model, compile_control({"instructions": []}, model, self.models)):
                found[table.name] = merged(found[table.name], table) if table.name in found else table
        return found


def control_read_as(
    control: Mapping[str, object], texts: Mapping[str, str | None], models: Mapping[str, Model]
) -> bytes | None:
    """The control file of one import that reads its files otherwise; None where nothing is chosen.

    Raises RequestInvalid where nothing takes an option, or its reader refuses it.
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
    """What the import language says of a control file, with the readers and record processors there are: the vendor's
    messages, one at most from each of its checks."""
    return [mistake.message for mistake in mistakes(document, models, readers=_reads(), processors=processor_names())]


def _reads() -> Mapping[str, ReaderCheck]:
    return {name: format.reader.check for name, format in FORMATS.items()}


def control_mistakes(document: object, models: Mapping[str, Model]) -> list[Diagnostic]:
    """Everything that is wrong with it, with places and ways out, for the person who writes it.

    What a run would log before its first record is not wrong: the vendor accepts such a file. See `rehearse`.
    """
    return all_mistakes(document, models, readers=_reads(), processors=processor_names())


def check_process(path: Path, document: object, models: Mapping[str, Model]) -> Process:
    """The process that a file defines, its control file included; raises ProcessInvalid with all that is wrong."""
    problems: list[Diagnostic] = []
    process: Process | None = None
    try:
        process = parse_process(
            document, str(path), models, formats=FORMATS, load_control=lambda name: _control(path.parent, name)
        )
    except ProcessInvalid as error:
        problems += error.problems
    control = _control_of(path, document) if process is None else process.control
    known = () if process is not None else (("model",),)  # the parser has said it in its own words
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
    """The control file that a process names or holds; None where there is none to check."""
    control = document.get("control") if isinstance(document, dict) else None
    try:
        return _control(path.parent, control) if isinstance(control, str) else control
    except (OSError, ValueError):
        return None


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
    """Where the file of the process has it: in its control file, at its name, or at what it is made of."""
    control = process.get("control") if isinstance(process, dict) else None
    if isinstance(control, dict):
        return ("control", *(mistake.path or ()))
    if control is not None:
        return ("control",)
    return ({"files": "read", "model": "model"}.get(str(mistake.path[0]) if mistake.path else "", "columns"),)


def _control(folder: Path, name: str) -> object:
    """A control file that a process names; it lies beside it."""
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
