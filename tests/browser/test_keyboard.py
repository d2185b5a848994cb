"""The site without a mouse: the skip link, the menu on a phone, forms, and where the focus goes."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.furnished import House
from tests.browser.looking import NARROW, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_signing_in_with_the_keyboard_alone(house: House, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{house.url}/admin/batches?state=complete")
    await expect(page.get_by_label("Key")).to_be_focused()
    await page.keyboard.type("not a key of this house")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("This key is unknown")
    await page.keyboard.type(house.keys["boss"])
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{house.url}/admin/batches?state=complete")
    await page.close()


async def test_the_first_stop_leads_past_the_menu(house: House, visit: Visit) -> None:
    page = await visit(house)
    await page.goto(f"{house.url}/admin/batches")
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")


async def test_the_menu_of_a_phone_opens_with_enter(house: House, visit: Visit) -> None:
    page = await visit(house, viewport={"width": NARROW, "height": 800})
    await expect(page.locator("nav a[href='/admin/batches']")).to_be_hidden()
    await tab_to(page, "summary")
    await page.keyboard.press("Enter")
    await tab_to(page, "nav a[href='/admin/batches']")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{house.url}/admin/batches")
    await expect(page.locator("nav a[href='/admin/batches']")).to_have_attribute("aria-current", "page")


async def test_whatever_has_the_focus_shows_it(house: House, visit: Visit) -> None:
    page = await visit(house)
    await page.goto(f"{house.url}/admin/batches")
    for _ in range(20):
        await page.keyboard.press("Tab")
        style = await page.evaluate(
            "(({outlineStyle, boxShadow}) => [outlineStyle, boxShadow])(getComputedStyle(document.activeElement))"
        )
        assert style != ["none", "none"], await page.evaluate("document.activeElement.outerHTML")


async def tab_to(page: Page, selector: str) -> None:
    """Presses as often as it takes, up to a limit."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the Tab key does not lead to {selector}")
