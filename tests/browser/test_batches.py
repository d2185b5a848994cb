"""Batches in a browser: one ends before one's eyes, failures are looked at and downloaded, another is copied."""

import re
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.client import Sent
from tests.browser.furnished import BAD, HEADER, STANDARD, House, members_csv
from tests.browser.looking import Visit, download, open_failed

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBERS = count(1000, 10)  # of members that no other test has


async def test_a_batch_ends_before_ones_eyes(house: House, visit: Visit) -> None:
    """The page is never loaded again: what it was marked with stays."""
    batch = uploaded(house, "Watched")
    page = await visit(house)
    await page.goto(f"{house.url}/admin/batches/{batch}")
    await expect(page.locator(".badge").first).to_have_text("uploading")
    await page.evaluate("window.mark = 'the same page'")
    house.client().send_form(f"{STANDARD}/schedule", batch=batch)
    await expect(page.locator(".badge").first).to_have_text("complete, 3 failed")
    await expect(page.locator("dl.counts .created dd")).to_have_text("10")
    await expect(page.locator("dl.counts .failed dd")).to_have_text("3")
    assert await page.evaluate("window.mark") == "the same page"


async def test_the_first_page_follows_what_goes_on(house: House, visit: Visit) -> None:
    page = await visit(house)
    await page.evaluate("window.mark = 'the same page'")
    batch = uploaded(house, "Seen from home")
    house.client().send_form(f"{STANDARD}/schedule", batch=batch)
    lately = page.get_by_role("region", name="Recently finished")
    await expect(lately.get_by_role("link", name="Seen from home")).to_be_visible()
    assert await page.evaluate("window.mark") == "the same page"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_failed_records_come_back_as_they_were_sent(
    house: House, visit: Visit, tmp_path: Path, scripts: bool
) -> None:
    page = await visit(house, java_script_enabled=scripts)
    await page.goto(f"{house.url}/admin/batches/{imported(house, 'To be corrected')}")
    await open_failed(page)
    await expect(page.get_by_role("main")).to_contain_text("3 of 13 records failed")
    assert await download(page, tmp_path) == HEADER + BAD


async def test_causes_lead_to_their_records(house: House, visit: Visit) -> None:
    page = await visit(house)
    await page.goto(f"{house.url}/admin/batches/{imported(house, 'Two causes')}/failed")
    causes = page.get_by_role("table").get_by_role("link")
    await expect(causes).to_have_count(2)
    await causes.first.click()
    await expect(page).to_have_url(re.compile("cause="))
    await expect(page.get_by_text("The original record")).to_have_count(2)


async def test_a_copy_is_made_and_run(house: House, visit: Visit) -> None:
    page = await visit(house)
    await page.goto(f"{house.url}/admin/batches/{imported(house, 'Original')}")
    await page.get_by_role("link", name="Copy as new batch").click()
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Original (copy)")
    await page.get_by_role("link", name="Dry run").click()
    await page.get_by_role("button", name="Dry run").click()
    await expect(page.locator(".badge").first).to_have_text("dry-run, 3 failed")
    await expect(page.get_by_role("main")).to_contain_text("This application has not been updated with imported data.")


def uploaded(house: House, comment: str) -> str:
    """A batch with its file, not yet scheduled."""
    client = house.client()
    batch = client.send_form(f"{STANDARD}/batch", comment=comment, kind="members").body.decode()
    client.send_form(f"{STANDARD}/file", batch=batch, name="data", file=Sent("members.csv", members_csv(next(NUMBERS))))
    return batch


def imported(house: House, comment: str) -> str:
    batch = uploaded(house, comment)
    house.client().send_form(f"{STANDARD}/schedule", batch=batch)
    assert house.ended(batch) == "complete"
    return batch
