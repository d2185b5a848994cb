"""Checks control files, models and processes while people write them, and saves them in the imports folder.

A file that is replaced is kept in `replaced/` of the imports folder, under its name and the time.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from server.engine.clock import Clock
from server.engine.definitions.definitions import Definitions, Reading, control_mistakes
from server.engine.errors import ModelNotFound, NotSaved
from server.engine.json_shape import MOST_WRITTEN, has_more_values
from server.mapping.language.processes import Process
from server.mapping.model.diagnostic import Diagnostic
from server.mapping.model.model import Model
from server.mapping.model.positions import Positions, positions
from server.mapping.program.rehearsal import rehearse

Kind = Literal["models", "processes"]

_NAMES: Mapping[Kind, str] = {"models": "name", "processes": "id"}
_NOUNS: Mapping[Kind, str] = {"models": "model", "processes": "process"}
_MOST_PLACED = 1 << 20  # bytes of a control file: a larger one is not rehearsed, and its faults have no lines
_LONGEST = 100  # of a file name, before its ending


class Remark(NamedTuple):
    """A message and its line; None if it is about no line of this document."""

    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """The review of a document. With `faults` it cannot be used; `doubts` are what a run would log.

    `name` is the name that the document defines, `path` its file or the file it would get, `replaces` the version of
    that file now.
    """

    faults: Sequence[Remark] = ()
    doubts: Sequence[Remark] = ()
    name: str = ""
    replaces: str | None = None
    path: Path | None = None
    saved: bool = False


class Source(NamedTuple):
    """The text of a definition's file, and its version."""

    text: str
    version: str


class Authoring:
    """Reviews and saves documents."""

    def __init__(self, definitions: Definitions, clock: Clock) -> None:
        self._definitions = definitions
        self._clock = clock

    async def review_control(self, content: bytes) -> Review:
        """Reviews a control file."""
        return await asyncio.to_thread(self._review_control, content)

    async def review(self, kind: Kind, content: bytes) -> Review:
        """Reviews a model or process as if it were saved in the imports folder."""
        return await asyncio.to_thread(lambda: self._review(kind, content)[0])

    async def save(self, kind: Kind, content: bytes, *, replaces: str | None, anyway: bool = False) -> Review:
        """Saves the document and puts it in force.

        Saves nothing if it has faults, if `replaces` is not the version that is there now, or if it leaves doubts and
        `anyway` is false. Raises NotSaved if the folder cannot be written.
        """
        return await asyncio.to_thread(self._save, kind, content, replaces, anyway)

    async def source(self, kind: Kind, name: str) -> Source | None:
        """Returns the text of a definition; None if it is built in or its file is missing."""
        return await asyncio.to_thread(self._source, kind, name)

    def model(self, name: str) -> Model:
        if name not in self._definitions.models:
            raise ModelNotFound(name)
        return self._definitions.models[name]

    def process(self, id: str) -> Process:
        return self._definitions.process(id)

    def _review_control(self, content: bytes) -> Review:
        document = _parsed(content)
        if isinstance(document, Review):
            return document
        found = control_mistakes(document, self._definitions.models)
        if len(content) > _MOST_PLACED:
            return Review([Remark(each.text) for each in found])
        at = positions(content.decode())
        doubts = [] if found else _rehearsed(document, self._definitions.models)
        return Review(_remarks(found, at), _remarks(doubts, at))

    def _review(self, kind: Kind, content: bytes) -> tuple[Review, Reading | None]:
        document = _parsed(content)
        if isinstance(document, Review):
            return document, None
        at = positions(content.decode())
        name = document.get(_NAMES[kind]) if isinstance(document, dict) else None
        if not isinstance(name, str) or not name:
            fault = Remark(f"{_NAMES[kind]} is missing, should be a text", at.line(()))
            return Review([fault]), None
        if not _can_be_an_address(name):
            fault = Remark(
                f"{name[:80]!r} has no address; use 1 to 200 printable letters, no '.' or '..' between slashes"
            )
            return Review([fault._replace(line=at.line((_NAMES[kind],)))]), None
        if kind == "models" and self._definitions.is_built_in(name):
            fault = Remark(f"the model {name} is built in; give yours another name", at.line(("name",)))
            return Review([fault]), None
        known = self._definitions.read()
        path = _path(
            self._definitions.folder / kind, name, known.model_files if kind == "models" else known.process_files
        )
        reading = self._definitions.read({path: document})
        faults = [_placed(problem, path, f"{_NOUNS[kind]} {name}", at) for problem in reading.problems]
        doubts = [] if faults else _new_doubts(known, reading)
        version = _version(path.read_bytes()) if path.exists() else None
        return Review(faults, doubts, name, version, path), reading

    def _save(self, kind: Kind, content: bytes, replaces: str | None, anyway: bool) -> Review:
        with self._definitions.changing:
            review, reading = self._review(kind, content)
            if reading is None or review.path is None or review.faults or review.replaces != replaces:
                return review
            if review.doubts and not anyway:
                return review
            try:
                self._keep_replaced(kind, review.path)
                _write(review.path, content)
            except OSError as error:
                raise NotSaved(
                    f"{review.path} cannot be written ({error.strerror}); let the server write to the imports folder, "
                    "or put the file there yourself and have it read again on the page System"
                ) from error
            self._definitions.adopt(reading)
            return replace(review, saved=True)

    def _keep_replaced(self, kind: Kind, path: Path) -> None:
        if path.exists():
            folder = self._definitions.folder / "replaced" / kind
            _write(folder / f"{path.stem}-{self._clock():%Y%m%dT%H%M%S%f}.json", path.read_bytes())

    def _source(self, kind: Kind, name: str) -> Source | None:
        files = self._definitions.model_files if kind == "models" else self._definitions.process_files
        try:
            content = files[name].read_bytes()
        except (KeyError, OSError):
            return None
        return Source(content.decode("utf-8", "replace"), _version(content))


