"""A page as a test reads it: its words, its links, its forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_SILENT = ("script", "style", "title")


@dataclass
class PageForm:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.headings: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[PageForm] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._link: tuple[str, int] | None = None
        self._choice = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self._open.append(tag)
        if "id" in said:
            self.ids.append(said["id"])
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        elif tag == "a":
            self._link = (said.get("href", ""), len(self.words))
        elif tag == "form":
            self.forms.append(PageForm(said.get("action", ""), said.get("method", "get")))
        elif self.forms and "name" in said and tag in ("input", "textarea", "select", "button"):
            self._field(tag, said)
        elif tag == "option" and self.forms and "selected" in said:
            self.forms[-1].fields[self._choice] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "a" and self._link is not None:
            href, start = self._link
            self.links.setdefault(" ".join(self.words[start:]), href)
            self._link = None

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or any(tag in self._open for tag in _SILENT):
            return
        self.words.append(text)
        if any(tag in self._open for tag in ("h1", "h2", "h3")):
            self.headings[-1] = f"{self.headings[-1]} {text}".strip()

    def _field(self, tag: str, said: dict[str, str]) -> None:
        self._choice = said["name"]
        if tag == "button" or (said.get("type") in ("checkbox", "radio") and "checked" not in said):
            return
        self.forms[-1].fields[said["name"]] = said.get("value", "on" if said.get("type") == "checkbox" else "")


@dataclass
class Page:
    """An answer of the site. `text` is what a reader sees, with single spaces; `links` are by their words."""

    status: int
    headers: dict[str, str]
    body: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.body)
        self.text = " ".join(reader.words)
        self.headings = reader.headings
        self.links = reader.links
        self.forms = reader.forms
        self.ids = reader.ids

    @property
    def to(self) -> str:
        """Where the browser is sent."""
        return self.headers.get("Location", "")

    def form(self, action: str) -> PageForm:
        """The one form that goes there."""
        (found,) = [form for form in self.forms if form.action == action]
        return found
