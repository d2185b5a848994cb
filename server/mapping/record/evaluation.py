"""One record on its way through the instructions of a control file.

Instructions act on the current target of a destination. `new`, `load`, `upsert` and `delete` replace it: the target
that was current until then is queued. At the end of the record every target, queued or current, becomes one change:

    new          ──▶ fresh ─────────────────────────────────────────────────────▶ insert
    load         ──▶ loaded (row) ──────────────────────────────────────────────▶ update, or touched if equal
    upsert       ──▶ overlay ──┬─ a stored row has the key: row behind it ──────▶ update, or touched
                               ├─ no row has the key ───────────────────────────▶ insert
                               └─ an earlier target is for that row: same_as ───▶ absorbed by the earlier target
    dependent of an overlay
                 ──▶ overlay, adopted ── once the parent's row is known: like overlay, found by its link to the parent
    delete       ──▶ loaded, deleted ───────────────────────────────────────────▶ delete

`Target` holds the state, `Resolution` moves overlays on to a row, and `changes_of` makes the changes.
"""

from collections.abc import Mapping, Sequence

from server.mapping.model.model import Destination
from server.mapping.model.scope import Result, RunFault, Scalar, Scope, StoredRow, report_once
from server.mapping.record.abortable_scope import AbortableScope
from server.mapping.record.commit import changes_of, holds_values
from server.mapping.record.resolution import Resolution
from server.mapping.record.targets import PreparedDestination, Target

MAX_DEPENDENCY_DEPTH = 16
NOTHING_READ = "Nothing of the record is read: it has none of the fields that this import takes, or they are empty"
VENDOR_TITLE = "dc:attribute:title"


