"""Makes one OpenAPI document from the descriptions of all APIs. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.web.description.api_description import JSON, ApiDescription, Body, Content, Operation, Parameter, Response
from server.web.description.schemas import Schemas

Document = dict[str, Any]

VERSION = "3.1.0"
_BUSY = Response("The server is busy for a moment; nothing was done.", (), {"Retry-After": "Seconds to wait."})
_ABOUT = (
    "One server that answers the import APIs of several systems, and a read-only API of its own. Each API keeps the "
    "shapes of the system that it stands in for; the README of each dialect says what is faithful and what differs."
)


def document(descriptions: Sequence[ApiDescription], *, version: str, server: str) -> Document:
    """Returns the OpenAPI document; `server` is the address that its paths are relative to."""
    operations = [operation for each in descriptions for operation in each.operations]
    schemas = Schemas(
        sent=[content.schema for each in operations for content in _sent(each)],
        answered=[content.schema for each in operations for content in _answered(each)],
    )
    return {
        "openapi": VERSION,
        "info": {"title": "Penstock", "version": version, "description": _ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": each.name, "description": each.about} for each in descriptions],
        "paths": _Paths(schemas).of(descriptions),
        "components": {"schemas": schemas.components, "securitySchemes": _merged(each.keys for each in descriptions)},
    }


def _sent(operation: Operation) -> Iterable[Content]:
    return operation.body.contents if operation.body else ()


def _answered(operation: Operation) -> Iterable[Content]:
    return (content for response in operation.responses.values() for content in response.contents)


def _merged(parts: Iterable[Mapping[str, Any]]) -> Document:
    found: Document = {}
    for part in parts:
        twice = found.keys() & part.keys()
        if twice:
            raise ValueError(f"two APIs describe {', '.join(sorted(twice))}")
        found |= part
    return found


class _Paths:
    """Renders operations, with references to schemas and examples made from them."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def of(self, descriptions: Iterable[ApiDescription]) -> Document:
        paths: Document = {}
        for api in descriptions:
            for operation in api.operations:
                methods = paths.setdefault(operation.path, {})
                if operation.method.lower() in methods:
                    raise ValueError(f"{operation.method} {operation.path} is described twice")
                methods[operation.method.lower()] = self._operation(api, operation)
        return paths

    def _operation(self, api: ApiDescription, operation: Operation) -> Document:
        keys = tuple(api.keys) if operation.keys is None else operation.keys
        responses = {503: _BUSY, **operation.responses}
        found: Document = {
            "tags": [api.name],
            "summary": operation.summary,
            "operationId": operation.name,
            "security": [{name: []} for name in keys],
            "responses": {str(status): self._response(each) for status, each in sorted(responses.items())},
        }
        if operation.description:
            found["description"] = operation.description
        if operation.parameters:
            found["parameters"] = [_parameter(each) for each in operation.parameters]
        if operation.body is not None:
            found["requestBody"] = self._body(operation.body)
        return found

    def _body(self, body: Body) -> Document:
        found: Document = {"required": body.required, "content": self._contents(body.contents)}
        return found | {"description": body.description} if body.description else found

    def _response(self, response: Response) -> Document:
        found: Document = {"description": response.description}
        if response.contents:
            found["content"] = self._contents(response.contents)
        if response.headers:
            found["headers"] = {
                name: {"description": words, "schema": {"type": "string"}} for name, words in response.headers.items()
            }
        return found

    def _contents(self, contents: Iterable[Content]) -> Document:
        return {each.media: self._content(each) for each in contents}

    def _content(self, content: Content) -> Document:
        schema, example = self._schemas.resolved(content.schema), content.example
        if example is None and content.media == JSON:
            example = self._schemas.example(schema)
        return {"schema": schema} if example is None else {"schema": schema, "example": example}


def _parameter(parameter: Parameter) -> Document:
    found: Document = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    return found if parameter.example is None else found | {"example": parameter.example}
