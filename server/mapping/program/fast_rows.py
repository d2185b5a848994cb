"""Rows of plain records, made column by column.

The values of a column in a block are converted together: `set(map(type, values))` finds their types in C, and values
of the type that is stored need no Python call each. Only unusual columns are converted value by value. Client text
(sources, values, constants) is only compared, looked up and stored.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from operator import itemgetter
from types import NoneType
from typing import NamedTuple, cast

import orjson

from server.mapping.model.scope import Scalar
from server.mapping.program.fast_columns import ColumnConverter, Values
from server.mapping.values.javascript import NOTHING, Nothing

Row = tuple[Scalar, ...]
Record = Mapping[str, object]

_TEXTS = {str, NoneType}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column is filled: from a source, or with a constant.

    * `convert` returns NOTHING for a value whose record must take the slow path.
    * `by_type` converts all values of a type together.
    * `wrap` stores a value as a JSON array, for a Name with several values.
    * `false` is what a JSON false is stored as; by default it is no value. `slow_false` sends it to the slow path.
    * `of_type` marks the default type, which makes no row by itself.
    """

    column: str
    source: str | None
    constant: Scalar
    convert: Callable[[object], object]
    by_type: Mapping[type, ColumnConverter]
    wrap: bool = False
    required: bool = False
    false: Scalar | Nothing = NOTHING
    slow_false: bool = False
    of_type: bool = False

    @property
    def gap(self) -> Scalar | Nothing:
        """Returns what is stored for an absent value."""
        return NOTHING if self.required else None

    @property
    def when_false(self) -> Scalar | Nothing:
        if self.slow_false:
            return NOTHING
        return self.gap if self.false is NOTHING else self.false


class _MadeColumn(NamedTuple):
    """The values to store, one for each plain record, and the indexes of the records that must take the slow path."""

    values: Iterable[object]
    slow: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class RowsOfDicts:
    """Makes rows of records that are objects."""

    plans: Sequence[ColumnPlan]
    allowed: frozenset[str] | None = None

    def __call__(self, records: Sequence[object], number: int, rows: list[Row], slow: list[int]) -> None:
        places = _places_of(dict, records)
        if self.allowed is not None:
            places = [place for place in places if cast(Record, records[place]).keys() <= self.allowed]
        plain = _at(places, records)
        columns = [_of_key(plan, plain) for plan in self.plans]
        _append(self.plans, columns, _PlainRecords(places, len(records), number), rows, slow)


@dataclass(frozen=True, slots=True)
class RowsOfLists:
    """Makes rows of records that are lists under a name row. Of equal names the last one counts, as in an object."""

    plans: Sequence[ColumnPlan]
    header: Sequence[str]
    allowed: frozenset[str] | None = None

    def __call__(self, records: Sequence[object], number: int, rows: list[Row], slow: list[int]) -> None:
        places = self._plain(records)
        plain = _at(places, records)
        columns = [self._column(plan, plain) for plan in self.plans]
        _append(self.plans, columns, _PlainRecords(places, len(records), number), rows, slow)

    def _plain(self, records: Values) -> Sequence[int]:
        if self.allowed is not None and not self.allowed.issuperset(self.header):
            return []
        places, width = _places_of(list, records), len(self.header)
        if set(map(len, _at(places, records))) <= {width}:
            return places
        return [place for place in places if len(records[place]) == width]

    def _column(self, plan: ColumnPlan, records: Values) -> _MadeColumn:
        if plan.source is None:
            return _MadeColumn(repeat(plan.constant))
        places = [place for place, name in enumerate(self.header) if name == plan.source]
        return _read(plan, list(map(itemgetter(places[-1]), records)) if places else [None] * len(records))


def _places_of(kind: type, records: Sequence[object]) -> Sequence[int]:
    if set(map(type, records)) == {kind}:
        return range(len(records))
    return [place for place, record in enumerate(records) if type(record) is kind]


def _at(places: Sequence[int], records: Sequence[object]) -> Values:
    return records if len(places) == len(records) else [records[place] for place in places]


def _of_key(plan: ColumnPlan, records: Values) -> _MadeColumn:
    if plan.source is None:
        return _MadeColumn(repeat(plan.constant))
    try:
        return _read(plan, list(map(itemgetter(plan.source), records)))
    except KeyError:  # a record lacks the source
        return _read(plan, [record.get(plan.source) for record in records])


class _PlainRecords(NamedTuple):
    """The indexes of the plain records in a block, the length of the block, and the number of its first record."""

    places: Sequence[int]
    total: int
    number: int

    def numbers(self) -> Sequence[int]:
        if len(self.places) == self.total:
            return range(self.number, self.number + self.total)
        return [self.number + place for place in self.places]


def _blank(plans: Sequence[ColumnPlan], columns: Sequence[_MadeColumn]) -> Collection[int]:
    """Returns the indexes of records without any value. They make no row, and the slow path has to report it."""
    read = [column for plan, column in zip(plans, columns, strict=True) if plan.source is not None]
    if not read or any(plan.source is None and not plan.of_type for plan in plans):
        return ()
    blank: Sequence[int] | None = None
    for values in (cast(Values, column.values) for column in read):
        if None not in values:
            return ()
        places = range(len(values)) if blank is None else blank
        blank = [place for place in places if values[place] is None]
    return blank or ()


