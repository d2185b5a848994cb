"""Which stored row each target of a record stands for: by its key, by its link to a parent, or none yet."""

from collections.abc import Sequence

from server.mapping.model.scope import Scalar, StoredRow
from server.mapping.record.abortable_scope import AbortableScope
from server.mapping.record.targets import TYPE_COLUMN, PreparedDestination, Slot, Target


class Resolution:
    """The stored rows that one record has met, and the target that writes each of them.

    Two targets of a record may turn out to be for one row. Then the later one gets `same_as`, and the earlier one,
    its `root`, is written for both.
    """

    __slots__ = ("_by_key", "_by_parent", "_by_row", "_scope")

    def __init__(self, scope: AbortableScope) -> None:
        self._scope = scope
        self._by_row: dict[tuple[str, int], Target] = {}
        self._by_key: dict[tuple[str, tuple[Scalar, ...]], Target] = {}
        self._by_parent: dict[tuple[str, int], Target] = {}  # by the identity of the parent, which has no id yet

    def loaded(self, prepared: PreparedDestination, row: StoredRow | None) -> Target | None:
        """Returns the target of a row: the same one however often the row is loaded."""
        if row is None or not prepared.accepts(row):
            return None
        earlier = self._by_row.get((prepared.table, row.id))
        if earlier is None or earlier.prepared is not prepared:
            earlier = self._by_row[prepared.table, row.id] = Target(prepared, row=row)
        return None if earlier.deleted else earlier

    def linked_row(self, prepared: PreparedDestination, parent: Target) -> StoredRow | None:
        """Returns the oldest row of a dependent destination that belongs to the parent's stored row."""
        link = prepared.link
        if parent.row is None or link is None:
            return None
        columns: tuple[str, ...] = (link.column,)
        keys: list[tuple[Scalar, ...]] = [(parent.row.id,)]
        if prepared.allowed_types:
            columns, keys = (link.column, TYPE_COLUMN), [(parent.row.id, one) for one in prepared.allowed_types]
        found = self._scope.lookup.find(prepared.table, columns, keys, 1)
        return min((row for rows in found for row in rows), key=lambda row: row.id, default=None)

    def has_children(self, child: PreparedDestination, parent: StoredRow) -> bool:
        """Whether rows of a dependent destination belong to a row and are not deleted by this record."""
        if child.link is None:
            return False
        rows = self._scope.lookup.find(child.table, (child.link.column,), [(parent.id,)], 100)[0]
        known = (self._by_row.get((child.table, row.id)) for row in rows)
        return any(target is None or not target.deleted for target in known)

    def find(self, prepared: PreparedDestination, key: Sequence[Scalar]) -> StoredRow | None:
        """Returns the row with these key values. Several rows are reported, and none of them is returned."""
        if not prepared.key or any(value is None for value in key):
            return None
        rows = self._scope.lookup.find(prepared.table, prepared.key_columns, [tuple(key)], 2)[0]
        if len(rows) > 1:
            self._scope.report(f"More than one row of destination {prepared.name} has {_shown(prepared, key)}")
            return None
        return rows[0] if rows else None

    def id_of(self, target: Target) -> int:
        """Returns the id of the target's row. A new row gets its id when it is first asked for."""
        target = target.root
        if target.row is not None:
            return target.row.id
        if target.new_id is None:
            target.new_id = self._scope.lookup.reserve(target.prepared.table)
        return target.new_id

    def settle(self, target: Target) -> bool:
        """Finds the stored row behind an overlay, now that all its values are set. Returns False after an abort."""
        if not target.is_open:
            return True
        parent = target.parent
        if parent is not None:
            known = self.settle(parent) if parent.adopted else self.resolve(parent)
            if target.adopted:
                return known and self._adopt(target, parent)
        return self.resolve(target, final=True)

    def _adopt(self, target: Target, parent: Target) -> bool:
        """Finds the row that belongs to the parent, in the table or among what this record is about to write."""
        row = self.linked_row(target.prepared, parent)
        earlier = self._by_parent.setdefault((target.prepared.name, id(parent.root)), target)
        if row is not None:
            self._put_behind(target, row)
        elif earlier is not target:
            target.same_as = earlier
        return True

    def resolve(self, target: Target, *, final: bool = False) -> bool:
        """Finds the stored row of an upserted target as soon as its whole key is set. Returns False if it is not.

        `final`: no more values will be set, so that a missing one aborts the record.
        """
        prepared = target.prepared
        if not target.is_open or target.adopted:
            return True
        key = self._key_of(target)
        if None in key:
            if final:
                missing = [bound.name.name for bound, value in zip(prepared.key, key, strict=True) if value is None]
                self._scope.abort(
                    f"Couldn't upsert destination {prepared.name}: no value for {', '.join(missing)} of its key"
                )
            return False
        earlier = self._by_key.get((prepared.table, key))
        if earlier is None:
            return self._resolve_stored(target, key)
        if earlier is not target:
            target.same_as, target.row = earlier, earlier.row
        return True

    def _resolve_stored(self, target: Target, key: tuple[Scalar, ...]) -> bool:
        prepared = target.prepared
        rows = self._scope.lookup.find(prepared.table, prepared.key_columns, [key], 2)[0]
        start = f"Couldn't upsert destination {prepared.name}:"
        if len(rows) > 1:
            self._scope.abort(f"{start} more than one row has {_shown(prepared, key)}")
            return False
        if rows and not prepared.accepts(rows[0]):
            self._scope.abort(f"{start} the row with {_shown(prepared, key)} is of another type")
            return False
        self._by_key[prepared.table, key] = target
        if rows:
            self._put_behind(target, rows[0])
        return True

    def _key_of(self, target: Target) -> tuple[Scalar, ...]:
        prepared = target.prepared
        found: list[Scalar] = []
        for bound in prepared.key:
            if bound.main is prepared.link and not target.peek(prepared.link):
                self._link_early(target, prepared.link)
            found.append(target.stored_form(bound))
        return tuple(found)

    def _link_early(self, target: Target, link: Slot) -> None:
        """Sets a link that is part of the key: it cannot wait for the commit, when links are set as a rule."""
        if target.parent is not None and self.resolve(target.parent):
            target.values[link.column] = [self.id_of(target.parent)]

    def _put_behind(self, target: Target, row: StoredRow) -> None:
        earlier = self._by_row.setdefault((target.prepared.table, row.id), target)
        target.row = row
        if earlier is not target:
            target.same_as = earlier


def _shown(prepared: PreparedDestination, key: Sequence[Scalar]) -> str:
    return ", ".join(f"{bound.name.name} = {value}" for bound, value in zip(prepared.key, key, strict=True))
