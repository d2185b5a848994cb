"""The shapes of the native API on the wire: parameters in, documents out. Pure."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

import orjson

from server.dialects.native.errors import ParameterRepeated, ParameterUnknown, ParameterWrong
from server.engine.batches.job_events import News
from server.engine.batches.log_text import log_text
from server.engine.documents import Document, Job, LogLine, Outcome, job_document
from server.engine.records.pages import StoredRow, TableShape
from server.mapping.language.processes import Process
from server.mapping.model.model import Model
from server.web.auth import basic_credentials, bearer_token

Word = TypeVar("Word", bound=str)

USUAL_LIMIT = 50
MOST = 500  # of a page
LONGEST_TEXT = 1024  # characters
LAST_NUMBER = 2**53

_DIGITS = re.compile("[0-9]{1,16}", re.ASCII).fullmatch
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]").search


def key_in_headers(headers: Mapping[str, str]) -> str | None:
    """A bearer token, or the password of HTTP Basic, whoever the user."""
    basic = basic_credentials(headers)
    return bearer_token(headers) if basic is None else basic.password or basic.user or None


class Query:
    """The query string of a request that takes parameters of `known` names, each once."""

    def __init__(self, sent: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        self._given: dict[str, str] = {}
        for name, value in sent:
            if name not in known:
                raise ParameterUnknown(name, known)
            if name in self._given:
                raise ParameterRepeated(name)
            self._given[name] = value

    def text(self, name: str) -> str | None:
        """None also where it is empty."""
        value = self._given.get(name, "")
        if len(value) > LONGEST_TEXT or _UNPRINTABLE(value):
            raise ParameterWrong(name, value, f"at most {LONGEST_TEXT:,} printable characters")
        return value or None

    def choice(self, name: str, words: Sequence[Word]) -> Word | None:
        return next(iter(self.choices(name, words)), None)

    def choices(self, name: str, words: Sequence[Word]) -> Sequence[Word]:
        """The one that is asked for, or none."""
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
        """The address of another page of the same question."""
        return f"{path}?{urlencode(self._given | {name: str(value) for name, value in changed.items()})}"


def whole(name: str, value: str, *, least: int = 0, most: int = LAST_NUMBER) -> int:
    if not _DIGITS(value) or not least <= int(value) <= most:
        raise ParameterWrong(name, value, f"a whole number from {least} to {most}")
    return int(value)


def moment(name: str, value: str) -> datetime:
    """UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(value.replace(" ", "+"))  # a plus that was not escaped
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParameterWrong(name, value, "a date such as 2026-03-01 or a time such as 2026-03-01T09:30:00Z") from None


def to_json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)


def page(name: str, items: Sequence[object], next_page: str | None) -> Document:
    return {name: items, "next": next_page}


def job(found: Job, batch: str | None) -> Document:
    return job_document(found) | {"api": found.kind, "batch": batch, "due": found.due, "fraction": found.fraction}


def log_line(line: LogLine) -> Document:
    return {"position": line.position, "level": line.level, "message": log_text(line), "created": line.created}


def outcome(found: Outcome) -> Document:
    """What came is shown as text where it is text."""
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
        "warnings": found.warnings or [],
    }


def _original(content: bytes | None) -> tuple[str | None, str | None]:
    if content is None:
        return None, None
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, b64encode(content).decode()


def table(found: TableShape) -> Document:
    return {"name": found.name, "names": list(found.names)}


def row(found: StoredRow) -> Document:
    return {
        "row": found.row,
        "job": found.job,
        "record": found.record,
        "version": found.version,
        "created": found.created,
        "updated": found.updated,
    }


def process_summary(found: Process) -> Document:
    push = found.push
    return {
        "id": found.id,
        "label": found.label,
        "description": found.description,
        "model": found.model,
        "push": None if push is None else {"url": push.url, "enabled": push.enabled, "response": push.response},
        "control_digest": found.control_digest,
    }


def process(found: Process) -> Document:
    return process_summary(found) | {"control": found.control}


def model(found: Model) -> Document:
    return {
        "name": found.name,
        "label": found.label,
        "description": found.description,
        "qualifiers": found.qualifiers,
        "types": found.types,
        "destinations": [
            {
                "name": each.name,
                "label": each.label,
                "table": each.table,
                "kind": each.kind,
                "optional": each.optional,
                "depends": each.depends,
                "title": each.title,
                "key": each.key,
                "open": each.open,
                "names": [
                    {
                        "name": name.name,
                        "type": name.type,
                        "multivalue": name.multivalue,
                        "required": name.required,
                        "description": name.description,
                        "refers_to": name.refers_to,
                    }
                    for name in each.names.values()
                ],
            }
            for each in found.destinations.values()
        ],
    }


def event(news: News) -> Document:
    rate = None if news.rate is None else round(news.rate, 1)
    return job(news.job, news.batch) | {"rate": rate}


def place(at: datetime) -> str:
    """The id of an event: how far whoever has it has come."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
