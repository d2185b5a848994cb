"""The described API in a browser: it renders under its content policy, and a request can be tried out."""

import pytest
from playwright.async_api import expect

from tests.browser.furnished import House
from tests.browser.looking import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_described_api_is_browsed_and_tried_out(furnished: House, visit: Visit) -> None:
    page = await visit(furnished)
    await page.goto(f"{furnished.url}/docs")
    await expect(page.locator(".opblock-tag")).to_have_count(6)
    await page.locator(".opblock-tag[data-tag=native]").click()
    operation = page.locator(".opblock").filter(has_text="List batches of all APIs").first
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table").first
    await expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    await expect(answer).to_contain_text('"batches"')
