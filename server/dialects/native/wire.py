"""The parameters and documents of the native API. Pure."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import urlencode

import orjson
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from server.dialects.native.errors import ParameterRepeated, ParameterUnknown, ParameterWrong
from server.engine.batches.job_events import JobEvent
from server.engine.batches.log_text import log_text
from server.engine.documents import (
    Count,
    Digest,
    Job,
    JobFields,
    Level,
    LogLine,
    Moment,
    Outcome,
    OutcomeStatus,
    job_document,
)
from server.engine.records.pages import StoredRow, TableShape
from server.mapping.language.processes import Process
from server.mapping.model.model import Destination, Model, Name

Word = TypeVar("Word", bound=str)

USUAL_LIMIT = 50
MOST = 500  # of a page
LONGEST_TEXT = 1024  # characters
LAST_NUMBER = 2**53

_DIGITS = re.compile("[0-9]{1,16}", re.ASCII).fullmatch
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]").search


class Query:
    """The query string of a request. Each of the `known` parameters may occur once."""

    def __init__(self, sent: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        self._given: dict[str, str] = {}
        for name, value in sent:
            if name not in known:
                raise ParameterUnknown(name, known)
            if name in self._given:
                raise ParameterRepeated(name)
            self._given[name] = value

    def text(self, name: str) -> str | None:
        """Returns the value, or None if it is empty or missing."""
        value = self._given.get(name, "")
        if len(value) > LONGEST_TEXT or _UNPRINTABLE(value):
            raise ParameterWrong(name, value, f"at most {LONGEST_TEXT:,} printable characters")
        return value or None

    def choice(self, name: str, words: Sequence[Word]) -> Word | None:
        return next(iter(self.choices(name, words)), None)

    def choices(self, name: str, words: Sequence[Word]) -> Sequence[Word]:
        """Returns the one word that the parameter has, or none."""
        value = self._given.get(name, "")
        if value and value not in words:
            raise ParameterWrong(name, value, f"one of {', '.join(words)}")
        return [word for word in words if word == value]

    def flag(self, name: str) -> bool:
        return self.choices(name, ("true", "false")) == ["true"]

    def whole(self, name: str, usual: int, *, least: int = 0, most: int = LAST_NUMBER) -> int:
        value = self._given.get(name, "")
        return whole(name, value, least=least, most=most) if value else usual

    def limit(self) -> int:
        return self.whole("limit", USUAL_LIMIT, least=1, most=MOST)

    def moment(self, name: str) -> datetime | None:
        value = self._given.get(name, "")
        return moment(name, value) if value else None

    def link(self, path: str, **changed: object) -> str:
        """Returns the address of another page of the same list."""
        return f"{path}?{urlencode(self._given | {name: str(value) for name, value in changed.items()})}"


def whole(name: str, value: str, *, least: int = 0, most: int = LAST_NUMBER) -> int:
    if not _DIGITS(value) or not least <= int(value) <= most:
        raise ParameterWrong(name, value, f"a whole number from {least} to {most}")
    return int(value)


def moment(name: str, value: str) -> datetime:
    """Returns the time in UTC; a text without a zone is UTC."""
    try:
        found = datetime.fromisoformat(value.replace(" ", "+"))  # a plus that was not escaped
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParameterWrong(name, value, "a date such as 2026-03-01 or a time such as 2026-03-01T09:30:00Z") from None


def to_json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def page(name: str, items: Sequence[object], next_page: str | None) -> dict[str, object]:
    return {name: items, "next": next_page}


class JobDocument(JobFields):
    """A job, and how far it has come: `fraction` is the share of its input that it has read."""

    api: str
    batch: str | None
    due: Moment
    fraction: Annotated[float, Field(ge=0, le=1)] | None


class EventDocument(JobDocument):
    """A job as it is now; `rate` is the number of records that it reads in a second."""

    rate: Annotated[float, Field(ge=0)] | None


class LogLineDocument(TypedDict):
    position: Count
    level: Level
    message: str
    created: Moment


class WarningDocument(TypedDict):
    """A value that was lost or changed: where it was in the input, and where it would have gone."""

    what: str
    source: str
    value: str
    destination: str
    name: str


class OutcomeDocument(TypedDict):
    """The outcome of a record. `original` is the record as it was sent, if it is text, or else `original_base64`."""

    record: Count
    status: OutcomeStatus
    file: str | None
    line: Count | None
    message: str | None
    original: str | None
    original_base64: str | None
    detail: Mapping[str, Any] | None
    warnings: Sequence[WarningDocument]


class TableDocument(TypedDict):
    """A table, and the keys that its rows may have."""

    name: str
    names: list[str]


@with_config(ConfigDict(extra="allow"))
class RowDocument(TypedDict):
    """A row under the Names of the models."""

    _id: int


class StoredRowDocument(TypedDict):
    """A row; `job` and `record` say what wrote it last, and `version` grows with each change."""

    row: RowDocument
    job: str | None
    record: Count | None
    version: Count
    created: Moment
    updated: Moment


class PushDocument(TypedDict):
    url: str
    enabled: bool
    response: Literal["JSON", "XML"]


class ProcessSummary(TypedDict):
    id: Annotated[str, Field(examples=["people-feed"])]
    label: str
    description: str
    model: str
    push: PushDocument | None
    control_digest: Digest


class ProcessDocument(ProcessSummary):
    """An import process with its control file."""

    control: Mapping[str, Any]


class NameDocument(TypedDict):
    """One value of a destination."""

    name: str
    type: str
    multivalue: bool
    required: bool
    description: str
    refers_to: str | None


class DestinationDocument(TypedDict):
    """A table that records can go to; `key` has the Names that tell its rows apart."""

    name: str
    label: str
    table: str
    kind: Literal["object", "dictionary"]
    optional: bool
    depends: str | None
    title: str | None
    key: Sequence[str]
    open: bool
    names: list[NameDocument]


class ModelDocument(TypedDict):
    name: str
    label: str
    description: str
    qualifiers: Sequence[str]
    types: Sequence[str]
    destinations: list[DestinationDocument]


class ErrorDocument(TypedDict):
    code: str
    message: str


class RefusalDocument(TypedDict):
    """A refusal: a code that never changes, and a message that says what would be right."""

    error: ErrorDocument


def job(found: Job, batch: str | None) -> JobDocument:
    return {**job_document(found), "api": found.kind, "batch": batch, "due": found.due, "fraction": found.fraction}


def log_line(line: LogLine) -> LogLineDocument:
    return {"position": line.position, "level": line.level, "message": log_text(line), "created": line.created}


def outcome(found: Outcome) -> OutcomeDocument:
    text, encoded = _original(found.original)
    return {
        "record": found.record,
        "status": found.status,
        "file": found.file,
        "line": found.line,
        "message": found.message,
        "original": text,
        "original_base64": encoded,
        "detail": found.detail,
        "warnings": cast(Sequence[WarningDocument], found.warnings or ()),
    }


def _original(content: bytes | None) -> tuple[str | None, str | None]:
    """Returns a record as text, or as base64 if it is not UTF-8."""
    if content is None:
        return None, None
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, b64encode(content).decode()


def table(found: TableShape) -> TableDocument:
    return {"name": found.name, "names": list(found.names)}


def row(found: StoredRow) -> StoredRowDocument:
    names = ("row", "job", "record", "version", "created", "updated")
    return cast(StoredRowDocument, {name: getattr(found, name) for name in names})


def process_summary(found: Process) -> ProcessSummary:
    push = found.push
    return {
        "id": found.id,
        "label": found.label,
        "description": found.description,
        "model": found.model,
        "push": None if push is None else {"url": push.url, "enabled": push.enabled, "response": push.response},
        "control_digest": found.control_digest,
    }


def process(found: Process) -> ProcessDocument:
    return {**process_summary(found), "control": found.control}


def model(found: Model) -> ModelDocument:
    return {
        "name": found.name,
        "label": found.label,
        "description": found.description,
        "qualifiers": found.qualifiers,
        "types": found.types,
        "destinations": [_destination(each) for each in found.destinations.values()],
    }


def _destination(found: Destination) -> DestinationDocument:
    return {
        "name": found.name,
        "label": found.label,
        "table": found.table,
        "kind": found.kind,
        "optional": found.optional,
        "depends": found.depends,
        "title": found.title,
        "key": found.key,
        "open": found.open,
        "names": [_name(each) for each in found.names.values()],
    }


def _name(found: Name) -> NameDocument:
    return {
        "name": found.name,
        "type": found.type,
        "multivalue": found.multivalue,
        "required": found.required,
        "description": found.description,
        "refers_to": found.refers_to,
    }


def event(news: JobEvent) -> EventDocument:
    rate = None if news.rate is None else round(news.rate, 1)
    return {**job(news.job, news.batch), "rate": rate}


def place(at: datetime) -> str:
    """Returns the id of an event: the time up to which its client has heard everything."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
