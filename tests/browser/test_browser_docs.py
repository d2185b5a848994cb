"""The described API in a browser: all of it from this server, under its content policy."""

import pytest
from conftest import Visit
from furnished import House
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_api_can_be_read_up_on(house: House, visit: Visit) -> None:
    page = await visit(house)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{house.url}/docs")
    for api in ("haplo", "folio", "learningbuilder", "voss", "native"):
        await expect(page.locator(f"#operations-tag-{api}")).to_be_visible()
    await page.locator("#operations-tag-native").click()
    await expect(page.locator("[data-path='/api/v1/batches']")).to_be_visible()
    assert [url for url in asked if not url.startswith((house.url, "data:"))] == []
