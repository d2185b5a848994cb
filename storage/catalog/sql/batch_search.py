"""Searches batches by filters without an index, in bounded time: a page reads at most a window of batches.

Of the filters that have an index, the one that leaves fewest batches is followed; the others are tried on those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_

from storage.catalog.base import Batch
from storage.catalog.tables import batch_files, batches
from storage.schema import columns_of, many

WINDOW = 5_000
PREFIX = 8  # characters of an identifier that are enough to mean it
_SELECT = select(*columns_of(batches, Batch))
_AFTER_ALL = "\U0010ffff"

Order = tuple[ColumnElement[Any], ...]
_BY_NUMBER: Order = (batches.c.id.desc(),)
_BY_TIME: Order = (batches.c.created.desc(), batches.c.id.desc())


@dataclass(frozen=True, slots=True)
class Wanted:
    """None matches any batch. `text` is in the comment, the identifier, a file's name or the creation path."""

    api: str | None = None
    state: str | None = None
    process: str | None = None
    text: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


class Searched(NamedTuple):
    """A page, newest first. `further` is the id behind which the next page begins.

    `looked` counts the batches that were read, where the window ended the search.
    """

    batches: Sequence[Batch]
    further: int | None = None
    looked: int | None = None


class _Base(NamedTuple):
    """Conditions that an index answers, those that remain, and whether the index gives the order of the page."""

    conditions: Sequence[ColumnElement[bool]]
    rest: Sequence[ColumnElement[bool]]
    ordered: bool


def search(connection: Connection, wanted: Wanted, before: int | None, limit: int, window: int = WINDOW) -> Searched:
    """Returns a page; `before` is the last id on the page before, or the last id that its search read."""
    if wanted.text and len(wanted.text) >= PREFIX and (found := _beginning_with(connection, wanted.text, limit)):
        return Searched(found)
    order = _BY_TIME if _span(wanted) else _BY_NUMBER
    place = _behind(wanted, before)
    base = _narrowest(connection, wanted, place, window)
    if not base.rest:
        page = many(Batch, connection.execute(_page(base.conditions, place, order, limit + 1)))
        return _cut(page, limit)
    within = select(batches.c.id).where(*base.conditions, *place)
    looked = list(connection.execute((within.order_by(*order) if base.ordered else within).limit(window)).scalars())
    query = _SELECT.where(batches.c.id.in_(_inner(within, order if base.ordered else (), window)), *base.rest)
    page = many(Batch, connection.execute(query.order_by(*order).limit(limit + 1)))
    if len(page) > limit or len(looked) < window:
        return _cut(page, limit)
    return Searched(page, looked[-1], len(looked))


def apis(connection: Connection) -> list[str]:
    """Returns the APIs that have batches, with one step along the index for each."""
    found: list[str] = []
    last = ""
    while following := connection.execute(select(func.min(batches.c.api)).where(batches.c.api > last)).scalar():
        last = str(following)
        found.append(last)
    return found


def _inner(within: Select[Any], order: Order, window: int) -> Select[Any]:
    """Wraps the query as a subquery, since some databases allow no LIMIT directly after IN."""
    return select((within.order_by(*order) if order else within).limit(window).subquery().c.id)


def _cut(page: Sequence[Batch], limit: int) -> Searched:
    return Searched(page[:limit], page[limit - 1].id) if len(page) > limit else Searched(page)


def _page(
    conditions: Sequence[ColumnElement[bool]], place: Sequence[ColumnElement[bool]], order: Order, limit: int
) -> Select[Any]:
    return _SELECT.where(*conditions, *place).order_by(*order).limit(limit)


def _beginning_with(connection: Connection, text: str, limit: int) -> list[Batch]:
    """Returns batches whose identifier begins with the text: pages show only the beginning, and people copy it."""
    begins = batches.c.identifier.between(text, text + _AFTER_ALL)
    return many(Batch, connection.execute(_SELECT.where(begins).order_by(batches.c.identifier).limit(limit)))


def _behind(wanted: Wanted, before: int | None) -> list[ColumnElement[bool]]:
    if before is None:
        return []
    if not _span(wanted):
        return [batches.c.id < before]
    last = select(batches.c.created).where(batches.c.id == before).scalar_subquery()
    return [tuple_(batches.c.created, batches.c.id) < tuple_(last, before)]


def _span(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.created_from is not None:
        conditions.append(batches.c.created >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(batches.c.created < wanted.created_before)
    return conditions


def _narrowest(connection: Connection, wanted: Wanted, place: Sequence[ColumnElement[bool]], window: int) -> _Base:
    """Returns the base with fewest rows. One in another order than the page's must fit whole into the window."""
    bases = _bases(wanted)
    if len(bases) == 1:
        return bases[0]
    sizes = [_size(connection, base, place, window) for base in bases]
    usable = [at for at, base in enumerate(bases) if base.ordered or sizes[at] < window]
    return bases[min(usable, key=sizes.__getitem__)]


def _size(connection: Connection, base: _Base, place: Sequence[ColumnElement[bool]], window: int) -> int:
    """Counts the rows of a base, up to the window, from the index alone."""
    some = select(batches.c.id).where(*base.conditions, *place).limit(window + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _bases(wanted: Wanted) -> list[_Base]:
    span, text = _span(wanted), _text(wanted)
    named = [batches.c[name] == value for name in ("api", "state") if (value := getattr(wanted, name)) is not None]
    process = [batches.c.process == wanted.process] if wanted.process is not None else []
    groups = [group for group in (named, process, span) if group]
    bases = []
    for group in groups or [[]]:
        rest = [condition for other in groups if other is not group for condition in other]
        bases.append(_Base(group, [*rest, *text], not span or group is span))
    return bases


def _text(wanted: Wanted) -> list[ColumnElement[bool]]:
    if not wanted.text:
        return []
    places = (batches.c.comment, batches.c.identifier, batches.c.properties["creation_path"].as_string())
    of_batch = select(batch_files.c.id).where(batch_files.c.batch == batches.c.id)
    named = of_batch.where(batch_files.c.filename.icontains(wanted.text, autoescape=True)).exists()
    return [or_(*(place.icontains(wanted.text, autoescape=True) for place in places), named)]
