"""A new import, from the file that is dropped to the rows and the download of what failed; without scripts too."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.furnished import BAD, HEADER, House, members_csv
from tests.browser.looking import Visit, Watch, download, open_failed

pytestmark = pytest.mark.asyncio(loop_scope="session")

DROPPED = """([name, text]) => {
  const given = new DataTransfer();
  given.items.add(new File([text], name, {type: "text/csv"}));
  return given;
}"""


async def test_a_dropped_file_is_checked_confirmed_and_imported(house: House, visit: Visit, tmp_path: Path) -> None:
    page, before = await visit(house), house.site.rows("members")
    await choose(page, "Members")
    await drop(page, "members.csv", members_csv(100))
    await page.get_by_role("button", name="Check the files").click()
    await expect(page.get_by_role("heading", name="What the import would do")).to_be_visible()
    await expect_summary(page)
    assert house.site.rows("members") == before, "nothing is imported before it is confirmed"
    await page.get_by_role("button", name="Import 10 records").click()
    await page.evaluate("window.mark = 'the same page'")
    await expect(page.locator(".badge").first).to_have_text("complete, 3 failed")
    assert await page.evaluate("window.mark") == "the same page"
    assert house.site.rows("members") == before + 10
    await open_failed(page)
    assert await download(page, tmp_path) == HEADER + BAD


async def test_the_same_without_scripts(house: House, visit: Visit, tmp_path: Path) -> None:
    page, before = await visit(house, java_script_enabled=False), house.site.rows("members")
    await choose(page, "Members")
    await page.locator("input[type=file]").set_input_files(csv_file(tmp_path, members_csv(200)))
    await page.get_by_role("button", name="Check the files").click()
    await when_ended(house, page, "new-import")
    await expect_summary(page)
    await page.get_by_role("button", name="Import 10 records").click()
    await when_ended(house, page, "batches")
    await expect(page.locator(".badge").first).to_have_text("complete, 3 failed")
    assert house.site.rows("members") == before + 10
    await open_failed(page)
    assert await download(page, tmp_path) == HEADER + BAD


async def test_an_end_before_the_first_event_is_shown_all_the_same(house: House, visit: Visit, tmp_path: Path) -> None:
    page = await visit(house)
    await choose(page, "Members")
    await page.locator("input[type=file]").set_input_files(csv_file(tmp_path, members_csv(400)))
    await page.get_by_role("button", name="Check the files").click()
    await expect_summary(page)
    over = asyncio.Event()

    async def late(route: Route) -> None:
        await over.wait()
        await route.continue_()

    await page.route("**/api/v1/events", late)
    await page.get_by_role("button", name="Import 10 records").click()
    await page.wait_for_url("**/admin/batches/**")
    await asyncio.to_thread(house.ended, batch_in(page))
    over.set()
    await expect(page.locator(".badge").first).to_have_text("complete, 3 failed")


async def test_an_import_that_is_abandoned_leaves_nothing(house: House, visit: Visit, tmp_path: Path) -> None:
    page, before = await visit(house), house.site.rows("members")
    await choose(page, "Members")
    await page.locator("input[type=file]").set_input_files(csv_file(tmp_path, members_csv(300)))
    await page.get_by_role("button", name="Check the files").click()
    await expect(page.get_by_role("heading", name="What the import would do")).to_be_visible()
    await page.get_by_role("button", name="Abandon").click()
    await expect(page.get_by_role("main")).to_contain_text("Nothing was imported")
    await expect(page.get_by_role("button", name="Import")).to_have_count(0)
    assert house.site.rows("members") == before


async def test_an_empty_file_is_refused_where_it_was_chosen(
    house: House, visit: Visit, watch: Watch, tmp_path: Path
) -> None:
    page = await visit(house)
    watch.expected.append("400")
    await choose(page, "Members")
    await page.locator("input[type=file]").set_input_files(csv_file(tmp_path, b""))
    await page.get_by_role("button", name="Check the files").click()
    await expect(page.get_by_role("alert")).to_contain_text("is empty")
    await expect(page.get_by_role("button", name="Check the files")).to_be_enabled()


async def choose(page: Page, process: str) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="New import").click()
    await page.get_by_role("link", name=f"Choose {process}", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(process)


async def drop(page: Page, name: str, content: bytes) -> None:
    """As from the desktop."""
    given = await page.evaluate_handle(DROPPED, [name, content.decode()])
    zone = page.locator(".drop")
    await zone.dispatch_event("dragover", {"dataTransfer": given})
    await zone.dispatch_event("drop", {"dataTransfer": given})
    assert await page.evaluate("document.querySelector('.drop input').files[0].name") == name


async def expect_summary(page: Page) -> None:
    counts = page.locator("dl.counts").first
    await expect(counts.locator(".created dd")).to_have_text("10")
    await expect(counts.locator(".failed dd")).to_have_text("3")
    columns = page.get_by_role("table", name="Columns of members.csv")
    await expect(columns.get_by_role("row").filter(has_text="fee")).to_contain_text("members.fee")
    await expect(page.get_by_text("Nobody at all").first).to_be_attached()


async def when_ended(house: House, page: Page, place: str) -> None:
    """Of the page that a click leads to, asked for again once the job of its batch has ended."""
    await page.wait_for_url(f"**/admin/{place}/*")
    await asyncio.to_thread(house.ended, batch_in(page))
    await page.reload()


def batch_in(page: Page) -> str:
    return page.url.partition("?")[0].rpartition("/")[2]


def csv_file(folder: Path, content: bytes) -> Path:
    file = folder / "members.csv"
    file.write_bytes(content)
    return file
