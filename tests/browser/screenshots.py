"""Takes a picture of every page, in light and dark, wide and narrow, and says what is wrong with any: screenshots [DIR]

Starts a server on a temporary folder with example data, and one on an empty folder. Exits with 1 if anything is wrong.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.browser.answers import EXPECTED, answers
from tests.browser.furnished import House, addresses, open_furnished, open_house
from tests.browser.looking import VIEWS, WIDE, View, Watch, chromium, flaws, in_view, sign_in
from tests.browser.walking import Kinds, walk

USUAL = Path("build/screenshots")


def main(arguments: list[str]) -> int:
    if any(argument.startswith("-") for argument in arguments) or len(arguments) > 1:
        print("usage: scripts/screenshots [DIR]", file=sys.stderr)
        return 2
    folder = Path(*arguments or [USUAL])  # type: ignore[list-item]
    folder.mkdir(parents=True, exist_ok=True)
    wrong = asyncio.run(_all(folder))
    print(*wrong, f"{len(list(folder.glob('*.png')))} pictures in {folder}", sep="\n")
    return 1 if wrong else 0


async def _all(folder: Path) -> list[str]:
    wrong: list[str] = []
    async with chromium() as browser:
        with tempfile.TemporaryDirectory() as place:
            with open_furnished(Path(place) / "furnished") as house:
                wrong += await _house(browser, house, folder, "")
            with open_house(Path(place) / "empty") as house:
                wrong += await _house(browser, house, folder, "empty ")
    return wrong


async def _house(browser: Browser, house: House, folder: Path, prefix: str) -> list[str]:
    kinds, names = Kinds(), {batch: name for name, batch in house.batches.items()}
    found = walk(house.visitor(), *addresses(house), kinds=kinds, examples=1 if prefix else 2)
    wrong = [f"dead link: {line}" for line in found.dead]
    if not prefix:
        wrong += [f"no page leads to {route}" for route in sorted(kinds.pages() - found.met)]
    context, watch = await browser.new_context(viewport={"width": WIDE, "height": 900}), Watch(expected=list(EXPECTED))
    page = await context.new_page()
    watch.over(page)
    await page.goto(f"{house.url}/admin/sign-in")
    wrong += await _take(page, folder, f"{prefix}sign-in")
    await sign_in(page, house.url, house.keys["boss"])
    for address in found.pages:
        await page.goto(house.url + address)
        wrong += await _take(page, folder, prefix + _name(address, names))
    async for name in answers(page, house.url):
        wrong += await _take(page, folder, f"{prefix}answer {name}")
    await context.close()
    return wrong + watch.unexpected()


async def _take(page: Page, folder: Path, name: str) -> list[str]:
    """A picture of each view, and what is wrong with it."""
    wrong = []
    for view in VIEWS:
        await in_view(page, view)
        wrong += [f"{page.url} {view}: {flaw}" for flaw in await flaws(page)]
        await _as_high_as_it_is(page, view)
        await page.screenshot(path=folder / f"{name} {view}.png", full_page=True)
    return wrong


async def _as_high_as_it_is(page: Page, view: View) -> None:
    """What sticks to the window is as long as the page then."""
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": view.width, "height": max(900, height)})


def _name(address: str, names: dict[str, str]) -> str:
    """A file name that says what is on the picture."""
    for batch, name in names.items():
        address = address.replace(batch, name)
    return re.sub(r"[^\w.=-]+", " ", address.removeprefix("/admin")).strip()[:80] or "home"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
