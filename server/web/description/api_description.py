"""The description of an API's operations, as plain data from which `openapi` makes one document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Schema = Mapping[str, Any]
"""JSON Schema 2020-12, as OpenAPI 3.1 has it. The class of a document may stand for its schema anywhere."""

Shape = Schema | type

JSON = "application/json"
PLAIN = "text/plain"
OCTETS = "application/octet-stream"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
NO_HEADERS: Mapping[str, str] = {}
ASKS_FOR_KEY: Mapping[str, str] = {"WWW-Authenticate": "How to send a key."}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a request: by default an optional one in the query string."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)
    where: Literal["query", "path", "header"] = "query"
    required: bool = False
    example: object = None


@dataclass(frozen=True, slots=True)
class Content:
    """A body in one media type. Without an `example`, JSON gets one from the examples in its schema."""

    media: str
    schema: Shape
    example: object = None


@dataclass(frozen=True, slots=True)
class Body:
    contents: tuple[Content, ...]
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A response of an operation. `headers` names the headers that matter, and says what each holds."""

    description: str
    contents: tuple[Content, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


Responses = Mapping[int, Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API.

    * `name` is what generated clients call the operation, such as `listBatches`.
    * `path` is the documented spelling; `also` are other paths of the same endpoint, as its routes have them.
    * `responses` has every status that the operation can answer with.
    * `keys` names the accepted ways to send a key. None: those of the API. Empty: the operation needs no key.
    """

    name: str
    method: str
    path: str
    summary: str
    responses: Responses
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    keys: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class ApiDescription:
    """One API. `keys` are OpenAPI's security schemes by name."""

    name: str
    about: str
    operations: tuple[Operation, ...]
    keys: Mapping[str, Schema] = field(default_factory=dict)


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
BYTES: Schema = {"type": "string", "format": "binary", "contentMediaType": OCTETS}


def choice(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(values)}


def always(value: object) -> Schema:
    return {"const": value}


def listed(items: Shape) -> Schema:
    return {"type": "array", "items": items}


def record(
    properties: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None, *, more: bool = False
) -> Schema:
    """Returns the schema of an object. Only with `more` may it have properties that are not named."""
    found: dict[str, Any] = {"type": "object", "properties": {**properties, **(optional or {})}}
    if properties:
        found["required"] = list(properties)
    return found if more else found | {"additionalProperties": False}


def json(schema: Shape, example: object = None) -> tuple[Content, ...]:
    return (Content(JSON, schema, example),)


def plain(example: str) -> tuple[Content, ...]:
    return (Content(PLAIN, TEXT, example),)


def in_path(name: str, description: str, example: object, schema: Schema = TEXT) -> Parameter:
    return Parameter(name, description, schema, "path", True, example)


def needed(parameter: Parameter) -> Parameter:
    return replace(parameter, required=True)
