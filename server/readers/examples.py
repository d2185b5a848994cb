"""Shows what a file looks like that has values under these names: its name row, or one record."""

import csv
from collections.abc import Callable, Iterator, Mapping
from io import StringIO

import orjson

_VALUES: Mapping[str, object] = {"integer": 1, "number": 1.5, "boolean": True}
_SHOWN_NAMES = 60
_DEEPEST = 50  # lists within lists

Example = Callable[[Mapping[str, str], Mapping[str, object]], str]
"""Takes the type of each value by its name (`books[].title` is within a list), and the entry in the control file."""


def csv_example(names: Mapping[str, str], options: Mapping[str, object]) -> str:
    separator, quote = str(options.get("separator", ",")), str(options.get("quote", '"'))
    if not quote:
        return separator.join(columns_of(names))
    line = StringIO()
    csv.writer(line, delimiter=separator, quotechar=quote, lineterminator="").writerow(columns_of(names))
    return line.getvalue()


def tsv_example(names: Mapping[str, str], options: Mapping[str, object]) -> str:
    return str(options.get("separator", "\t")).join(columns_of(names))


def sheet_example(names: Mapping[str, str], _options: Mapping[str, object]) -> str:
    return "\t".join(columns_of(names))


def columns_of(names: Mapping[str, str]) -> list[str]:
    """The names that a table can have: a column has no list of records."""
    return [name for name in names if "[]" not in name]


def json_lines_example(names: Mapping[str, str], _options: Mapping[str, object]) -> str:
    return orjson.dumps(_object(_shown(names))).decode()


def json_example(names: Mapping[str, str], options: Mapping[str, object]) -> str:
    record = json_lines_example(names, options)
    return record if options.get("singleRecord") else f"[{record}, …]"


def children_example(names: Mapping[str, str], _options: Mapping[str, object]) -> str:
    return "<record>" + "".join(f"<{name}>…</{name}>" for name in columns_of(_shown(names))) + "</record>"


def attributes_example(names: Mapping[str, str], _options: Mapping[str, object]) -> str:
    return "<record " + " ".join(f'{name}="…"' for name in columns_of(_shown(names))) + "/>"


def _shown(names: Mapping[str, str]) -> Mapping[str, str]:
    return dict(list(names.items())[:_SHOWN_NAMES])


def _object(names: Mapping[str, str]) -> dict[str, object]:
    """A record with a value under each name, nested as the names say."""
    record: dict[str, object] = {}
    for name, type_ in names.items():
        if name.count("[].") <= _DEEPEST:
            _put(record, list(_steps(name)), _VALUES.get(type_, "…"))
    return record


def _steps(source: str) -> Iterator[str]:
    """The parts of a name. A name may have dots of its own, which then look like nesting."""
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
