"""What is looked at in a browser: pages in both colour schemes at both widths, and what must hold on each."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, async_playwright, expect

expect.set_options(timeout=20_000)  # of a browser on a busy machine

WIDE, NARROW = 1280, 390
Scheme = Literal["light", "dark"]
Visit = Callable[..., Awaitable[Page]]  # a page of a signed-in user; see conftest
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")

# what sticks out of the window and cannot be scrolled to in a region of its own
STICKING_OUT = """() => {
  const scrolled = (element) => {
    for (let up = element.parentElement; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.overflowX !== "visible" || style.clipPath !== "none") return true;
    }
    return false;
  };
  const width = document.documentElement.clientWidth;
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const hidden = getComputedStyle(element).clipPath !== "none" || element.matches(".skip");
    const room = element.matches("table") ? element.parentElement.getBoundingClientRect().right : width;
    if (box.width && (box.right > room + 1 || box.left < -1) && !hidden && !scrolled(element))
      found.push(element.outerHTML.slice(0, 120));
  }
  return found.slice(0, 5);
}"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# the layout must hold with any font: a wide, a narrow and a missing one, and letters that stand further apart
FONTS = ("", "monospace", "'Liberation Sans Narrow', 'Arial Narrow'", "'There Is No Such Font'", "spaced")
SET_FONT = """font => {
  document.body.style.fontFamily = font === "spaced" ? "" : font;
  document.body.style.letterSpacing = font === "spaced" ? ".08em" : "";
}"""
# the colors are looked at in both schemes; the rest of a page is the same in each
AXE = """async scheme => (await axe.run({
  resultTypes: ["violations"],
  ...(scheme === "dark" && {runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}),
})).violations"""
UNSTYLED = "() => getComputedStyle(document.body).getPropertyValue('--paper') === ''"


class View(NamedTuple):
    scheme: Scheme
    width: int

    def __str__(self) -> str:
        return f"{self.scheme}-{self.width}"


VIEWS = tuple(View(scheme, width) for scheme in SCHEMES for width in (WIDE, NARROW))


@dataclass
class Watch:
    """Collects what a page complains about: errors of scripts, refusals of the content policy, requests that fail."""

    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def unexpected(self) -> list[str]:
        return [fault for fault in self.faults if not any(part in fault for part in self.expected)]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        """A page that is left takes its stream of events along, and a download is no page."""
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"answered {response.status}: {response.request.method} {response.url}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    assert path, "there is no chromium here; install Debian's: apt-get install -y chromium"
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


async def sign_in(page: Page, url: str, key: str) -> None:
    await page.goto(f"{url}/admin/sign-in")
    await page.get_by_label("Key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", level=1).wait_for()


async def in_view(page: Page, view: View) -> None:
    await page.emulate_media(color_scheme=view.scheme)
    await page.set_viewport_size({"width": view.width, "height": 900})


async def violations(page: Page, axe: str) -> AsyncIterator[str]:
    """What axe-core finds, and flaws of the layout, each with the view in which it is seen."""
    await page.evaluate(axe)
    for view in VIEWS:
        await in_view(page, view)
        for line in lines(await page.evaluate(AXE, view.scheme)):
            yield f"{view}: {line}"
        for flaw in await flaws(page) if view.scheme == "light" else ():
            yield f"{view}: serious {flaw}"


async def flaws(page: Page) -> Sequence[str]:
    """Returns what is wrong with how a page is laid out, in any of the fonts."""
    found = ["the style sheet is not there"] if await page.evaluate(UNSTYLED) else []
    for font in FONTS:
        await page.evaluate(SET_FONT, font)
        found += [f"{flaw} (font: {font or 'as it is'})" for flaw in await _sticking_out(page)]
    await page.evaluate(SET_FONT, "")
    return found


async def _sticking_out(page: Page) -> Sequence[str]:
    found = [f"sticks out: {html}" for html in await page.evaluate(STICKING_OUT)]
    if (more := await page.evaluate(TOO_WIDE)) > 0:
        found.append(f"the page is {more} pixels wider than the window")
    return found


def lines(violations: Sequence[Any]) -> Iterator[str]:
    """What axe-core found, as one line each."""
    for violation in violations:
        for node in violation["nodes"]:
            yield f"{violation['impact']} {violation['id']}: {violation['help']}: {node['html'][:160]}"


async def open_failed(page: Page) -> None:
    await page.get_by_role("link", name="by cause, and as a file").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Failed records")


async def download(page: Page, folder: Path) -> bytes:
    """What the first button of the page sends."""
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="-failed.").click()
    await (await coming.value).save_as(folder / "failed")
    return (folder / "failed").read_bytes()
