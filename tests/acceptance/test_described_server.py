"""schemathesis against a running server: no fault, no status that is not described, every answer as its schema says."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance
from schemathesis.specs.openapi.checks import content_type_conformance, response_headers_conformance

from server.dialects import DIALECTS
from server.metrics.openapi import DESCRIPTION as METRICS
from tests.acceptance.described import Furnished
from tests.support.server_process import PATIENCE, Site

EXAMPLES = 12  # of each kind, for each operation
STREAMS = {"/api/v1/events"}  # has tests of its own
DESCRIBED = [*(make(None, None).description for make in DIALECTS), METRICS]  # type: ignore[arg-type]
OPERATIONS = [operation for api in DESCRIBED for operation in api.operations if operation.path not in STREAMS]
FITTING, UNFITTING = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
WAYS = [
    pytest.param(operation.method, operation.path, mode, id=f"{operation.method} {operation.path} {mode.value}")
    for operation in OPERATIONS
    for mode in (FITTING, UNFITTING)
    if mode is FITTING or operation.parameters or operation.body  # nothing else could be wrong
]
LONGEST_LINE = 8000  # bytes of a path; what is longer never reaches a dialect
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else repr(value).encode()


@pytest.fixture(scope="module")
def furnished(made: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    folder, key = made
    place = tmp_path_factory.mktemp("described") / "site"
    shutil.copytree(folder, place)
    site = Site(place, key)
    try:
        yield Furnished(site)
        site.close()
    finally:
        for server in site.servers:
            if server.process.poll() is None:
                server.process.kill()


@pytest.fixture(scope="module")
def described(furnished: Furnished) -> Any:
    url = f"{furnished.address}/openapi.json"
    return schemathesis.openapi.from_url(url, headers=furnished.headers("/openapi.json"), wait_for_schema=PATIENCE)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.mark.parametrize(("method", "path", "mode"), WAYS)
def test_what_is_described_is_what_is_answered(
    described: Any, furnished: Furnished, session: requests.Session, method: str, path: str, mode: GenerationMode
) -> None:
    operation = described[path][method]
    real = {} if method == "DELETE" else furnished.real(path)

    @given(case=operation.as_strategy(generation_mode=mode), exists=st.booleans())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case[Any], exists: bool) -> None:
        if exists:
            name_what_there_is(case, real)
        with_right_password(case, furnished.key)
        assume(len(case.as_transport_kwargs()["url"]) + len(urlencode(case.query or {}, doseq=True)) < LONGEST_LINE)
        case.call_and_validate(
            base_url=furnished.address,
            session=session,
            headers=furnished.headers(path),
            checks=CHECKS,
            timeout=PATIENCE,
        )

    ask()


def name_what_there_is(case: Case[Any], real: Mapping[str, str]) -> None:
    """Wherever the request has one of these names."""
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            place.update({name: value for name, value in real.items() if name in place})


def with_right_password(case: Case[Any], key: str) -> None:
    """Wrong ones would soon have this address suspended."""
    if isinstance(case.body, dict) and "password" in case.body:
        case.body["password"] = key
