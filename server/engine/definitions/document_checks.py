"""Files that people write, checked where they lie: every mistake at once, each with file, line and place."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from server.engine.definitions.definitions import Definitions, check_process, control_mistakes
from server.mapping.language.control import Mistake
from server.mapping.language.processes import Process, ProcessInvalid
from server.mapping.model.document import Fault
from server.mapping.model.model import Model, ModelInvalid, check_tables, parse_model
from server.mapping.model.positions import as_where, positions
from server.mapping.program.rehearsal import rehearse

RUNS = "when it runs: "  # the API accepts the document, but its import would log this before the first record


class Checked(NamedTuple):
    """`good` says of each file what it defines; `problems` are lines such as FILE:3: destinations[0].name: …"""

    good: Sequence[str] = ()
    problems: Sequence[str] = ()


def check_control_file(path: Path, models: Mapping[str, Model]) -> Checked:
    document = _read(path)
    if isinstance(document, Checked):
        return document
    found = control_mistakes(document, models)
    problems = _told(path, found)
    if not found and isinstance(document, dict):
        problems = _told(path, rehearse(document, models[document["model"]], models), RUNS)
    return Checked((f"{path}: good",), problems)


def check_model_files(paths: Iterable[Path]) -> Checked:
    models: dict[str, Model] = {}
    good: list[str] = []
    problems: list[str] = []
    for path in paths:
        document = _read(path)
        if isinstance(document, Checked):
            problems += document.problems
            continue
        try:
            model = parse_model(document, str(path))
        except ModelInvalid as error:
            problems += _placed(error.problems, [path])
        else:
            models[model.name] = model
            good.append(f"{path}: {model.name}, {len(model.destinations)} destinations")
    return Checked(good, [*problems, *check_tables(models)])


def check_process_files(paths: Iterable[Path], models: Mapping[str, Model]) -> Checked:
    good: list[str] = []
    problems: list[str] = []
    for path in paths:
        document = _read(path)
        if isinstance(document, Checked):
            problems += document.problems
            continue
        try:
            process = check_process(path, document, models)
        except ProcessInvalid as error:
            problems += _placed(error.problems, [path])
        else:
            good.append(_named(path, process))
            problems += _doubts(path, process, models)
    return Checked(good, problems)


def check_folder(definitions: Definitions) -> Checked:
    """The models and processes of the imports folder together, as the server would read them."""
    reading = definitions.read()
    files = reading.process_files
    good = [_named(files[process.id], process) for process in reading.processes.values()]
    doubts = [
        line for process in reading.processes.values() for line in _doubts(files[process.id], process, reading.models)
    ]
    return Checked(good, [*_placed(reading.problems, _files(definitions)), *doubts])


def _files(definitions: Definitions) -> list[Path]:
    return [path for kind in ("models", "processes") for path in (definitions.folder / kind).glob("*.json")]


def _named(path: Path, process: Process) -> str:
    return f"{path}: {process.id}, model {process.model}"


def _doubts(path: Path, process: Process, models: Mapping[str, Model]) -> list[str]:
    return [f"{path}: {RUNS}{mistake.words}" for mistake in rehearse(process.control, models[process.model], models)]


def _read(path: Path) -> object | Checked:
    """The document, or what is wrong with the file."""
    try:
        document: object = orjson.loads(path.read_bytes())
        return document
    except OSError as error:
        return Checked(problems=[f"{path}: cannot be read: {error.strerror}"])
    except orjson.JSONDecodeError as error:
        return Checked(
            problems=[f"{path}:{error.lineno}: cannot be read as JSON: {error.msg}, in column {error.colno}"]
        )


def _told(path: Path, found: Sequence[Mistake], before: str = "") -> list[str]:
    at = positions(path.read_text("utf-8")) if found else None
    return [
        f"{path}:{at.line(mistake.path) if at else 1}: {before}{_where(as_where(mistake.path))}{mistake.words}"
        for mistake in found
    ]


def _where(place: str) -> str:
    return f"{place}: " if place else ""


def _placed(problems: Iterable[str], paths: Sequence[Path]) -> list[str]:
    """What is said of one of the files gets its line."""
    return [_with_line(problem, paths) for problem in problems]


def _with_line(problem: str, paths: Sequence[Path]) -> str:
    path = next((path for path in paths if problem.startswith(f"{path}: ")), None)
    if path is None or not isinstance(problem, Fault):
        return problem
    line = positions(path.read_text("utf-8")).line_of(problem.where)
    return f"{path}:{line}: {problem.removeprefix(f'{path}: ')}"
