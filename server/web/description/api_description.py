"""What a dialect says of its operations: plain data, of which `openapi` makes one document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Schema = Mapping[str, Any]
"""JSON Schema 2020-12, as OpenAPI 3.1 has it."""

JSON = "application/json"
PLAIN = "text/plain"
OCTETS = "application/octet-stream"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where it says nothing else, one of the query string that may be left out."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)
    where: Literal["query", "path", "header"] = "query"
    required: bool = False
    example: object = None


@dataclass(frozen=True, slots=True)
class Content:
    media: str
    schema: Schema
    example: object = None


@dataclass(frozen=True, slots=True)
class Body:
    contents: tuple[Content, ...]
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` names those that matter, and says what each holds."""

    description: str
    contents: tuple[Content, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Answers = Mapping[int, Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to be asked for.

    * `path` is the documented spelling; `also` are other paths of the same endpoint, as its routes have them.
    * `answers` are all statuses that it can answer with.
    * `keys` names the ways to send a key, any of which will do; None: those of its API; empty: it needs none.
    """

    method: str
    path: str
    summary: str
    answers: Answers
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    keys: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """One API.

    * `keys` are OpenAPI's security schemes by name; `schemas` may be referred to with `ref`.
    * `names` are what generated clients call the operations, by method and path; of others it is made of the path.
    """

    name: str
    about: str
    operations: tuple[Operation, ...]
    keys: Mapping[str, Schema] = field(default_factory=dict)
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
BYTES: Schema = {"type": "string", "format": "binary", "contentMediaType": OCTETS}
ANY: Schema = {}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def choice(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(values)}


def always(value: object) -> Schema:
    return {"const": value}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def record(
    properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, *, more: bool = False
) -> Schema:
    """An object: `properties` are always there, `optional` perhaps; `more` than these only where it says so."""
    found: dict[str, Any] = {"type": "object", "properties": {**properties, **(optional or {})}}
    if properties:
        found["required"] = list(properties)
    return found if more else found | {"additionalProperties": False}


def json(schema: Schema, example: object) -> tuple[Content, ...]:
    return (Content(JSON, schema, example),)


def plain(example: str) -> tuple[Content, ...]:
    return (Content(PLAIN, TEXT, example),)


def in_path(name: str, description: str, example: object, schema: Schema = TEXT) -> Parameter:
    return Parameter(name, description, schema, "path", True, example)


def needed(parameter: Parameter) -> Parameter:
    return replace(parameter, required=True)
