"""A browser, houses to look at with it, and pages that watch for complaints."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.furnished import House, open_furnished, open_house
from tests.browser.looking import Visit, Watch, chromium, sign_in


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Where tests change what they like."""
    with open_house(tmp_path_factory.mktemp("house") / "site") as house:
        yield house


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Where tests only look."""
    with open_furnished(tmp_path_factory.mktemp("furnished") / "site") as house:
        yield house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A complaint of any page fails the test, unless it is expected."""
    watch = Watch()
    yield watch
    assert watch.unexpected() == []


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, watch: Watch) -> AsyncIterator[Visit]:
    """Opens a page for a signed-in user of a house; more are options of the browser's context."""
    contexts = []

    async def open_page(house: House, **more: object) -> Page:
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **more})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = await context.new_page()
        watch.over(page)
        await sign_in(page, house.url, house.keys["boss"])
        return page

    yield open_page
    for context in contexts:
        await context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    script = Path(__file__).parents[2] / ".venv/browser/node_modules/axe-core/axe.min.js"
    assert script.is_file(), "axe-core is not there; scripts/test installs it, or: . scripts/browser.sh; ensure_browser"
    return script.read_text("utf-8")
