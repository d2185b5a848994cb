"""The last step of a record: its targets become changes, in the order in which they are written."""

from collections.abc import Iterable, Sequence

from server.mapping.model.scope import Change, Result, Scope
from server.mapping.record.resolution import Resolution
from server.mapping.record.targets import TYPE_COLUMN, Target
from server.mapping.values.javascript import identical
from server.mapping.values.setup import brief


def changes_of(targets: Iterable[Target], resolution: Resolution, scope: Scope) -> Result:
    """Returns one change for each row. A row that is equal to what is stored counts as touched and needs none."""
    result = Result([])
    for target in _merged(targets, scope):
        change = _change(target, resolution)
        if change is None:
            result.touched += 1
        else:
            result.changes.append(change)
    return result


def _merged(targets: Iterable[Target], scope: Scope) -> list[Target]:
    """One target for each row, which has absorbed the later targets for the same row."""
    distinct = {id(target): target for target in targets if not target.prepared.pseudo}
    for target in distinct.values():
        if target.same_as is not None:
            _lose_replaced(target.root, target, scope)
            target.root.absorb(target)
    return [target for target in distinct.values() if target.same_as is None]


def _lose_replaced(earlier: Target, later: Target, scope: Scope) -> None:
    """Two parts of one record set the same row: where they differ, the later value counts and the earlier is lost."""
    for key, given in earlier.given.items():
        other = later.given.get(key)
        if other is not None and not identical(other.stored, given.stored):
            what = f"is not stored: another part of the record has {brief(other.value)} for the same row"
            given.want.lose(scope, given.value, what)


def _set_link(target: Target, resolution: Resolution) -> None:
    link = target.prepared.link
    if link is not None and target.parent is not None and not target.is_linked:
        target.values[link.column] = [resolution.id_of(target.parent)]


def _change(target: Target, resolution: Resolution) -> Change | None:
    destination = target.prepared.destination
    if target.deleted:
        return Change(destination, "delete", resolution.id_of(target), {})
    _set_link(target, resolution)
    if target.row is None:
        return Change(destination, "insert", resolution.id_of(target), target.inserted())
    differences = target.differences(target.row)
    return Change(destination, "update", target.row.id, differences) if differences else None


def holds_values(changes: Sequence[Change]) -> bool:
    """Whether there is more than new rows without a single value."""
    return not changes or any(change.op != "insert" or _holds_value(change) for change in changes)


def _holds_value(change: Change) -> bool:
    system = {TYPE_COLUMN, change.destination.depends_column}
    system.update(name.column for name in change.destination.names.values() if name.type == "object-type")
    return any(value is not None and column not in system for column, value in change.values.items())
