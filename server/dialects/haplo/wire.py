"""Reads parameters of the Haplo APIs and renders replies (documentation: Batch import API, Standard API). Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple
from xml.etree import ElementTree

from pydantic import Field
from typing_extensions import TypedDict

from server.engine.batches.log_text import log_text
from server.engine.documents import LogLine
from server.engine.errors import RequestInvalid
from server.engine.vendors.haplo.pushes import Change, PushResult
from server.web.auth import basic_credentials, header_key

FAILED_VALIDATION = "Bad request (failed validation)"
UNNAMED_CONTROL = "Unnamed control file"
UNNAMED_BATCH = "Unnamed batch"
SCHEDULED = "SCHEDULED"
PUSH_STATUS = {"success": 200, "failure": 400, "error": 400, "not authorised": 403}

USER = "haplo"
KEY_FIELD = "_ak"
LONGEST_NAME = 1024  # characters

Mode = Literal["import", "dry-run"]
Parameters = Mapping[str, str]

_MODES: dict[str, Mode] = {"": "import", "import": "import", "dry-run": "dry-run"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class ParameterWrong(RequestInvalid):
    """A wrong parameter. The client gets the vendor's text; our own log names the parameter."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"{FAILED_VALIDATION}: the parameter {name} {fault}")


class BatchRequest(NamedTuple):
    source: str  # a control file's digest, or a kind
    comment: str


class FileRequest(NamedTuple):
    batch: str
    name: str


class ScheduleRequest(NamedTuple):
    batch: str
    mode: Mode


def key_in_headers(headers: Mapping[str, str]) -> str | None:
    """Returns the key from HTTP Basic with the user `haplo`, or from the older header `X-ONEIS-Key`."""
    basic = basic_credentials(headers)
    if basic is not None and basic.user == USER:
        return basic.password or None
    return header_key(headers, "X-ONEIS-Key")


def merged(query: Iterable[tuple[str, str]], body: Parameters) -> Parameters:
    """Returns the parameters of query string and body. The body takes precedence, and of repeats the last."""
    return {**dict(query), **body}


def control_comment(parameters: Parameters) -> str:
    return _text(parameters, "comment") or UNNAMED_CONTROL


def batch_request(parameters: Parameters, source: str) -> BatchRequest:
    return BatchRequest(_required(parameters, source), _text(parameters, "comment") or UNNAMED_BATCH)


def file_request(parameters: Parameters) -> FileRequest:
    name = _required(parameters, "name")
    if len(name) > LONGEST_NAME:
        raise ParameterWrong("name", f"has {len(name)} characters; at most {LONGEST_NAME} may be")
    return FileRequest(_required(parameters, "batch"), name)


def schedule_request(parameters: Parameters) -> ScheduleRequest:
    batch, mode = _required(parameters, "batch"), _text(parameters, "mode")
    if mode not in _MODES:
        raise RequestInvalid(f"Unknown mode: {mode}")
    return ScheduleRequest(batch, _MODES[mode])


def _required(parameters: Parameters, name: str) -> str:
    """Returns a parameter that must be there; it may be empty."""
    if name not in parameters:
        raise ParameterWrong(name, "is missing")
    return _text(parameters, name)


def _text(parameters: Parameters, name: str) -> str:
    value = parameters.get(name, "")
    if _UNSTORABLE.search(value):
        raise ParameterWrong(name, "holds a character that cannot be stored")
    return value


class HaploError(TypedDict):
    message: str


class HaploRefusal(TypedDict):
    """A refusal by the platform's own checks, which come before those of any API."""

    success: Literal[False]
    kind: str
    error: HaploError


class HaploChange(TypedDict):
    """A row that a record changed, and whether the row is new."""

    kind: str
    destination: str
    ref: str
    new: bool


class HaploAction(TypedDict):
    changed: list[HaploChange]
    record: str


class HaploPushReply(TypedDict):
    """What became of the records of a push."""

    result: Annotated[str, Field(json_schema_extra={"enum": list(PUSH_STATUS)})]
    applied: Annotated[int, Field(ge=0)]
    failures: Annotated[int, Field(ge=0)]
    errorCount: Annotated[int, Field(ge=0)]
    errors: list[str]
    actions: list[HaploAction]


def refusal(kind: str, message: str) -> str:
    document: HaploRefusal = {"success": False, "kind": kind, "error": {"message": message}}
    return json.dumps(document, separators=(",", ":"))


def control_problems(messages: Sequence[str]) -> str:
    return "Invalid control file:\n  " + "\n  ".join(messages)


Actions = Sequence[tuple[int, Sequence[Change]]]


class PushReply(NamedTuple):
    """The answer to a push."""

    result: str
    applied: int = 0
    failures: int = 0
    error_count: int = 0
    errors: Sequence[str] = ()
    actions: Actions = ()


def push_reply(result: PushResult) -> PushReply:
    """Returns the answer to a push that was imported, or whose import ended early."""
    errors = [_push_error(line) for line in result.errors]
    return PushReply(result.result, result.applied, result.failures, result.error_count, errors, result.actions)


def _push_error(line: LogLine) -> str:
    return f"Exception when processing: {line.message}" if line.kind == "exception" else log_text(line)


def push_error(message: str) -> PushReply:
    """Returns the answer to a push that never reached a record."""
    return PushReply("error", error_count=1, errors=(message,))


NOT_AUTHORISED = PushReply("not authorised", error_count=1)


def push_json(reply: PushReply) -> str:
    document: HaploPushReply = {
        "result": reply.result,
        "applied": reply.applied,
        "failures": reply.failures,
        "errorCount": reply.error_count,
        "errors": list(reply.errors),
        "actions": [
            {"changed": [_changed(change) for change in changes], "record": f"record {record}"}
            for record, changes in reply.actions
        ],
    }
    return json.dumps(document, indent=4, ensure_ascii=False)


def push_xml(reply: PushReply) -> str:
    root = _element(
        None,
        "response",
        result=reply.result,
        applied=reply.applied,
        failures=reply.failures,
        errorCount=reply.error_count,
    )
    errors = _element(root, "errors")
    for message in reply.errors:
        _element(errors, "error").text = _xml_text(message)
    actions = _element(root, "actions")
    for record, changes in reply.actions:
        changed = _element(actions, "record", identifier=f"record {record}")
        for change in changes:
            _element(changed, "changed", **_changed(change))
    return ElementTree.tostring(root, encoding="unicode")


def _changed(change: Change) -> HaploChange:
    """Returns a change with its reference as text."""
    return {"kind": change.kind, "destination": change.destination, "ref": str(change.ref), "new": change.new}


def _element(parent: ElementTree.Element | None, tag: str, **attributes: object) -> ElementTree.Element:
    texts = {name: _xml_text(value) for name, value in attributes.items()}
    return ElementTree.Element(tag, texts) if parent is None else ElementTree.SubElement(parent, tag, texts)


def _xml_text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NOT_XML.sub("", text)
