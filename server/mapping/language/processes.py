"""Import processes: control files with a name, an id and, for pushes, an address.

The long form names or holds a control file. The short form names one destination, and its control file is written here.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import orjson

from server.mapping.language.reading import InputFormats
from server.mapping.language.shorthand import SHORT_KEYS, short_control
from server.mapping.model.diagnostic import Diagnostic, DocumentInvalid
from server.mapping.model.document import Fields, Problems, choices, quoted
from server.mapping.model.model import Model

_COMMON_KEYS = ("id", "label", "description", "push")
_PUSH_URL = re.compile(r"[a-z0-9-]+").fullmatch


@dataclass(frozen=True, slots=True)
class Push:
    """The push-data API of a process: a request has one file, which is imported before the response."""

    url: str
    enabled: bool = True
    response: Literal["JSON", "XML"] = "JSON"


@dataclass(frozen=True)
class Process:
    id: str
    label: str
    description: str
    model: str
    control: Mapping[str, object]
    push: Push | None = None

    @property
    def files(self) -> Mapping[str, object]:
        """Returns the control file's entries for files, by name."""
        files = self.control.get("files")
        return files if isinstance(files, Mapping) else {}

    @cached_property
    def content(self) -> bytes:
        """Returns the control file as bytes, which are the same for any layout of the same document."""
        return orjson.dumps(self.control, option=orjson.OPT_SORT_KEYS)

    @cached_property
    def control_digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class ProcessInvalid(DocumentInvalid):
    """A process file that cannot be used."""


LoadControl = Callable[[str], object]
"""Reads a control file beside the process file. Raises OSError or ValueError with the reason."""


def parse_process(
    document: object, source: str, models: Mapping[str, Model], *, formats: InputFormats, load_control: LoadControl
) -> Process:
    """Reads a process. Raises ProcessInvalid with all problems at once; it does not validate the control file."""
    problems = Problems(source)
    long = isinstance(document, dict) and "control" in document
    fields = Fields(document, (), problems, (*_COMMON_KEYS, *(("control",) if long else SHORT_KEYS)))
    id_ = fields.text("id", required=True) or ""
    control = _control(fields, load_control) if long else short_control(fields, models, formats)
    process = Process(
        id=id_,
        label=fields.text("label") or id_,
        description=fields.text("description") or "",
        model=_model(fields, control, models),
        control=control,
        push=_push(fields),
    )
    if problems.found:
        raise ProcessInvalid(problems.found)
    return process


def _control(fields: Fields, load_control: LoadControl) -> Mapping[str, object]:
    control = fields.values["control"]
    if isinstance(control, str):
        try:
            control = load_control(control)
        except (OSError, ValueError) as error:
            fields.problems.add(fields.at("control"), f"{quoted(control)} cannot be read as JSON: {error}")
            return {}
    if isinstance(control, dict):
        return control
    fields.problems.wrong(fields.at("control"), control, "a control file (an object) or the name of one")
    return {}


def _model(fields: Fields, control: Mapping[str, object], models: Mapping[str, Model]) -> str:
    model = control.get("model")
    if control and (not isinstance(model, str) or model not in models):
        path = ("control", "model") if "control" in fields.values else ("model",)
        fields.problems.wrong(path, model, choices(models))
    return model if isinstance(model, str) else ""


def _push(fields: Fields) -> Push | None:
    if "push" not in fields.values:
        return None
    inner = Fields(fields.values["push"], fields.at("push"), fields.problems, ("url", "enabled", "response"))
    right = "small letters, digits and -"
    url = inner.text("url", right, required=True)
    if url and not _PUSH_URL(url):
        inner.wrong("url", right)
    response = cast(Literal["JSON", "XML"], inner.choice("response", ("JSON", "XML"), "JSON"))
    return Push(url or "", inner.flag("enabled", True), response)


def check_processes(processes: Iterable[Process]) -> list[Diagnostic]:
    """Reports processes that share a push address."""
    owners: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for process in processes:
        url = process.push.url if process.push else ""
        if url and owners.setdefault(url, process.id) != process.id:
            about = f"process {process.id}"
            message = f"{quoted(url)} is already in use by process {owners[url]}, should be another"
            problems.append(Diagnostic(message, ("push", "url"), place=f"{about}: push.url", about=about))
    return problems
