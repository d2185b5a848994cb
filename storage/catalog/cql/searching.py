"""Makes conditions on columns from a search tree. All text of the client becomes bound parameters."""

import re
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Float, and_, case, cast, false, func, literal, not_, or_, true

from storage.catalog.cql import patterns
from storage.catalog.cql.conditions import Both, Comparison, Condition, Either, Everything, Order, Search, Without

Fields = Mapping[str, ColumnElement[str]]

_NUMBER = r"\A\s*-?[0-9]+(\.[0-9]+)?\s*\Z"


def where(condition: Condition, fields: Fields) -> ColumnElement[bool]:
    """Returns the condition. `fields` are the searchable texts as clients see them; any other field matches no row."""
    match condition:
        case Everything():
            return true()
        case Comparison():
            field = fields.get(condition.field)
            return false() if field is None else _compared(field, condition)
        case Both(left, right):
            return and_(where(left, fields), where(right, fields))
        case Either(left, right):
            return or_(where(left, fields), where(right, fields))
        case Without(left, right):
            return and_(where(left, fields), not_(func.coalesce(where(right, fields), false())))


def order_by(search: Search, fields: Fields) -> list[ColumnElement[str]]:
    """Returns the sort order. A field that is not searchable is left out."""
    known = [(fields[key.field], key.descending) for key in search.order if key.field in fields]
    return [func.lower(field).desc() if descending else func.lower(field).asc() for field, descending in known]


def _compared(field: ColumnElement[str], asked: Comparison) -> ColumnElement[bool]:
    exactness = {"case": asked.case, "accents": asked.accents}
    match asked.relation:
        case "==":
            return field.regexp_match(patterns.whole(asked.term, **exactness))
        case "<>":
            return not_(field.regexp_match(patterns.whole(asked.term, **exactness)))
        case "<" | "<=" | ">" | ">=":
            return _ordered(field, asked.relation, patterns.literal(asked.term))
    if not patterns.words(asked.term):
        return field.is_not(None)
    if asked.relation in ("=", "adj"):
        return field.regexp_match(patterns.phrase(asked.term, **exactness))
    found = [field.regexp_match(pattern) for pattern in patterns.single_words(asked.term, **exactness)]
    return and_(*found) if asked.relation == "all" else or_(*found)


def _ordered(field: ColumnElement[str], relation: Order, term: str) -> ColumnElement[bool]:
    """Compares numbers where both are numbers, else texts, so that a date compares with a year as text."""
    by_text = _in_order(func.lower(field), relation, func.lower(literal(term)))
    if not re.fullmatch(_NUMBER, term):
        return by_text
    by_number = _in_order(cast(field, Float), relation, literal(float(term)))
    return case((field.regexp_match(_NUMBER), by_number), else_=by_text)


def _in_order(left: ColumnElement[object], relation: Order, right: ColumnElement[object]) -> ColumnElement[bool]:
    match relation:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
