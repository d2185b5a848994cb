"""Writes whole tables as JSON Lines or CSV."""

import csv
from typing import Any, Literal

import orjson

from server.mapping.record.export import Export
from storage.records.base import Row

Format = Literal["jsonl", "csv"]


class TableText:
    """The text of a table's rows, a part at a time: `head`, then `line` of each row."""

    def __init__(self, shape: Export, format: Format) -> None:
        self._shape = shape
        self._keys = shape.keys
        self._line = self._csv if format == "csv" else self._json
        self._writer = csv.writer(_Echo())
        self.head = self._cells(shape.keys) if format == "csv" else ""

    def line(self, row: Row) -> str:
        return self._line(self._shape.row(row.id, row.values))

    def _json(self, row: dict[str, object]) -> str:
        return orjson.dumps(row).decode() + "\n"

    def _csv(self, row: dict[str, object]) -> str:
        return self._cells([_cell(row.get(key)) for key in self._keys])

    def _cells(self, values: list[object] | list[str]) -> str:
        written: Any = self._writer.writerow(values)
        return str(written)


class _Echo:
    """A file whose `write` returns the text, so that `writerow` returns the text of the row."""

    def write(self, text: str) -> str:
        return text


def _cell(value: object) -> object:
    """Returns a value for CSV: lists, objects and booleans as JSON writes them."""
    return orjson.dumps(value).decode() if isinstance(value, bool | list | dict) else value
