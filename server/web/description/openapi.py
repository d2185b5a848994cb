"""All descriptions as one OpenAPI document. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.web.description.api_description import Answer, Body, Content, Description, Operation, Parameter

Document = dict[str, Any]
_BUSY: Document = {
    "503": {
        "description": "The server is busy for a moment; nothing was done.",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}},
    }
}
_WORD = re.compile(r"[A-Za-z0-9]+").findall

VERSION = "3.1.0"
_ABOUT = (
    "One server that answers the import APIs of several systems, and a read-only API of its own. Each API keeps the "
    "shapes of the system that it stands in for; the README of each dialect says what is faithful and what differs."
)


def document(descriptions: Sequence[Description], *, version: str, server: str) -> Document:
    """`server` is the address that paths are relative to."""
    return {
        "openapi": VERSION,
        "info": {"title": "Penstock", "version": version, "description": _ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": each.name, "description": each.about} for each in descriptions],
        "paths": _paths(descriptions),
        "components": {
            "schemas": _merged(each.schemas for each in descriptions),
            "securitySchemes": _merged(each.keys for each in descriptions),
        },
    }


def _merged(parts: Iterable[Mapping[str, Any]]) -> Document:
    found: Document = {}
    for part in parts:
        twice = found.keys() & part.keys()
        if twice:
            raise ValueError(f"two APIs describe {', '.join(sorted(twice))}")
        found |= part
    return found


def name_of(api: Description, operation: Operation) -> str:
    """Such as `listBatches`: what a generated client calls the operation."""
    made = "".join(word[0].upper() + word[1:] for word in _WORD(operation.path))
    return api.names.get(f"{operation.method} {operation.path}", operation.method.lower() + made)


def _paths(descriptions: Sequence[Description]) -> Document:
    paths: Document = {}
    for description in descriptions:
        for operation in description.operations:
            methods = paths.setdefault(operation.path, {})
            if operation.method.lower() in methods:
                raise ValueError(f"{operation.method} {operation.path} is described twice")
            methods[operation.method.lower()] = _operation(description, operation)
    return paths


def _operation(api: Description, operation: Operation) -> Document:
    keys = tuple(api.keys) if operation.keys is None else operation.keys
    found: Document = {
        "tags": [api.name],
        "summary": operation.summary,
        "operationId": name_of(api, operation),
        "security": [{name: []} for name in keys],
        "responses": {str(status): _answer(answer) for status, answer in sorted(operation.answers.items())} | _BUSY,
    }
    if operation.description:
        found["description"] = operation.description
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        found["requestBody"] = _body(operation.body)
    return found


def _parameter(parameter: Parameter) -> Document:
    found: Document = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    return found if parameter.example is None else found | {"example": parameter.example}


def _body(body: Body) -> Document:
    found: Document = {"required": body.required, "content": _contents(body.contents)}
    return found | {"description": body.description} if body.description else found


def _answer(answer: Answer) -> Document:
    found: Document = {"description": answer.description}
    if answer.contents:
        found["content"] = _contents(answer.contents)
    if answer.headers:
        found["headers"] = {
            name: {"description": words, "schema": {"type": "string"}} for name, words in answer.headers.items()
        }
    return found


def _contents(contents: Iterable[Content]) -> Document:
    return {each.media: _content(each) for each in contents}


def _content(content: Content) -> Document:
    found: Document = {"schema": content.schema}
    return found if content.example is None else found | {"example": content.example}
