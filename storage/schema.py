"""What all tables of the catalog database share: one MetaData, the column types, and how rows become dataclasses.

A moment is stored as ISO 8601 text in UTC of fixed width (`2025-03-01T09:30:00.000000Z`): it sorts as text, and a
person with `sqlite3` can read it. In Python it is always an aware datetime in UTC.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Dialect,
    FromClause,
    Integer,
    MetaData,
    Row,
    String,
    TypeDecorator,
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


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as sortable text."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else to_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Words(TypeDecorator[tuple[str, ...]]):
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


def columns_of(source: FromClause, row_class: type[Any]) -> list[ColumnElement[Any]]:
    """The columns in the order of the dataclass, so that `row_class(*row)` is right."""
    return [source.c[field.name] for field in fields(row_class)]


def one(row_class: Callable[..., T], row: Row[Any] | None) -> T | None:
    return None if row is None else row_class(*row)


def many(row_class: Callable[..., T], rows: Iterable[Row[Any]]) -> list[T]:
    return [row_class(*row) for row in rows]
