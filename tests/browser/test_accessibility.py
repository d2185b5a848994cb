"""axe-core on every page, in both colour schemes and at both widths: nothing serious."""

import pytest

from tests.browser.answers import EXPECTED, answers
from tests.browser.furnished import House, addresses
from tests.browser.looking import Visit, Watch, violations
from tests.browser.walking import Kinds, walk

on_one_loop = pytest.mark.asyncio(loop_scope="session")

SERIOUS = ("serious", "critical")


@on_one_loop
@pytest.mark.timeout(240)
async def test_no_page_has_a_serious_violation(furnished: House, visit: Visit, watch: Watch, axe: str) -> None:
    page, found = await visit(furnished), []
    for address in walk(furnished.visitor(), *addresses(furnished)).pages:
        await page.goto(furnished.url + address)
        found += [f"{address} {line}" async for line in violations(page, axe)]
    assert serious(found) == []


@on_one_loop
@pytest.mark.timeout(180)
async def test_no_answer_of_a_form_has_a_serious_violation(house: House, visit: Visit, watch: Watch, axe: str) -> None:
    page, found = await visit(house), []
    watch.expected += EXPECTED
    async for name in answers(page, house.url):
        found += [f"{name} {line}" async for line in violations(page, axe)]
    assert serious(found) == []


@on_one_loop
async def test_signing_in_has_no_violation(house: House, visit: Visit, axe: str) -> None:
    page = await visit(house)
    await page.get_by_role("button", name="Sign out").click()
    assert [line async for line in violations(page, axe)] == []


def serious(found: list[str]) -> list[str]:
    print(*found, sep="\n")
    return [line for line in found if any(f": {impact} " in line for impact in SERIOUS)]


def test_every_page_can_be_reached_and_no_link_is_dead(furnished: House) -> None:
    kinds = Kinds()
    found = walk(furnished.visitor(), *addresses(furnished), kinds=kinds)
    assert found.dead == []
    assert kinds.pages() - found.met == set()
