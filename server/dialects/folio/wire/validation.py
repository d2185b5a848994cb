"""JSON bodies against their schemas: what a client may send, and what is wrong with what it sent. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from server.dialects.folio.errors import BodyInvalid, Problem, ValidationFailed
from server.engine.vendors.folio.upload_definitions import MOST_FILES

LONGEST_TEXT = 1024  # characters
LONGEST_LIST = MOST_FILES
_INTEGERS = range(-(2**31), 2**31)

Kind = Literal["text", "date", "boolean", "integer", "any"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`most`: how many items it may have."""

    item: "Kind | tuple[str, ...] | Schema"
    most: int = LONGEST_LIST


@dataclass(frozen=True, slots=True)
class Property:
    """A tuple of texts is an enumeration. `dropped` is checked, and then not heard."""

    kind: "Kind | tuple[str, ...] | Schema | ListOf" = "text"
    required: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """An object without other properties, unless it is `open`."""

    properties: Mapping[str, Property] = field(default_factory=dict)
    open: bool = False


def read(body: bytes, schema: Schema) -> dict[str, Any]:
    """The properties that were sent and not null; raises BodyInvalid or ValidationFailed."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyInvalid(f"the body is not JSON: {error}" if body.strip() else "the body is empty") from None
    found = _object(document, schema, "")
    missing = list(_missing(document, schema, ""))
    if missing:
        raise ValidationFailed([Problem("may not be null", key=path, value="null") for path in missing])
    return found


def _object(value: object, schema: Schema, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, value, "an object")
    found = {}
    for name, held in value.items():
        known = schema.properties.get(name)
        if known is None:
            if schema.open:
                continue
            raise ValidationFailed([Problem(f'Unrecognized field "{name}"{_within(path)}', key="")])
        if held is None:
            continue
        read_value = _value(held, known.kind, f"{path}.{name}" if path else name)
        if not known.dropped:
            found[name] = read_value
    return found


def _value(value: object, kind: "Kind | tuple[str, ...] | Schema | ListOf", path: str) -> object:
    match kind:
        case Schema():
            return _object(value, kind, path)
        case ListOf():
            if not isinstance(value, list):
                raise _wrong(path, value, "an array")
            if len(value) > kind.most:
                raise ValidationFailed([too_many(path, len(value), kind.most)])
            return [_value(item, kind.item, f"{path}[{number}]") for number, item in enumerate(value)]
        case tuple():
            if value not in kind:
                raise _wrong(path, value, f"one of {', '.join(kind)}")
            return value
        case "text":
            return _text(value, path)
        case "date":
            return _date(value, path)
        case "boolean" if not isinstance(value, bool):
            raise _wrong(path, value, "true or false")
        case "integer" if isinstance(value, bool) or not isinstance(value, int) or value not in _INTEGERS:
            raise _wrong(path, value, "an integer of 32 bits")
    return value


def too_many(path: str, count: int, most: int) -> Problem:
    return Problem(f"size must be between 0 and {most}; send the rest on its own", key=path, value=str(count))


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, value, "a string")
    if len(value) > LONGEST_TEXT or "\x00" in value:
        raise _wrong(path, value, f"a string of at most {LONGEST_TEXT} characters without NUL")
    return value


def _date(value: object, path: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(path, value, "a date such as 2019-06-20T11:00:25.852+0000") from None


def _missing(value: object, schema: Schema, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, known in schema.properties.items():
        place, held = f"{path}.{name}" if path else name, value.get(name)
        if known.required and held is None:
            yield place
        elif isinstance(known.kind, Schema):
            yield from _missing(held, known.kind, place)
        elif isinstance(known.kind, ListOf) and isinstance(known.kind.item, Schema) and isinstance(held, list):
            for number, item in enumerate(held):
                yield from _missing(item, known.kind.item, f"{place}[{number}]")


def _wrong(path: str, value: object, wanted: str) -> BodyInvalid:
    shown = _shown(value)
    return BodyInvalid(f"{path or 'the body'} must be {wanted}, not {shown if len(shown) <= 80 else shown[:80] + '…'}")


def _shown(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # it reads deeper values than it writes
        return "a value that is nested too deeply"


def _within(path: str) -> str:
    return f" in {path}" if path else ""