def _can_be_an_address(name: str) -> bool:
    """Whether a browser can open the definition's page, `/admin/models/NAME`."""
    steps = name.split("/")
    dots = {"", ".", ".."} & set(steps) or steps[0] == "-"
    return len(name) <= 200 and name.isprintable() and name == name.strip() and not dots


def _parsed(content: bytes) -> object | Review:
    if has_more_values(content, MOST_WRITTEN):
        return Review([Remark(f"It has more than {MOST_WRITTEN:,} values")])
    try:
        document: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return Review([Remark(f"Not JSON: {error.msg}, in column {error.colno}", error.lineno)])
    return document


def _rehearsed(document: object, models: Mapping[str, Model]) -> list[Diagnostic]:
    if not isinstance(document, dict):
        return []
    return rehearse(document, models[document["model"]], models)


def _remarks(found: Iterable[Diagnostic], at: Positions) -> list[Remark]:
    return [Remark(each.text, at.line(each.path or ())) for each in found]


def _placed(problem: Diagnostic, path: Path, about: str, at: Positions) -> Remark:
    """Gives a problem of this document its line; a problem of another file keeps the name of that file."""
    if problem.source == str(path) or problem.about == about:
        return Remark(problem.sentence, at.line(problem.path or ()))
    return Remark(str(replace(problem, source=problem.source.removeprefix(f"{path.parent.parent}/"))))


def _new_doubts(before: Reading, after: Reading) -> list[Remark]:
    """Returns what runs would log from now on and did not before, such as that a process uses a Name that is gone."""
    old = {(process.id, said.message) for process, said in _doubts(before)} if not before.problems else set()
    return [
        Remark(f"process {process.id}: {said.message}")
        for process, said in _doubts(after)
        if (process.id, said.message) not in old
    ]


def _doubts(reading: Reading) -> Iterable[tuple[Process, Diagnostic]]:
    for process in reading.processes.values():
        for mistake in rehearse(process.control, reading.models[process.model], reading.models):
            yield process, mistake


def _path(folder: Path, name: str, files: Mapping[str, Path]) -> Path:
    """Returns the definition's file, or a new file named after it."""
    if name in files:
        return files[name]
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:_LONGEST] or "unnamed"
    stem = stem.removesuffix(".control")
    taken = {path.name.lower() for path in folder.glob("*")}
    number, free = 1, stem
    while f"{free}.json".lower() in taken:
        number += 1
        free = f"{stem}-{number}"
    return folder / f"{free}.json"


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Writes a file durably: it has the whole content, or is unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
