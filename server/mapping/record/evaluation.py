"""One record on its way through the instructions: its current targets, those already queued, and what they become."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from server.mapping.model.model import Destination
from server.mapping.model.scope import Change, Lookup, Loss, Result, RunFault, Scalar, Scope, StoredRow, report_once
from server.mapping.record.targets import TYPE_COLUMN, Cell, Place, Slot, Target
from server.mapping.values.javascript import identical
from server.mapping.values.setup import brief

MAX_DEPENDENCY_DEPTH = 16
NOTHING_READ = "Nothing of the record is read: it has none of the fields that this import takes, or they are empty"
VENDOR_TITLE = "dc:attribute:title"


class Evaluation:
    """The state of one record. Steps ask it for targets; `finish` checks them and says what is to be written.

    A fault of the record aborts it and is reported, but the instructions go on, so that one pass finds every fault.
    """

    __slots__ = (
        "_children",
        "_keyed",
        "_places",
        "_queue",
        "_removed",
        "_rows",
        "aborted",
        "current",
        "scope",
        "tried",
    )

    def __init__(self, places: Mapping[str, Place], scope: Scope, *, strict: bool = False) -> None:
        self.scope: Scope = _Strict(scope, self.abort) if strict else scope
        self.current: dict[str, Target] = {}
        self.aborted = False
        self.tried = False  # whether a value of the record was there for a Name
        self._places = places
        self._queue: list[Target] = []
        self._removed: set[str] = set()  # destinations from which this record deletes
        self._rows: dict[tuple[str, int], Target] = {}
        self._children: dict[tuple[str, int], Target] = {}
        self._keyed: dict[tuple[str, tuple[Scalar, ...]], Target] = {}

    def abort(self, message: str) -> None:
        self.aborted = True
        self.scope.report(message)

    def place(self, name: str) -> Place:
        place = self._places.get(name)
        if place is None:
            raise RunFault(f"Unknown destination: {name}")
        return place

    def target(self, name: str) -> Target:
        """The current target; made where that can be done without `new` or `load`."""
        return self.current.get(name) or self._make(name, MAX_DEPENDENCY_DEPTH, "")

    def _make(self, name: str, depth: int, path: str) -> Target:
        place = self._places.get(name)
        if place is None:
            raise RunFault(f"No destination when requesting target: {name}")
        target: Target | None = None
        if place.destination.depends is not None:
            target = self._make_dependent(place, place.destination.depends, depth, path)
        elif not place.pseudo:
            required = f", required by use of {path}" if path else ""
            self.abort(f'Destination "{name}" needs be made ready with a "new" or "load" instruction{required}')
        # after an abort a blank target is used, so that the fault is told once
        target = target or Target(place)
        self.current[name] = target
        return target

    def _make_dependent(self, place: Place, depends: str, depth: int, path: str) -> Target | None:
        parent = None
        if depth > 0:
            parent = self.current.get(depends) or self._make(depends, depth - 1, f"{path}{place.name} ")
        if parent is None:
            self.abort(f'Couldn\'t make destination "{place.name}" available from dependency "{depends}"')
            return None
        self._resolve(parent)
        row = self._linked_row(place, parent)
        target = self._loaded(place, row)
        if target is None:
            # an upserted parent may still turn out to be stored: then its child is looked for again at the check
            unknown = parent.overlay and parent.row is None
            target = Target(place, overlay=unknown, adopted=unknown)
        target.parent = target.parent or parent
        return target

    def _linked_row(self, place: Place, parent: Target) -> StoredRow | None:
        """The oldest row of a dependent destination that belongs to the parent's stored row."""
        if parent.row is None or place.link is None:
            return None
        if not place.allowed_types:
            found = self.scope.lookup.find(place.table, (place.link.column,), [(parent.row.id,)], 1)
        else:
            keys = [(parent.row.id, allowed) for allowed in place.allowed_types]
            found = self.scope.lookup.find(place.table, (place.link.column, TYPE_COLUMN), keys, 1)
        return min((row for rows in found for row in rows), key=lambda row: row.id, default=None)

    def is_stored(self, place: Place, depends: str) -> bool:
        """Whether a dependent destination has a row in its table that belongs to the current parent."""
        parent = self.target(depends)
        self._resolve(parent)
        return self._linked_row(place, parent) is not None

    def clear(self, name: str) -> None:
        self.current.pop(name, None)

    def new(self, place: Place, *, overlay: bool = False) -> None:
        self.replace(place)
        self.current[place.name] = Target(place, overlay=overlay)

    def load(self, place: Place, row: StoredRow | None) -> bool:
        """Makes the row the current target. False where there is none, or it is not of this destination."""
        target = self._loaded(place, row)
        if target is None:
            return False
        self.current[place.name] = target
        return True

    def delete(self, place: Place, row: StoredRow | None) -> bool:
        target = self._loaded(place, row)
        if target is None or row is None:
            return False
        for child in self._places.values():
            if child.destination.depends == place.name and self._has_rows_under(child, row):
                self.abort(
                    f"Couldn't delete destination: {place.name} (row {row.id} still has rows of {child.name}; "
                    "delete those first)"
                )
                return True
        target.deleted = True
        self._removed.add(place.name)
        self._queue.append(target)
        return True

    def _has_rows_under(self, child: Place, parent: StoredRow) -> bool:
        if child.link is None:
            return False
        rows = self.scope.lookup.find(child.table, (child.link.column,), [(parent.id,)], 100)[0]
        known = (self._rows.get((child.table, row.id)) for row in rows)
        return any(target is None or not target.deleted for target in known)

    def _loaded(self, place: Place, row: StoredRow | None) -> Target | None:
        if row is None or not place.accepts(row):
            return None
        earlier = self._rows.get((place.table, row.id))
        if earlier is None or earlier.place is not place:
            earlier = self._rows[place.table, row.id] = Target(place, row=row)
        return None if earlier.deleted else earlier

    def find(self, place: Place, key: Sequence[Scalar]) -> StoredRow | None:
        """The row with these values in the key of its destination; several are told and count as none."""
        if not place.key or any(value is None for value in key):
            return None
        rows = self.scope.lookup.find(place.table, place.key_columns, [tuple(key)], 2)[0]
        if len(rows) > 1:
            self.scope.report(f"More than one row of destination {place.name} has {_told(place, key)}")
            return None
        return rows[0] if rows else None

    def replace(self, place: Place) -> None:
        """Queues the current target, and with it what depends on it, so that children stay with their own parent."""
        name = place.name
        current = self.current.get(name)
        if current is None or place.pseudo:
            self.current.pop(name, None)
            return
        self._bind_children(name, current)
        leaving = [current, *(t for d, t in self.current.items() if d in place.dependants)]
        for target in leaving:
            self._bind(target)
        for target in leaving:
            del self.current[target.place.name]
        for target in leaving:
            self._check(target)
            self._queue.append(target)

    def _bind_children(self, name: str, parent: Target) -> None:
        for target in [*self._queue, *self.current.values()]:
            if target.parent is None and target.place.destination.depends == name:
                target.parent = parent

    def _bind(self, target: Target) -> None:
        depends = target.place.destination.depends
        if target.parent is None and depends is not None:
            target.parent = self.current.get(depends)

    def finish(self) -> Result:
        if not self.aborted:
            self._find_parents()
        if not self.aborted:
            self._check_all()
        if not self.aborted:
            result = self._changes()
            if self.tried or not _is_blank(result):
                return result if not self.aborted else Result([], aborted=True)
            self.abort(NOTHING_READ)
        return Result([], aborted=True)

    def _find_parents(self) -> None:
        for target in [*self._queue, *self.current.values()]:
            depends = target.place.destination.depends
            if depends is None or target.deleted:
                continue
            self._bind(target)
            self._resolve(target)
            if target.parent is None and target.row is None and not _is_linked(target):
                target.parent = self._make(depends, MAX_DEPENDENCY_DEPTH, f"{target.place.name} ")

    def _check_all(self) -> None:
        for place in self._places.values():
            if place.pseudo:
                continue
            target = self.current.get(place.name)
            if target is not None:
                self._check(target)
            elif not place.destination.optional and place.name not in self._removed:
                self.abort(f"No data set in required destination {place.name}")

    def _check(self, target: Target) -> None:
        place = target.place
        if not self._settle(target):
            return
        if place.destination.kind == "dictionary":
            missing = [cell.name.name for cell in place.required if not target.will_have(cell)]
            if missing:
                self.abort(f"Missing values in {place.name}: {', '.join(missing)}")
        elif place.title is not None and not _has_title(target, place.title):
            self._tell_missing_title(place.destination)
        if _lacks_type(target):
            self.abort("annotatedTypes used but target has no type defined")

    def _tell_missing_title(self, destination: Destination) -> None:
        title = VENDOR_TITLE if destination.title in (None, "title") else destination.title
        self.abort(f"{title} is not set in object {destination.name}")
        report_once(
            self.scope,
            f"To set defaults for {title}, see example of if-has-value instruction at "
            "https://docs.haplo.org/import/control/instruction/if-has-value",
        )

    def _settle(self, target: Target) -> bool:
        """Finds the stored row behind an overlay. False where the record had to be aborted for it."""
        if not target.overlay or target.row is not None or target.same_as is not None:
            return True
        parent = target.parent
        if parent is not None:
            known = self._settle(parent) if parent.adopted else self._resolve(parent)
            if target.adopted:
                return known and self._adopt(target, parent)
        return self._resolve(target, tell=True)

    def _adopt(self, target: Target, parent: Target) -> bool:
        """Finds the row that belongs to the parent, in the table or among what this record is about to write."""
        row = self._linked_row(target.place, parent)
        earlier = self._children.setdefault((target.place.name, id(parent.root)), target)
        if row is not None:
            self._put_behind(target, row)
        elif earlier is not target:
            target.same_as = earlier
        return True

    def _resolve(self, target: Target, *, tell: bool = False) -> bool:
        """Puts the stored row of the same key behind an upserted target, as soon as all values of the key are there."""
        place = target.place
        if not target.overlay or target.row is not None or target.same_as is not None or target.adopted:
            return True
        key = self._key_of(target)
        if None in key:
            if tell:
                missing = [cell.name.name for cell, value in zip(place.key, key, strict=True) if value is None]
                self.abort(f"Couldn't upsert destination {place.name}: no value for {', '.join(missing)} of its key")
            return False
        earlier = self._keyed.get((place.table, key))
        if earlier is None:
            return self._resolve_stored(target, key)
        if earlier is not target:
            target.same_as, target.row = earlier, earlier.row
        return True

    def _resolve_stored(self, target: Target, key: tuple[Scalar, ...]) -> bool:
        place = target.place
        rows = self.scope.lookup.find(place.table, place.key_columns, [key], 2)[0]
        if len(rows) > 1:
            self.abort(f"Couldn't upsert destination {place.name}: more than one row has {_told(place, key)}")
            return False
        if rows and not place.accepts(rows[0]):
            told = _told(place, key)
            self.abort(f"Couldn't upsert destination {place.name}: the row with {told} is of another type")
            return False
        self._keyed[place.table, key] = target
        self._put_behind(target, rows[0] if rows else None)
        return True

    def _key_of(self, target: Target) -> tuple[Scalar, ...]:
        place = target.place
        found: list[Scalar] = []
        for cell in place.key:
            if cell.main is place.link and not target.peek(place.link):
                self._link_early(target, place.link)
            found.append(target.stored_form(cell))
        return tuple(found)

    def _link_early(self, target: Target, link: Slot) -> None:
        """The link to the parent is part of the key, so it cannot wait for the commit."""
        if target.parent is not None and self._resolve(target.parent):
            target.values[link.column] = [self._id(target.parent)]

    def _put_behind(self, target: Target, row: StoredRow | None) -> None:
        if row is None:
            return
        earlier = self._rows.setdefault((target.place.table, row.id), target)
        target.row = row
        if earlier is not target:
            target.same_as = earlier

    def _id(self, target: Target) -> int:
        """The id of the target's row; a new row gets its id with the first question."""
        target = target.root
        if target.row is not None:
            return target.row.id
        if target.new_id is None:
            target.new_id = self.scope.lookup.reserve(target.place.table)
        return target.new_id

    def _changes(self) -> Result:
        result = Result([])
        for target in self._in_order():
            if target.deleted:
                result.changes.append(Change(target.place.destination, "delete", self._id(target), {}))
                continue
            self._set_link(target)
            change = self._change(target)
            if change is None:
                result.touched += 1
            else:
                result.changes.append(change)
        return result

    def _in_order(self) -> Iterator[Target]:
        """Every target to write, once, in the order of commit: what was queued, then what is current."""
        everyone = {id(t): t for t in [*self._queue, *self.current.values()] if not t.place.pseudo}
        for target in everyone.values():
            if target.same_as is not None:
                self._lose_replaced(target.root, target)
                target.root.absorb(target)
        return (target for target in everyone.values() if target.same_as is None)

    def _lose_replaced(self, target: Target, later: Target) -> None:
        """Two parts of one record for one row: where they differ, the later one counts."""
        for place, given in target.given.items():
            other = later.given.get(place)
            if other is not None and not identical(other.stored, given.stored):
                what = f"is not stored: another part of the record has {brief(other.value)} for the same row"
                given.want.lose(self.scope, given.value, what)

    def _set_link(self, target: Target) -> None:
        link = target.place.link
        if link is not None and target.parent is not None and not target.peek(link):
            target.values[link.column] = [self._id(target.parent)]

    def _change(self, target: Target) -> Change | None:
        destination = target.place.destination
        if target.row is None:
            return Change(destination, "insert", self._id(target), target.inserted())
        differences = target.differences(target.row)
        return Change(destination, "update", target.row.id, differences) if differences else None


