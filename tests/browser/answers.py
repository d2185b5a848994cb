"""Pages that no link leads to, because they answer a form: each is brought about, to be looked at."""

import json
from collections.abc import AsyncIterator

from playwright.async_api import Page, expect

from tests.browser.definitions import PEOPLE

EXPECTED = ("400", "404", "403")  # what the browser says of answers that are meant to say no

FAULTY = {
    "dataImportControlFileVersion": 0,
    "model": PEOPLE,
    "files": {"DEFAULT": {"read": "papyrus"}},
    "instructions": [{"action": "explode", "destination": "profile"}, {"source": "a", "destination": "profile"}],
}
DOUBTFUL = {
    "dataImportControlFileVersion": 0,
    "model": PEOPLE,
    "files": {"DEFAULT": {"read": "json"}},
    "instructions": [
        {"action": "new", "destination": "profile"},
        {"source": "shoe size", "destination": "profile", "name": "shoe_size"},
    ],
}


async def answers(page: Page, url: str) -> AsyncIterator[str]:
    """Returns what the page of a signed-in user shows now, in a word."""
    await page.goto(f"{url}/admin/keys/new")
    await page.get_by_label("Name").fill("looked at")
    await page.get_by_role("button", name="Create").click()
    yield "key without a scope"
    await page.get_by_role("checkbox", name="folio").check()
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("#secret")).to_be_visible()
    yield "key made"
    for document, name in ((FAULTY, "with mistakes"), (DOUBTFUL, "with doubts")):
        await page.goto(f"{url}/admin/control-files/new")
        await page.get_by_label("Or write it here").fill(json.dumps(document, indent=2))
        await page.get_by_role("button", name="Check and upload").click()
        await expect(page.get_by_role("alert").first).to_be_visible()
        yield f"control file {name}"
    await page.goto(f"{url}/admin/models/-/new")
    await page.get_by_label("Or write it here").fill(json.dumps({"name": PEOPLE, "destinations": []}, indent=2))
    await page.get_by_role("button", name="Check and save").click()
    yield "model with mistakes"
    await page.goto(f"{url}/admin/system")
    await page.get_by_role("button", name="Check now").click()
    await expect(page.get_by_role("button", name="Check now")).to_be_visible(
        timeout=90_000
    )  # it has the lowest priority
    yield "system checked"
    await page.goto(f"{url}/admin/batches/nothing")
    yield "nothing here"
