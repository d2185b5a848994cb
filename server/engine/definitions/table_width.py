"""Checks, before the first row, that tables have room for the columns of an import: no retry could make room."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from server.mapping.language.control import MOST_OPEN_NAMES
from server.mapping.model.model import Model
from server.mapping.model.scope import RunFault
from storage.records.base import Table

MOST_COLUMNS = 1_950  # SQLite allows 2,000; the system columns need some


def check_room(columns: Callable[[str], Sequence[str]], tables: Iterable[Table], models: Mapping[str, Model]) -> None:
    """Raises RunFault if a table has no room, or has a needed column in another spelling.

    A table of an open destination keeps room for Names that its model declares later, as its columns are never dropped.
    """
    declared = {d.table: d.open for model in models.values() for d in model.destinations.values()}
    for table in tables:
        there = {column.lower(): column for column in columns(table.name)}
        needed = [column.name for column in table.columns]
        _check_spelling(table.name, there, needed)
        most = MOST_OPEN_NAMES if declared.get(table.name, True) else MOST_COLUMNS
        _check_number(table.name, there, needed, most)


def _check_spelling(table: str, there: Mapping[str, str], needed: Sequence[str]) -> None:
    for column in needed:
        other = there.get(column.lower(), column)
        if other != column:
            raise RunFault(
                f"the table {table} has a column {other}, so it cannot have a column {column}: the database does not "
                f"tell them apart; use the Name of the column {other}, or another one"
            )


def _check_number(table: str, there: Mapping[str, str], needed: Sequence[str], most: int) -> None:
    new = [column for column in needed if column.lower() not in there]
    if new and len(there) + len(new) > most:
        raise RunFault(
            f"the table {table} has {len(there):,} columns, and the import needs {len(new):,} more; it can have "
            f"{most:,} at most: leave Names out, or use another destination"
        )