def _is_blank(result: Result) -> bool:
    """Whether there are new rows, and none of them holds a value."""
    changes = result.changes
    return bool(changes) and not any(change.op != "insert" or _holds_value(change) for change in changes)


def _holds_value(change: Change) -> bool:
    system = {TYPE_COLUMN, change.destination.depends_column}
    system.update(name.column for name in change.destination.names.values() if name.type == "object-type")
    return any(value is not None and column not in system for column, value in change.values.items())


class _Strict:
    """A scope in which a value that is lost aborts its record."""

    def __init__(self, scope: Scope, abort: Callable[[str], None]) -> None:
        self.report = scope.report
        self._scope = scope
        self._abort = abort

    @property
    def lookup(self) -> Lookup:
        return self._scope.lookup

    @property
    def hints(self) -> list[str]:
        return self._scope.hints

    def lose(self, loss: Loss, error: str | None = None) -> None:
        """The vendor's message first, where there is one; ours says what would be right."""
        if error is not None:
            self.report(error)
        self._abort(f"{loss.sentence}. The record is not stored")


def _told(place: Place, key: Sequence[Scalar]) -> str:
    return ", ".join(f"{cell.name.name} = {value}" for cell, value in zip(place.key, key, strict=True))


def _is_linked(target: Target) -> bool:
    link = target.place.link
    return link is not None and bool(target.peek(link))


def _has_title(target: Target, title: Cell) -> bool:
    return _shows(target.values.get(title.main.column)) or target.has_foreign(title) or _has_any(target, title)


def _has_any(target: Target, title: Cell) -> bool:
    return any(_shows(target.peek(slot)) for slot in title.slots)


def _shows(values: Sequence[Scalar] | None) -> bool:
    return values is not None and any(value not in (None, "") for value in values)


def _lacks_type(target: Target) -> bool:
    types = target.place.destination.types
    return types is not None and types.default is None and bool(types.allowed) and target.stored_type() is None
