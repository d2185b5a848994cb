"""What a file for a control file looks like: an example of it, and a file to start from."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import orjson

from server.engine.corrections.workbooks import table_sheets, workbook
from server.mapping.language.columns import sources_of
from server.mapping.model.model import Model
from server.readers.text.charsets import python_codec

_VALUES: Mapping[str, object] = {"integer": 1, "number": 1.5, "boolean": True}
XLSX = "xlsx-with-name-row"
_TABLES = ("csv-with-name-row", "tsv-with-name-row", XLSX)
_SHOWN_COLUMNS = 60
_DEEPEST = 50  # lists within lists
_MOST_SHEETS = 100  # of a workbook that is made to be filled


@dataclass(frozen=True, slots=True)
class Role:
    """A file that a control file takes: `name` is None for files of any name. `columns` where it is a table."""

    name: str | None
    read: str
    options: Mapping[str, object]
    columns: Sequence[str]
    example: str | None

    @property
    def has_template(self) -> bool:
        sheet = self.options.get("sheet", 1)
        return self.read in _TABLES and bool(self.columns) and not (isinstance(sheet, int) and sheet > _MOST_SHEETS)


@dataclass(frozen=True, slots=True)
class Template:
    filename: str
    kind: str
    content: bytes


def roles_of(control: Mapping[str, Any], model: Model, most: int) -> list[Role]:
    """The named files in the control file's order, then files of any name; no more than `most`."""
    entries = control.get("files", {})
    named = [(name, entry) for name, entry in entries.items() if name != "DEFAULT"]
    others = [(None, entries["DEFAULT"])] if "DEFAULT" in entries else []
    sources = sources_of(control, model)
    return [_role(name, entry, sources) for name, entry in (*named, *others)[:most]]


def template_of(role: Role, called: str) -> Template:
    """A file of nothing but the names of the columns."""
    if role.read == XLSX:
        sheets = table_sheets(role.options.get("sheet", 1), list(role.columns), [])
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return Template(f"{called}.xlsx", kind, b"".join(workbook(sheets)))
    charset = str(role.options.get("charset", "utf-8"))
    mark = "\ufeff" if charset.lower() == "utf-8" and role.read.startswith("csv") else ""  # Excel takes it for Latin
    text = mark + _line(role) + "\r\n"
    suffix, kind = ("csv", "text/csv") if role.read.startswith("csv") else ("tsv", "text/tab-separated-values")
    return Template(f"{called}.{suffix}", kind, text.encode(python_codec(charset) or "utf-8", "replace"))


def _role(name: str | None, entry: Mapping[str, object], sources: Mapping[str, str]) -> Role:
    read = str(entry.get("read"))
    columns = [source for source in sources if "[]" not in source] if read in _TABLES else []
    role = Role(name, read, entry, columns, None)
    return Role(name, read, entry, columns, _example(role, sources))


def _example(role: Role, sources: Mapping[str, str]) -> str | None:
    if role.read in _TABLES:
        return _line(role)
    shown = dict(list(sources.items())[:_SHOWN_COLUMNS])
    if role.read in ("json", "json-lines"):
        record = orjson.dumps(_object(shown)).decode()
        return record if role.read == "json-lines" or role.options.get("singleRecord") else f"[{record}, …]"
    if role.read == "xml-text-of-children":
        return "<record>" + "".join(f"<{name}>…</{name}>" for name in shown if "[]" not in name) + "</record>"
    if role.read == "xml-attributes":
        return "<record " + " ".join(f'{name}="…"' for name in shown if "[]" not in name) + "/>"
    return None


def _line(role: Role) -> str:
    separator = str(role.options.get("separator", "\t" if role.read == "tsv-with-name-row" else ","))
    quote = str(role.options.get("quote", '"'))
    if role.read != "csv-with-name-row" or not quote:
        return ("\t" if role.read == XLSX else separator).join(role.columns)
    line = StringIO()
    csv.writer(line, delimiter=separator, quotechar=quote, lineterminator="").writerow(role.columns)
    return line.getvalue()


def _object(sources: Mapping[str, str]) -> dict[str, object]:
    """A record that has all of these, nested as their names say."""
    record: dict[str, object] = {}
    for source, type_ in sources.items():
        if source.count("[].") > _DEEPEST:
            continue
        _put(record, list(_steps(source)), _VALUES.get(type_, "…"))
    return record


def _steps(source: str) -> Iterator[str]:
    """`books[].title` is within a list; a name may have dots of its own, which then look like nesting."""
    before, sign, behind = source.partition("[].")
    yield before
    if sign:
        yield "[]"
        yield from _steps(behind)


def _put(record: dict[str, object], steps: list[str], value: object) -> None:
    name, *rest = steps
    if not rest:
        record.setdefault(name, value)
        return
    if rest[1:] == ["value"]:
        record.setdefault(name, [value])
        return
    inner = record.setdefault(name, [{}])
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        _put(inner[0], rest[1:], value)
