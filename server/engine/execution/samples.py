"""Collects what the review of a dry run shows: the files' columns, and the first records of each kind. Bounded."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from server.mapping.model.model import Model
from server.mapping.model.scope import Change, Lookup, Scalar
from server.mapping.record.export import Field, make_export
from server.mapping.values.types.structured import PARTS, display_text
from server.readers.base import BadRecord, Block
from storage.catalog.base import OutcomeStatus
from storage.records.base import Written

KINDS: tuple[OutcomeStatus, ...] = ("created", "updated", "unchanged", "deleted", "failed", "skipped")
LOOKED_AT = 1000  # records of each file whose columns are collected
MOST_COLUMNS = 300
MOST_SHEETS = 100
MOST_VALUES = 60  # of one record or row
MOST_ROWS = 20  # that one record changes
LONGEST = 200  # characters of a value
LONGEST_NAME = 500  # and of a column's name
_DEEPEST = 6

Before = Sequence[Mapping[str, Scalar] | None]


def digest_of(model: Model) -> str:
    """Returns a digest of the model, by which a later change is noticed."""
    return hashlib.sha256(repr(model).encode()).hexdigest()


@dataclass(slots=True)
class FileColumns:
    """The columns of one file in order of appearance, each with its first value.

    `more`: there are more than MOST_COLUMNS. `sheets`: the sheets of a workbook that has several.
    """

    first: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0
    more: bool = False
    sheets: tuple[str, ...] = ()

    def see(self, column: str, value: object) -> None:
        if column not in self.first:
            if len(self.first) == MOST_COLUMNS:
                self.more = True
                return
            self.first[column] = ""
        if not self.first[column] and value not in (None, ""):
            self.first[column] = text_of(value)


class Samples:
    """Samples of one run, `each` of a kind of record. `misfits` says of each file why it may not suit its reader."""

    def __init__(
        self, model: Model, models: Mapping[str, Model], each: int, misfits: Mapping[str, str | None] | None = None
    ) -> None:
        self._model = model
        self._models = models
        self._wanted = dict.fromkeys(KINDS, each)
        self._misfits = misfits or {}
        self._files: dict[str, FileColumns] = {name: FileColumns() for name in self._misfits}

    def look(self, file: str, block: Block) -> None:
        """Collects the columns of a block's records, for the first LOOKED_AT records of a file."""
        columns = self._files.setdefault(file, FileColumns())
        columns.sheets = columns.sheets or block.sheets[:MOST_SHEETS]
        if columns.looked_at >= LOOKED_AT:
            return
        for name in block.names or ():
            columns.see(_name(name), "")
        for record in block.records[: LOOKED_AT - columns.looked_at]:
            columns.looked_at += 1
            for column, value in _leaves(record, "", 0):
                columns.see(column, value)

    def lack(self, written: Written) -> bool:
        """Whether rows that were stored together include some that are wanted as samples."""
        return any(count and self._wanted[kind] for kind, count in zip(KINDS, written, strict=False))

    def lacks(self, status: OutcomeStatus) -> bool:
        return self._wanted[status] > 0

    def before(self, status: OutcomeStatus, changes: Sequence[Change], lookup: Lookup) -> Before:
        """Returns the rows that the changes are about. Call it before the changes are stored."""
        if not self.lacks(status):
            return ()
        return [_stored(change, lookup) for change in changes[:MOST_ROWS]]

    def take(
        self, status: OutcomeStatus, record: object, changes: Sequence[Change], before: Before
    ) -> dict[str, object] | None:
        """Returns the sample of a record; None if there are enough of its kind."""
        if not self.lacks(status):
            return None
        self._wanted[status] -= 1
        pairs = zip(changes, before, strict=False) if status != "failed" else ()
        return {"read": _read(record), "rows": [self._row(change, old) for change, old in pairs]}

    def found(self) -> dict[str, object]:
        """Returns the columns of the files as they are stored with the batch."""
        files = [
            {
                "name": name,
                "columns": columns.first,
                "looked_at": columns.looked_at,
                "more": columns.more,
                "misfit": self._misfits.get(name),
                "sheets": [name[:LONGEST] for name in columns.sheets],
            }
            for name, columns in self._files.items()
        ]
        return {"files": files, "model": digest_of(self._model)}

    def _row(self, change: Change, old: Mapping[str, Scalar] | None) -> dict[str, object]:
        """Returns the values that change, by Name: old and new, as texts."""
        was = dict(old or {})
        becomes = {} if change.op == "delete" else {**was, **change.values}
        table = change.destination.table
        export = make_export(table, {*was, *becomes}, self._models.values())
        one, other = export.row(change.id, was), export.row(change.id, becomes)
        changed = [f for f in export.fields if one.get(f.key) != other.get(f.key)]
        values = {f.key: [_shown(f, one.get(f.key)), _shown(f, other.get(f.key))] for f in changed[:MOST_VALUES]}
        return {"destination": change.destination.name, "table": table, "op": change.op, "values": values}


def text_of(value: object) -> str:
    """Returns a value for display: text as it is, anything else as JSON; shortened."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = text[: LONGEST + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _shown(field: Field, value: object) -> str | None:
    """Returns a stored value for display: names and addresses in one line."""
    if value is not None and field.name is not None and field.name.type in PARTS:
        return text_of(display_text(orjson.dumps(value).decode()))
    return None if value is None else text_of(value)


def _stored(change: Change, lookup: Lookup) -> Mapping[str, Scalar] | None:
    row = None if change.op == "insert" else lookup.get(change.destination.table, change.id)
    return None if row is None else dict(row.values)


def _read(record: object) -> dict[str, str]:
    """Returns the values of a record as it was read; empty for a record that could not be read."""
    found: dict[str, str] = {}
    for column, value in _leaves(record, "", 0):
        if len(found) == MOST_VALUES:
            break
        if value not in (None, ""):
            found.setdefault(column, text_of(value))
    return found


def _name(key: object) -> str:
    """Returns a column's name, shortened; no control file names a column that is so long."""
    text = str(key)
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    """Yields each value with its path, written as a control file's flows write it: `books[].title`."""
    if isinstance(value, BadRecord):
        return
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{_name(key)}" if path else _name(key), depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for inner in value[:MOST_VALUES] or (None,):
            yield from _leaves(inner, f"{path}[]", depth + 1)
    else:
        yield path or "value", value
