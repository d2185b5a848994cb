"""A client schedules a load over its API; an operator sees it on the page and cancels it."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.browser.furnished import COUNTRIES, House, load_workbook, workbook
from tests.browser.looking import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_scheduled_load_is_called_off(house: House, visit: Visit, scripts: bool) -> None:
    name = f"Countries {scripts}.xlsx"
    transaction = schedule(house, name)
    page = await visit(house, java_script_enabled=scripts)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Schedules").click()
    row = page.get_by_role("row").filter(has_text=name)
    await expect(row).to_contain_text("bulk load")
    await expect(row).to_contain_text("12:00:00 UTC+02:00")
    await row.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("status").first).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)

    client = house.client()
    asked = client.get(f"/api/tool/Transaction/{transaction}/?format=json").json()["data"]
    found = client.get(asked["executed_by"]).json()["data"]
    assert (found["status"], "cancel" in str(found).lower()) == ("Fail", True)
    assert name not in client.get("/api/data/Schedule/?hierarchy=sys&format=json").body.decode()


async def test_who_says_no_to_the_question_cancels_nothing(house: House, visit: Visit) -> None:
    name = "Countries that stay.xlsx"
    schedule(house, name)
    page = await visit(house)
    page.on("dialog", lambda dialog: dialog.dismiss())
    await page.goto(f"{house.url}/admin/schedules")
    await page.get_by_role("row").filter(has_text=name).get_by_role("button", name="Cancel").click()
    await page.reload()
    await expect(page.get_by_role("row").filter(has_text=name)).to_have_count(1)


def schedule(house: House, name: str) -> str:
    """For noon of tomorrow, two hours east of Greenwich; the id of its transaction."""
    due = datetime.now(UTC) + timedelta(days=1)
    when = {"execute_date": f"{due:%Y-%m-%d}", "execute_time": "12:00:00", "execute_timezone": 120}
    content = workbook(Countries=[*COUNTRIES, (None, "Italy", "IT")])
    return load_workbook(house, name, content, execute_immediately=False, **when)
