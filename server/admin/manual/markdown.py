"""Renders the Markdown of the manual as HTML; raw HTML in it is shown as text."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

Address = Callable[[str], str | None]
"""Returns where a link of the text leads on the site; None where it leads nowhere there."""

_CAPTIONS = {
    "model": "The model",
    "process": "The process",
    "control": "The control file",
    "instructions": "Instructions",
    "input": "A file",
    "rows": "Rows of {}",
    "messages": "In the log",
    "wrong": "With mistakes",
    "says": "The check says",
    "file": "{}",
    "same": "{}",
    "module": "{}.py",
}
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered text. `summary` is its first paragraph."""

    title: str
    summary: Markup
    html: Markup
    headings: tuple[Heading, ...]


def render(text: str, address: Address) -> Document:
    markdown = _markdown()
    tokens = markdown.parse(text)
    headings = tuple(_with_anchors(tokens))
    _lead_links(tokens, address)
    return Document(
        title=headings[0].title if headings else "",
        summary=Markup(markdown.renderer.render(_first_paragraph(tokens), markdown.options, {})),  # noqa: S704
        html=Markup(markdown.renderer.render(tokens, markdown.options, {})),  # noqa: S704
        headings=headings,
    )


def anchor(title: str) -> str:
    """Returns the name that code hosts give a heading, so that one link works there and on the site."""
    return _NOT_IN_ANCHORS.sub("", title.lower()).replace(" ", "-")


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules: dict[str, Callable[..., str]] = {
        "fence": _code,
        "code_block": _code,
        "table_open": lambda *_: '<div class="scroll" tabindex="0">\n<table>\n',
        "table_close": lambda *_: "</table>\n</div>\n",
    }
    markdown.renderer.rules |= rules  # type: ignore[attr-defined]
    return markdown


def _code(tokens: Sequence[Token], index: int, *_: Any) -> str:
    """Returns a code block that scrolls, by keyboard too, under its caption."""
    code = f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'
    caption = _caption(*tokens[index].info.split()[1:])
    return f'<figure>\n<figcaption class="soft">{escape(caption)}</figcaption>\n{code}</figure>\n' if caption else code


def _caption(role: str = "", of: str = "", *_: str) -> str:
    """Returns the caption of a block. The manual has it behind the fence, where code hosts do not show it."""
    return _CAPTIONS.get(role, "").format(of)


def _with_anchors(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Gives each heading an id and a link to itself, and yields it; a repeated title gets a number."""
    seen = Counter[str]()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        title = "".join(child.content for child in inline.children or ())
        name = anchor(title)
        unique = f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1
        opening.attrSet("id", unique)
        inline.children = _linked(inline.children or [], f"#{unique}")
        yield Heading(int(opening.tag[1]), title, unique)


def _linked(children: Sequence[Token], target: str) -> list[Token]:
    return [Token("link_open", "a", 1, {"href": target}), *children, Token("link_close", "a", -1)]


def _lead_links(tokens: Sequence[Token], address: Address) -> None:
    """Makes links lead to pages of the site; a link to no page of the site becomes plain text."""
    for token in tokens:
        tag = "a"
        for child in token.children or ():
            if child.type == "link_open":
                target = address(str(child.attrs["href"]))
                tag = "span" if target is None else "a"
                child.attrs = {} if target is None else {"href": target}
            if child.type in ("link_open", "link_close"):
                child.tag = tag


def _first_paragraph(tokens: Sequence[Token]) -> Sequence[Token]:
    start = next((index for index, token in enumerate(tokens) if token.type == "paragraph_open"), len(tokens))
    return tokens[start : start + 3]
