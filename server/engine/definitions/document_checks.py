"""Checks the files that people write, for the command line: all faults at once, each with file, line and place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import orjson

from server.engine.definitions.definitions import Definitions, check_process, control_mistakes
from server.mapping.language.processes import Process
from server.mapping.model.diagnostic import Diagnostic, DocumentInvalid
from server.mapping.model.model import Model, check_tables, parse_model
from server.mapping.model.positions import Positions, positions
from server.mapping.program.rehearsal import rehearse

RUNS = "when it runs: "  # APIs accept the document, but its import would log this before the first record


class Checked(NamedTuple):
    """`good` has a line for each usable file, `problems` lines such as `FILE:3: destinations[0].name: …`."""

    good: Sequence[str] = ()
    problems: Sequence[str] = ()


def check_control_file(path: Path, models: Mapping[str, Model]) -> Checked:
    """Checks one control file, and what its instructions would log before the first record."""
    document = _read(path)
    if isinstance(document, Checked):
        return document
    found = control_mistakes(document, models)
    if not found and isinstance(document, dict):
        found = rehearse(document, models[document["model"]], models)
    return Checked((f"{path}: good",), _lines([replace(each, source=str(path)) for each in found]))


def check_model_files(paths: Iterable[Path]) -> Checked:
    """Checks model files, each alone and all together."""
    models: dict[str, Model] = {}

    def check(path: Path, document: object) -> tuple[str, list[Diagnostic]]:
        model = parse_model(document, str(path))
        models[model.name] = model
        return f"{path}: {model.name}, {len(model.destinations)} destinations", []

    checked = _check_each(paths, check)
    return Checked(checked.good, [*checked.problems, *_lines(check_tables(models))])


def check_process_files(paths: Iterable[Path], models: Mapping[str, Model]) -> Checked:
    """Checks process files against these models."""

    def check(path: Path, document: object) -> tuple[str, list[Diagnostic]]:
        process = check_process(path, document, models)
        return _named(path, process), _doubts(path, process, models)

    return _check_each(paths, check)


def check_folder(definitions: Definitions) -> Checked:
    """Checks the models and processes of the imports folder together, as a server would read them."""
    reading = definitions.read()
    files = reading.process_files
    good = [_named(files[process.id], process) for process in reading.processes.values()]
    doubts = [
        doubt for process in reading.processes.values() for doubt in _doubts(files[process.id], process, reading.models)
    ]
    return Checked(good, _lines([*reading.problems, *doubts]))


def _check_each(paths: Iterable[Path], check: Callable[[Path, object], tuple[str, list[Diagnostic]]]) -> Checked:
    """Reads and checks each file. `check` returns the line for a usable file, and what is doubtful in it."""
    good: list[str] = []
    problems: list[str] = []
    for path in paths:
        document = _read(path)
        if isinstance(document, Checked):
            problems += document.problems
            continue
        try:
            defined, doubts = check(path, document)
        except DocumentInvalid as error:
            problems += _lines(error.problems)
        else:
            good.append(defined)
            problems += _lines(doubts)
    return Checked(good, problems)


def _named(path: Path, process: Process) -> str:
    return f"{path}: {process.id}, model {process.model}"


def _doubts(path: Path, process: Process, models: Mapping[str, Model]) -> list[Diagnostic]:
    """Returns what a run of the process would log. Its place is left out: the control file may be another file."""
    found = rehearse(process.control, models[process.model], models)
    return [replace(each, path=None, source=str(path)) for each in found]


def _read(path: Path) -> object | Checked:
    """Returns the document of a file, or why it cannot be read."""
    try:
        document: object = orjson.loads(path.read_bytes())
        return document
    except OSError as error:
        return Checked(problems=[f"{path}: cannot be read: {error.strerror}"])
    except orjson.JSONDecodeError as error:
        return Checked(
            problems=[f"{path}:{error.lineno}: cannot be read as JSON: {error.msg}, in column {error.colno}"]
        )


def _lines(found: Sequence[Diagnostic]) -> list[str]:
    """Returns a line for each diagnostic, with the line number of its place if it has one."""
    placed = {each.source for each in found if each.source and each.path is not None}
    at = {source: positions(Path(source).read_text("utf-8")) for source in placed}
    return [_line(each, at.get(each.source)) for each in found]


def _line(found: Diagnostic, at: Positions | None) -> str:
    if not found.source:
        return found.sentence
    line = "" if at is None or found.path is None else f":{at.line(found.path)}"
    return f"{found.source}{line}: {RUNS if found.severity == 'warning' else ''}{found.sentence}"