def _append(
    plans: Sequence[ColumnPlan], columns: Sequence[_MadeColumn], found: _PlainRecords, rows: list[Row], slow: list[int]
) -> None:
    """Joins the columns of the plain records to rows, and leaves out the records that must take the slow path."""
    made = zip(
        *(column.values for column in columns), found.numbers(), strict=False
    )  # `repeat` of a constant never ends
    left = set(_blank(plans, columns)).union(*(column.slow for column in columns))
    kept = [index not in left for index in range(len(found.places))] if left else repeat(True)
    rows.extend(compress(made, kept) if left else made)
    if left or len(found.places) < found.total:
        slow.extend(sorted(set(range(found.total)).difference(compress(found.places, kept))))


def _read(plan: ColumnPlan, values: Values) -> _MadeColumn:
    types = set(map(type, values))
    if types <= _TEXTS:
        return _read_texts(plan, values, types)
    if types == {bool} and bool in plan.by_type:
        return _read_truths(plan, values)
    if bool in types or (str in types and "" in values):
        return _read_any(plan, values)
    if NoneType not in types:
        return _converted(plan, values, types)
    filled = [value for value in values if value is not None]
    made = _converted(plan, filled, types - {NoneType})
    if made.values is filled and not plan.required:  # stored as they are
        return _MadeColumn(values)
    return _spread(plan, made, [value is not None for value in values])


def _read_texts(plan: ColumnPlan, values: Values, types: set[type]) -> _MadeColumn:
    if all(values):
        return _converted(plan, values, types)
    filled = list(filter(None, values))
    made = _converted(plan, filled, types & {str})
    if made.values is filled and not plan.required:  # stored as they are
        return _MadeColumn([value or None for value in values])
    return _spread(plan, made, values)


def _read_truths(plan: ColumnPlan, values: Values) -> _MadeColumn:
    false = plan.when_false
    stored = [1 if value else false for value in values]
    return _with_slow(stored) if false is NOTHING else _MadeColumn(stored)


def _read_any(plan: ColumnPlan, values: Values) -> _MadeColumn:
    """Reads values of which false and "" may be no value, while zero is a value."""
    is_filled = [value is not None and value is not False and value != "" for value in values]
    filled = list(compress(values, is_filled))
    made = _converted(plan, filled, set(map(type, filled)))
    rest, false = iter(made.values), plan.when_false
    if false is plan.gap:
        return _spread(plan, made, is_filled)
    return _with_slow(
        [
            next(rest) if filled else false if value is False else plan.gap
            for filled, value in zip(is_filled, values, strict=True)
        ]
    )


def _spread(plan: ColumnPlan, made: _MadeColumn, filled: Iterable[object]) -> _MadeColumn:
    """Puts the converted values back between the absent ones."""
    rest, gap = iter(made.values), plan.gap
    stored = [next(rest) if is_filled else gap for is_filled in filled]
    return _with_slow(stored) if made.slow or plan.required else _MadeColumn(stored)


def _with_slow(stored: Sequence[object]) -> _MadeColumn:
    return _MadeColumn(stored, [place for place, value in enumerate(stored) if value is NOTHING])


def _converted(plan: ColumnPlan, filled: Values, types: set[type]) -> _MadeColumn:
    """Converts values of several types, type by type."""
    if len(types) < 2:
        return _of_type(plan, types, filled)
    parts = {one: _of_type(plan, {one}, [value for value in filled if type(value) is one]) for one in types}
    rest = {one: iter(part.values) for one, part in parts.items()}
    stored = [next(rest[type(value)]) for value in filled]
    return _with_slow(stored) if any(part.slow for part in parts.values()) else _MadeColumn(stored)


def _of_type(plan: ColumnPlan, types: set[type], values: Values) -> _MadeColumn:
    if not values:
        return _MadeColumn(values)
    by_type = next(map(plan.by_type.get, types), None)
    stored = None if by_type is None else by_type(values)
    return _one_by_one(plan, values) if stored is None else _MadeColumn(stored)


def _one_by_one(plan: ColumnPlan, values: Values) -> _MadeColumn:
    """Converts values of one type by a call for each."""
    stored = _each(plan, values)
    if plan.required:
        stored = [NOTHING if value == "" else value for value in stored]
    if plan.wrap:
        stored = [value if value is NOTHING else orjson.dumps([value]).decode() for value in stored]
    return _with_slow(stored)


def _each(plan: ColumnPlan, values: Values) -> list[object]:
    """Converts repeated texts (dates, codes) once. NaN goes to the slow path, as `field` skips it."""
    kind = type(values[0])
    if kind is float:
        return [plan.convert(value) if value == value else NOTHING for value in values]
    if kind is str and len(different := set(values)) * 2 < len(values):
        made = {value: plan.convert(value) for value in different}
        return [made[value] for value in values]
    return list(map(plan.convert, values))
