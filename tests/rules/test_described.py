"""Every endpoint is described, nothing else is, and the descriptions make a valid OpenAPI document."""

import re
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from typing_extensions import TypedDict

from server.dialects import DIALECTS, MakeDialect
from server.metrics.openapi import DESCRIPTION as METRICS
from server.web.description.api_description import Operation
from server.web.description.openapi import document
from server.web.description.schemas import Schemas
from tests.support.toy_dialect import Toy

SHOWN: tuple[MakeDialect, ...] = (*DIALECTS, Toy)  # the manual's dialect keeps the rules too
DESCRIBED = [*(make(None, None).description for make in SHOWN), METRICS]  # type: ignore[arg-type]
DOCUMENT = document(DESCRIBED, version="0", server="/")
OPERATIONS = [(api, operation) for api in DESCRIBED for operation in api.operations]
EACH = pytest.mark.parametrize(("api", "operation"), OPERATIONS, ids=[f"{o.method} {o.path}" for _, o in OPERATIONS])
BODILESS = {204, 304, 412, 416}


def spellings(operation: Operation) -> set[tuple[str, str]]:
    return {(operation.method, path) for path in (operation.path, *operation.also)}


@pytest.mark.parametrize("make", SHOWN, ids=lambda make: make.name)
def test_every_route_is_described_and_every_description_has_its_route(make: Any) -> None:
    dialect = make(None, None)
    routed = {(route.method, route.path) for route in dialect.routes()}
    described = set(chain.from_iterable(map(spellings, dialect.description.operations)))
    any_method = {path for method, path in routed if method == "*"}
    assert {(method, path) for method, path in described if path not in any_method} == {
        (method, path) for method, path in routed if method != "*"
    }
    assert any_method <= {path for _, path in described}


def test_the_document_is_valid() -> None:
    errors = [
        f"{'/'.join(map(str, error.path))}: {error.message}"
        for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()
    ]
    assert errors == []


def test_every_operation_has_a_name_for_generated_clients() -> None:
    names = [operation.name for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch("[a-z]+[A-Za-z0-9]*", name)] == []
    assert {"createBatch", "listBatches", "bulkLoad"} <= set(names)


def test_every_body_can_be_sent_by_a_generated_client() -> None:
    """Generators know these kinds of content."""
    known = {"application/json", "application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data"}
    bodies = [(each.path, {one.media for one in each.body.contents}) for _, each in OPERATIONS if each.body]
    assert [path for path, media in bodies if not media & known] == []


def test_nothing_is_described_twice() -> None:
    first = DESCRIBED[0]
    with pytest.raises(ValueError, match="is described twice"):
        document([first, first], version="0", server="/")
    with pytest.raises(ValueError, match="two APIs describe haplo, haplo-header"):
        document([first, replace(first, operations=())], version="0", server="/")


def test_two_documents_never_share_a_name() -> None:
    first, second = (TypedDict("Thing", {"id": kind}) for kind in (str, int))  # type: ignore[operator]
    with pytest.raises(ValueError, match="two documents share a name: Thing-Input, Thing-Output"):
        Schemas(sent=[first], answered=[second])


def test_every_schema_is_used() -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", repr(DOCUMENT)))
    assert used == DOCUMENT["components"]["schemas"].keys()


@EACH
def test_every_answer_that_has_a_body_has_a_schema_and_an_example(api: Any, operation: Operation) -> None:
    assert min(operation.responses) < 300
    for status, response in rendered(operation)["responses"].items():
        assert response["description"]
        bodiless = int(status) in {*BODILESS, 503} or operation.path.startswith("/data-import/parts/")
        assert "content" in response or bodiless
        check(response.get("content", {}), operation)


@EACH
def test_every_example_of_what_is_sent_fits(api: Any, operation: Operation) -> None:
    check(rendered(operation).get("requestBody", {}).get("content", {}), operation)
    for parameter in operation.parameters:
        if parameter.example is not None:
            fits(parameter.schema, parameter.example)
        assert parameter.example is not None or not parameter.required
        assert parameter.required or parameter.where != "path"
    named = {parameter.name for parameter in operation.parameters if parameter.where == "path"}
    assert named == set(re.findall(r"\{(\w+)\}", operation.path))


@EACH
def test_keys_are_described(api: Any, operation: Operation) -> None:
    assert set(operation.keys or ()) <= DOCUMENT["components"]["securitySchemes"].keys()


def rendered(operation: Operation) -> Any:
    return DOCUMENT["paths"][operation.path][operation.method.lower()]


def check(contents: Any, operation: Operation) -> None:
    for media, content in contents.items():
        if "example" in content:
            fits(content["schema"], content["example"])
        else:
            assert not media.endswith("json"), operation.path


def fits(schema: Any, example: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole).validate(example)
