"""Files for a control file: an example of what they hold, and an empty one to start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.engine.corrections.workbooks import table_sheets, workbook
from server.mapping.language.columns import sources_of
from server.mapping.model.model import Model
from server.readers.examples import columns_of
from server.readers.formats import FORMATS, Format
from server.readers.text.charsets import python_codec

_MOST_SHEETS = 100  # of an empty workbook


@dataclass(frozen=True, slots=True)
class Role:
    """A file that a control file reads. `name` is None for files of any name; `columns` are those of a table."""

    name: str | None
    format: Format
    options: Mapping[str, object]
    columns: Sequence[str]
    example: str | None

    @property
    def has_template(self) -> bool:
        sheet = self.options.get("sheet", 1)
        return bool(self.columns) and not (isinstance(sheet, int) and sheet > _MOST_SHEETS)


@dataclass(frozen=True, slots=True)
class Template:
    filename: str
    kind: str
    content: bytes


def roles_of(control: Mapping[str, Any], model: Model, most: int) -> list[Role]:
    """Returns the named files in the control file's order, then files of any name; `most` at most."""
    entries = control.get("files", {})
    named = [(name, entry) for name, entry in entries.items() if name != "DEFAULT"]
    others = [(None, entries["DEFAULT"])] if "DEFAULT" in entries else []
    sources = sources_of(control, model)
    return [_role(name, entry, sources) for name, entry in (*named, *others)[:most]]


def template_of(role: Role, called: str) -> Template:
    """Returns a file with the names of the columns and no rows."""
    content = _workbook(role) if role.format.values == "cells" else _text(role)
    return Template(f"{called}{role.format.suffix}", role.format.media_type, content)


def _workbook(role: Role) -> bytes:
    return b"".join(workbook(table_sheets(role.options.get("sheet", 1), list(role.columns), [])))


def _text(role: Role) -> bytes:
    charset = str(role.options.get("charset", "utf-8"))
    # without a byte order mark Excel reads CSV as Latin-1
    mark = "\ufeff" if charset.lower() == "utf-8" and role.format.media_type == "text/csv" else ""
    return f"{mark}{role.example}\r\n".encode(python_codec(charset) or "utf-8", "replace")


def _role(name: str | None, entry: Mapping[str, object], sources: Mapping[str, str]) -> Role:
    format = FORMATS[str(entry["read"])]
    example = None if format.example is None else format.example(sources, entry)
    return Role(name, format, entry, columns_of(sources) if format.tabular else [], example)