class Evaluation:
    """The targets of one record. Instructions ask for targets; `finish` checks them and returns the changes.

    A fault aborts the record and is reported, but the instructions go on, so that one pass finds every fault.
    """

    __slots__ = ("_destinations", "_queue", "_removed", "_resolution", "current", "scope", "tried")

    def __init__(self, destinations: Mapping[str, PreparedDestination], scope: Scope, *, strict: bool = False) -> None:
        self.scope = AbortableScope(scope, strict=strict)
        self.current: dict[str, Target] = {}
        self.tried = False  # whether the record had a value for a Name
        self._destinations = destinations
        self._resolution = Resolution(self.scope)
        self._queue: list[Target] = []
        self._removed: set[str] = set()  # destinations from which this record deletes

    def abort(self, message: str) -> None:
        self.scope.abort(message)

    def destination(self, name: str) -> PreparedDestination:
        prepared = self._destinations.get(name)
        if prepared is None:
            raise RunFault(f"Unknown destination: {name}")
        return prepared

    def target(self, name: str) -> Target:
        """Returns the current target, and makes it where that needs no `new` or `load`."""
        return self.current.get(name) or self._make(name, MAX_DEPENDENCY_DEPTH, "")

    def _make(self, name: str, depth: int, path: str) -> Target:
        prepared = self._destinations.get(name)
        if prepared is None:
            raise RunFault(f"No destination when requesting target: {name}")
        target: Target | None = None
        if prepared.destination.depends is not None:
            target = self._make_dependent(prepared, prepared.destination.depends, depth, path)
        elif not prepared.pseudo:
            required = f", required by use of {path}" if path else ""
            self.abort(f'Destination "{name}" needs be made ready with a "new" or "load" instruction{required}')
        # after an abort the record goes on with a blank target, so that the same fault is reported only once
        target = target or Target(prepared)
        self.current[name] = target
        return target

    def _make_dependent(self, prepared: PreparedDestination, depends: str, depth: int, path: str) -> Target | None:
        parent = None
        if depth > 0:
            parent = self.current.get(depends) or self._make(depends, depth - 1, f"{path}{prepared.name} ")
        if parent is None:
            self.abort(f'Couldn\'t make destination "{prepared.name}" available from dependency "{depends}"')
            return None
        self._resolution.resolve(parent)
        target = self._resolution.loaded(prepared, self._resolution.linked_row(prepared, parent))
        if target is None:
            # the row of an upserted parent may be found later, and only then its child: so the child waits, too
            waits = parent.overlay and parent.row is None
            target = Target(prepared, overlay=waits, adopted=waits)
        target.parent = target.parent or parent
        return target

    def is_stored(self, prepared: PreparedDestination, depends: str) -> bool:
        """Whether the table of a dependent destination has a row that belongs to the current parent."""
        parent = self.target(depends)
        self._resolution.resolve(parent)
        return self._resolution.linked_row(prepared, parent) is not None

    def clear(self, name: str) -> None:
        self.current.pop(name, None)

    def new(self, prepared: PreparedDestination, *, overlay: bool = False) -> None:
        self.replace(prepared)
        self.current[prepared.name] = Target(prepared, overlay=overlay)

    def load(self, prepared: PreparedDestination, row: StoredRow | None) -> bool:
        """Makes the row the current target. Returns False without a row, or if it is of another type."""
        target = self._resolution.loaded(prepared, row)
        if target is None:
            return False
        self.current[prepared.name] = target
        return True

    def delete(self, prepared: PreparedDestination, row: StoredRow | None) -> bool:
        """Queues the deletion of the row. Returns False without a row, or if it is of another type."""
        target = self._resolution.loaded(prepared, row)
        if target is None or row is None:
            return False
        for child in self._destinations.values():
            if child.destination.depends == prepared.name and self._resolution.has_children(child, row):
                self.abort(
                    f"Couldn't delete destination: {prepared.name} (row {row.id} still has rows of {child.name}; "
                    "delete those first)"
                )
                return True
        target.deleted = True
        self._removed.add(prepared.name)
        self._queue.append(target)
        return True

    def find(self, prepared: PreparedDestination, key: Sequence[Scalar]) -> StoredRow | None:
        return self._resolution.find(prepared, key)

    def replace(self, prepared: PreparedDestination) -> None:
        """Queues the current target with all that depends on it, so that children stay with their own parent."""
        name = prepared.name
        current = self.current.get(name)
        if current is None or prepared.pseudo:
            self.current.pop(name, None)
            return
        self._bind_children(name, current)
        leaving = [current, *(t for d, t in self.current.items() if d in prepared.dependents)]
        # all are bound to their parents before the first one leaves, as `_bind` looks among the current targets
        for target in leaving:
            self._bind(target)
        for target in leaving:
            del self.current[target.prepared.name]
        for target in leaving:
            self._check(target)
            self._queue.append(target)

    def _targets(self) -> list[Target]:
        """Returns all targets in the order of commit. A row that was loaded twice may be there twice."""
        return [*self._queue, *self.current.values()]

    def _bind_children(self, name: str, parent: Target) -> None:
        for target in self._targets():
            if target.parent is None and target.prepared.destination.depends == name:
                target.parent = parent

    def _bind(self, target: Target) -> None:
        depends = target.prepared.destination.depends
        if target.parent is None and depends is not None:
            target.parent = self.current.get(depends)

    def finish(self) -> Result:
        """Checks all targets and returns the record's changes."""
        scope, result = self.scope, Result([])
        if not scope.aborted:
            self._find_parents()
        if not scope.aborted:
            self._check_all()
        if not scope.aborted:
            result = changes_of(self._targets(), self._resolution, scope)
            if not self.tried and not holds_values(result.changes):
                self.abort(NOTHING_READ)
        return Result([], aborted=True) if scope.aborted else result

    def _find_parents(self) -> None:
        for target in self._targets():
            depends = target.prepared.destination.depends
            if depends is None or target.deleted:
                continue
            self._bind(target)
            self._resolution.resolve(target)
            if target.parent is None and target.row is None and not target.is_linked:
                target.parent = self._make(depends, MAX_DEPENDENCY_DEPTH, f"{target.prepared.name} ")

    def _check_all(self) -> None:
        for prepared in self._destinations.values():
            if prepared.pseudo:
                continue
            target = self.current.get(prepared.name)
            if target is not None:
                self._check(target)
            elif not prepared.destination.optional and prepared.name not in self._removed:
                self.abort(f"No data set in required destination {prepared.name}")

    def _check(self, target: Target) -> None:
        prepared = target.prepared
        if not self._resolution.settle(target):
            return
        if prepared.destination.kind == "dictionary":
            missing = [bound.name.name for bound in prepared.required if not target.will_have(bound)]
            if missing:
                self.abort(f"Missing values in {prepared.name}: {', '.join(missing)}")
        elif prepared.title is not None and not target.has_text(prepared.title):
            self._report_missing_title(prepared.destination)
        if target.lacks_type:
            self.abort("annotatedTypes used but target has no type defined")

    def _report_missing_title(self, destination: Destination) -> None:
        title = VENDOR_TITLE if destination.title in (None, "title") else destination.title
        self.abort(f"{title} is not set in object {destination.name}")
        report_once(
            self.scope,
            f"To set defaults for {title}, see example of if-has-value instruction at "
            "https://docs.haplo.org/import/control/instruction/if-has-value",
        )
