"""A key is made on the page, shown once, opens its API, and no longer does once it is revoked."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.client import by_password
from tests.browser.furnished import BATCH, House
from tests.browser.looking import Visit, Watch

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_key_from_its_making_to_its_end(house: House, visit: Visit, scripts: bool) -> None:
    name = f"nightly feed {scripts}"
    page = await visit(house, java_script_enabled=scripts)
    secret = await make_key(page, name)
    assert status_of(house, secret) == 400, "the key opens the API, which says what the request lacks"

    await page.get_by_role("link", name="Done").click()
    row = page.get_by_role("row").filter(has_text=name)
    await expect(row).to_contain_text("active")
    await expect(page.get_by_text(secret)).to_have_count(0)

    await row.get_by_role("link", name="Revoke").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Revoke {name}?")
    await page.get_by_role("button", name="Revoke the key").click()
    await expect(page.get_by_role("status").first).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("revoked")
    assert status_of(house, secret) in (401, 403)


async def test_a_key_without_a_scope_is_not_made(house: House, visit: Visit, watch: Watch) -> None:
    page = await visit(house)
    watch.expected.append("400")
    await page.goto(f"{house.url}/admin/keys/new")
    await page.get_by_label("Name").fill("opens nothing")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert")).to_contain_text("choose at least one")
    await expect(page.get_by_label("Name")).to_have_value("opens nothing")


async def make_key(page: Page, name: str) -> str:
    """Its secret, which going back does not show again."""
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Keys").click()
    await page.get_by_role("link", name="New key").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("checkbox", name="haplo-batch").check()
    await page.get_by_role("button", name="Create").click()
    secret = (await page.locator("#secret").inner_text()).strip()
    assert len(secret) > 20
    return secret


def status_of(house: House, secret: str) -> int:
    """Of a request that lacks all but the key."""
    return by_password(house.server.address, secret).ask("POST", f"{BATCH}/batch").status
