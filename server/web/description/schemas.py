"""JSON Schemas of the documents' classes, as components of one OpenAPI document, and examples made from them. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from server.web.description.api_description import Shape

_PREFIX = "#/components/schemas/"
_SAMPLES = {"string": "…", "integer": 0, "number": 0, "boolean": False, "null": None}


class Schemas:
    """The schemas of all documents that clients send and get.

    A component is named after its class, without the ending `Document`.
    """

    def __init__(self, sent: Iterable[Shape], answered: Iterable[Shape]) -> None:
        classes = [*_inputs(sent, "validation"), *_inputs(answered, "serialization")]
        found, rest = TypeAdapter.json_schemas(classes, ref_template=_PREFIX + "{model}", schema_generator=_Generator)
        self._refs = {cls: schema for (cls, _), schema in found.items()}
        self.components: dict[str, Any] = _untitled(rest.get("$defs", {}))
        self._check_names()

    def _check_names(self) -> None:
        """Raises ValueError for two classes of one name; pydantic then adds modules or modes, such as `Thing-Input`."""
        unclear = [name for name in self.components if not name.isalnum()]
        if unclear:
            raise ValueError(f"two documents share a name: {', '.join(sorted(unclear))}")

    def resolved(self, shape: Any) -> Any:
        """Returns the shape with a reference in place of each class."""
        if isinstance(shape, type):
            return self._refs[shape]
        if isinstance(shape, dict):
            return {name: self.resolved(each) for name, each in shape.items()}
        return [self.resolved(each) for each in shape] if isinstance(shape, list) else shape

    def example(self, schema: Any) -> Any:
        """Returns a value that fits the schema, made of the examples in it."""
        if "$ref" in schema:
            return self.example(self.components[schema["$ref"].removeprefix(_PREFIX)])
        for name in ("examples", "enum"):
            if name in schema:
                return schema[name][0]
        if "const" in schema:
            return schema["const"]
        if "anyOf" in schema:
            return self._of_any(schema["anyOf"])
        if schema.get("type") == "array":
            return [self.example(schema["items"])] if schema["items"] else []
        if schema.get("type") == "object":
            if isinstance(schema.get("additionalProperties"), dict):
                return {"…": self.example(schema["additionalProperties"])}
            needed = schema.get("required", ())
            named = {
                name: each
                for name, each in schema.get("properties", {}).items()
                if name in needed or "examples" in each
            }
            return {name: self.example(each) for name, each in named.items()}
        return _SAMPLES[schema.get("type", "null")]

    def _of_any(self, schemas: list[Any]) -> Any:
        """Returns null, unless one of the schemas has an example that says more."""
        telling = [each for each in schemas if "examples" in each or "$ref" in each]
        return (
            self.example(telling[0]) if telling else None if {"type": "null"} in schemas else self.example(schemas[0])
        )


class _Generator(GenerateJsonSchema):
    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        """Says that a document has no properties besides those of its class."""
        return {"additionalProperties": False} | super().typed_dict_schema(schema)

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """Leaves defaults out."""
        return self.generate_inner(schema["schema"])

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name.removesuffix("Document"))


def _inputs(shapes: Iterable[Shape], mode: JsonSchemaMode) -> Iterator[tuple[type, JsonSchemaMode, TypeAdapter[Any]]]:
    classes = dict.fromkeys(each for shape in shapes for each in _classes(shape))
    return ((each, mode, TypeAdapter(each)) for each in classes)


def _classes(shape: Any) -> Iterator[type]:
    if isinstance(shape, type):
        yield shape
        return
    for each in shape.values() if isinstance(shape, dict) else shape if isinstance(shape, list) else ():
        yield from _classes(each)


def _untitled(schema: Any) -> Any:
    """Returns the schema without titles, which only repeat names."""
    if isinstance(schema, dict):
        return {name: _untitled(each) for name, each in schema.items() if name != "title" or isinstance(each, dict)}
    return [_untitled(each) for each in schema] if isinstance(schema, list) else schema
