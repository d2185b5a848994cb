"""What all tables of the catalog database share: one MetaData, the column types, and how rows become dataclasses.

A moment is stored as ISO 8601 text in UTC of fixed width (`2025-03-01T09:30:00.000000Z`): it sorts as text, and a
person with `sqlite3` can read it. In Python it is always an aware datetime in UTC.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    TypeDecorator,
    insert,
)

T = TypeVar("T")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER key


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as sortable text."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else to_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class StringList(TypeDecorator[tuple[str, ...]]):
    """A tuple of words, stored as a JSON array."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> list[str]:
        return list(value or ())

    def process_result_value(self, value: list[str] | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(value or ())


def to_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


class InsertRow:
    """An insert of one row, compiled once: SQLAlchemy's own way costs three times as much, for each row anew."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._statement = ""
        self._columns: list[tuple[str, Callable[[Any], Any] | None]] = []

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """The number that the row got; all other columns must be given."""
        if not self._statement:
            self._compile(connection.dialect)
        row = tuple(values[name] if bind is None else bind(values[name]) for name, bind in self._columns)
        return connection.exec_driver_sql(self._statement, row).lastrowid

    def _compile(self, dialect: Dialect) -> None:
        names = [column.name for column in self._table.columns if not column.primary_key]
        compiled = insert(self._table).compile(dialect=dialect, column_keys=names)
        types = {column.name: column.type for column in self._table.columns}
        assert compiled.positiontup == names
        self._columns = [(name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in names]
        self._statement = compiled.string


def columns_of(source: FromClause, row_class: type[Any]) -> list[ColumnElement[Any]]:
    """The columns in the order of the dataclass, so that `row_class(*row)` is right."""
    return [source.c[field.name] for field in fields(row_class)]


def one(row_class: Callable[..., T], row: Row[Any] | None) -> T | None:
    return None if row is None else row_class(*row)


def many(row_class: Callable[..., T], rows: Iterable[Row[Any]]) -> list[T]:
    return [row_class(*row) for row in rows]
