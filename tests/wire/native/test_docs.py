"""The described API as it is served, and who may see it."""

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.web import docs
from tests.support.replay import House, basic
from tests.wire.native.house import bearer


async def fetched(house: House, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    async with house.session.get(house.address + path, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def test_the_document_describes_what_is_mounted(house: House) -> None:
    status, body, headers = await fetched(house, "/openapi.json", **bearer(house))
    assert (status, headers["Content-Type"]) == (200, "application/json")
    document = json.loads(body)
    OpenAPIV31SpecValidator(document).validate()
    assert {tag["name"] for tag in document["tags"]} == {
        *("haplo", "folio", "learningbuilder", "voss", "native", "metrics"),
    }
    assert document["servers"] == [{"url": "/"}]


async def test_whoever_comes_without_a_key_signs_in_and_comes_back(house: House) -> None:
    status, _, headers = await fetched(house, "/docs")
    assert (status, headers["Location"]) == (303, "/admin/sign-in?next=/docs")


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/docs/assets/start.js", "/docs/assets/swagger-ui.css", "/docs/assets/dark.css"]
)
async def test_nothing_is_shown_without_a_key_of_the_scope(house: House, path: str) -> None:
    assert (await fetched(house, path))[0] == 401
    assert (await fetched(house, path, Authorization="Bearer wrong"))[0] == 401
    assert (await fetched(house, path, **bearer(house, "haplo-batch")))[0] == 403


async def test_a_wrong_key_is_refused_and_not_sent_to_sign_in(house: House) -> None:
    assert (await fetched(house, "/docs", Authorization="Bearer wrong"))[0] == 401


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_loads_only_what_we_serve(house: House, path: str) -> None:
    status, body, headers = await fetched(house, path, **bearer(house))
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"://" not in body
    assert b"<script>" not in body
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("name", [*docs._VENDOR_FILES, *docs._OWN_FILES])
async def test_what_the_page_needs_is_there(house: House, name: str) -> None:
    status, body, headers = await fetched(house, f"/docs/assets/{name}", **basic("me", house.keys["native"]))
    assert status == 200
    assert body
    assert headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript", "image/png")


@pytest.mark.parametrize("name", ["index.css", "..%2Fdocs.py", "%2Fetc%2Fpasswd", "page.html", "x"])
async def test_nothing_else_is_there(house: House, name: str) -> None:
    assert (await fetched(house, f"/docs/assets/{name}", **bearer(house)))[0] == 404
