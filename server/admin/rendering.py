"""Loads templates, and formats values for them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from server.engine.batches.log_text import log_text
from server.engine.events import Counts

FOLDER = Path(__file__).parent
TEMPLATES = web.AppKey("templates", jinja2.Environment)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in words; `style` is a class of the style sheet that gives the color."""

    words: str
    style: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text on a page, and the address of its link, if it is one.

    `style` is a class of the style sheet; `full` is the whole of a text that is cut, shown when a pointer rests on it.
    """

    text: str | Markup
    href: str | None = None
    style: str = ""
    full: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence that stands out; `kind` is a class of the style sheet."""

    parts: Sequence[Text]
    kind: str = "warning"


def message(text: str, kind: str = "warning") -> Message:
    return Message((Text(text),), kind)


class Templates:
    """The site's templates. They are read once, in a thread, when the first page is requested."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._loaded = False

    def attach(self, app: web.Application) -> None:
        aiohttp_jinja2.setup(
            app,
            app_key=TEMPLATES,
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            filters=FILTERS,
            default_helpers=False,
            auto_reload=False,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def render(
        self, request: web.Request, template: str, context: Mapping[str, object], status: int = 200
    ) -> web.Response:
        await self._load(request.app[TEMPLATES])
        return aiohttp_jinja2.render_template(template, request, context, app_key=TEMPLATES, status=status)

    async def _load(self, environment: jinja2.Environment) -> None:
        async with self._loading:
            if not self._loaded:
                await asyncio.to_thread(_read_all, environment)
                self._loaded = True


def _read_all(environment: jinja2.Environment) -> None:
    for name in environment.list_templates():
        environment.get_template(name)


def size(count: int) -> str:
    """Returns a number of bytes in the unit that people expect."""
    value, step = float(count), 0
    while value >= 1024 and step < len(UNITS) - 1:
        value, step = value / 1024, step + 1
    return f"{count} bytes" if step == 0 else f"{value:.1f} {UNITS[step]}"


def number(value: float) -> str:
    """Returns a number with narrow spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def moment(value: datetime | str | None) -> Markup:
    """Returns a time in UTC that breaks only between date and time. Texts come from the record store."""
    if value is None:
        return Markup("&ndash;")
    at = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return Markup('<time datetime="{}"><span>{}</span> <span>{} UTC</span></time>').format(
        f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"
    )


def duration(seconds: float | None) -> str:
    """Returns a duration in its two largest units."""
    if seconds is None:
        return "\u2013"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def short(text: str, length: int = 12) -> str:
    """Returns the beginning of a digest or an identifier."""
    return text if len(text) <= length + 1 else f"{text[:length]}…"


def as_text(value: bytes | str | None) -> str:
    """Returns what a client sent as text; bytes that are not UTF-8 become escapes."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def plural(count: int, noun: str) -> str:
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def badge(state: str, counts: Counts | None = None) -> Badge:
    """Returns the badge of a state. An end with failed records or lost values does not look like a plain success."""
    if counts is None:
        return Badge(state, state)
    parts = [f"{number(counts.failed)} failed"] if counts.failed else []
    parts += [f"{number(counts.with_warnings)} with warnings"] if counts.with_warnings else []
    style = "failed" if counts.failed else "warning" if counts.with_warnings else state
    return Badge(", ".join([state, *parts]), style)


FILTERS: dict[str, Any] = {
    "size": size,
    "number": number,
    "moment": moment,
    "duration": duration,
    "short": short,
    "as_text": as_text,
    "log_text": log_text,
    "plural": plural,
    "badge": badge,
}
