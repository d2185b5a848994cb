"""Rows of bulk loads: from {action, attributes, pkid, search} to changes.

`add` is compiled to `new` with one `field` for each attribute, so that plain rows take the fast path. `modify`,
`delete` and `execute` first find one stored row: by pkid, by search fields, or by the model's key.
"""

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from server.mapping.language.control import MOST_OPEN_NAMES, ControlFile
from server.mapping.model.model import Destination, Model, Name, safe_column
from server.mapping.model.scope import Change, Lookup, Loss, Result, Scalar, Scope, ScopeWrapper, StoredRow
from server.mapping.program.compile import Program, compile_control
from server.mapping.program.fast_path import FastPath, fast_path
from server.mapping.values.filters import Filters
from server.mapping.values.javascript import NOTHING
from server.mapping.values.setup import Converter, Setup
from server.mapping.values.values import converter

_PKID = re.compile(r"[0-9a-f]{24}").fullmatch
_LARGEST_ID = 2**63 - 1

HIERARCHY = "\0hierarchy"  # no attribute of a sheet can have this name
COLUMN = "_hierarchy"  # stores the path of the hierarchy node that a row belongs to
_FEW = 64  # rows to read at first, to find those of a tenant among them


class BulkInvalid(Exception):
    """No row of an entity can be mapped, for the reason in the text."""


def is_within(path: str, allowed: Collection[str]) -> bool:
    """Whether a node is one of the allowed ones or below one. Without allowed nodes there is no limit."""
    return not allowed or any(path == node or path.startswith(node + ".") for node in allowed)


@dataclass(frozen=True, slots=True)
class RowHierarchy:
    """The hierarchy nodes of a block's rows: `path`, or the node that a row names (`named` has paths by name).

    `allowed` are the nodes that the API key of the load is limited to. The load does not see rows of other nodes, nor
    rows without a node.
    """

    path: str
    named: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()

    def of(self, row: Mapping[str, Any]) -> str:
        named = row.get("hierarchy")
        return self.named.get(named, named) if named else self.path

    def holds(self, stored: StoredRow) -> bool:
        return is_within(str(stored.values.get(COLUMN) or ""), self.allowed)


@dataclass(frozen=True, slots=True)
class BulkProgram:
    """Maps the rows of one block. `adding` makes new rows, `setters` convert the attributes of changed ones."""

    entity: str
    destination: Destination
    children: Sequence[Destination]
    adding: Program
    setters: Mapping[str, tuple[Name, Converter]]
    hierarchy: RowHierarchy

    def run(self, record: object, scope: Scope) -> Result:
        """Maps one row. Any message makes the whole row fail."""
        row: Any = record
        watched = _WatchedScope(scope)
        changes, touched = self._changes(row, watched)
        return Result([], aborted=True) if watched.reported else Result(changes, touched=touched)

    def _changes(self, row: Mapping[str, Any], scope: "_WatchedScope") -> tuple[list[Change], int]:
        if row["action"] == "add":
            values = {name: value for name, value in row["attributes"].items() if value is not None}
            added = self.adding.run(values, scope)
            if added.aborted and not scope.reported:
                scope.report(f"{self.entity}: the row could not be created")
            for change in added.changes:
                change.values[COLUMN] = self.hierarchy.of(row)
            return added.changes, added.touched
        found = self._find(row, scope)
        if found is None:
            return [], 0
        if row["action"] == "delete":
            return self._delete(found, scope), 0
        values = self._converted(row["attributes"], scope)
        if found.values.get(COLUMN) is None:
            values[COLUMN] = self.hierarchy.of(row)  # no load with a hierarchy has written it yet
        differing = {column: value for column, value in values.items() if found.values.get(column) != value}
        return ([Change(self.destination, "update", found.id, differing)], 0) if differing else ([], 1)

    def _find(self, row: Mapping[str, Any], scope: "_WatchedScope") -> StoredRow | None:
        table = self.destination.table
        if row["pkid"]:
            id = row_id(table, row["pkid"])
            found = None if id is None else scope.lookup.get(table, id)
            if found is None or not self.hierarchy.holds(found):
                scope.report(f"{self.entity}: there is no row with the pkid {row['pkid']}")
                return None
            return found
        wanted = row["search"] or {n: row["attributes"][n] for n in self.destination.key if n in row["attributes"]}
        if not wanted:
            scope.report(f"{self.entity}: which row to {row['action']} is not said: give a pkid or search fields")
            return None
        return self._search(wanted, scope)

    def _search(self, wanted: Mapping[str, object], scope: "_WatchedScope") -> StoredRow | None:
        columns = self._converted(wanted, scope)
        if scope.reported:
            return None
        rows = self._matching(columns, scope.lookup)
        if len(rows) != 1:
            shown = ", ".join(f"{name}:{value}" for name, value in wanted.items())
            count = "no row matches" if not rows else "more than one row matches"
            scope.report(f"{self.entity}: {count} {shown}")
            return None
        return rows[0]

    def _matching(self, columns: Mapping[str, Scalar], lookup: Lookup) -> Sequence[StoredRow]:
        """Returns the matching rows that the load may change, at most two of them."""
        table, keys = self.destination.table, [tuple(columns.values())]
        if not self.hierarchy.allowed:
            return lookup.find(table, tuple(columns), keys)[0]
        most = _FEW
        while True:
            found = lookup.find(table, tuple(columns), keys, most)[0]
            own = [row for row in found if self.hierarchy.holds(row)]
            if len(own) > 1 or len(found) < most:
                return own[:2]
            most *= _FEW

    def _delete(self, found: StoredRow, scope: "_WatchedScope") -> list[Change]:
        for child in self.children:
            if scope.lookup.find(child.table, (child.depends_column or "",), [(found.id,)], 1)[0]:
                scope.report(f"{self.entity}: row {found.id} still has rows of {child.name}; delete those first")
        return [Change(self.destination, "delete", found.id, {})]

    def _converted(self, attributes: Mapping[str, object], scope: "_WatchedScope") -> dict[str, Scalar]:
        """Returns the values by column, as stored."""
        values: dict[str, Scalar] = {}
        for attribute, cell in attributes.items():
            if attribute not in self.setters:
                scope.report(f"{self.entity} has no attribute {attribute}; known are {', '.join(self.setters)}")
                continue
            name, convert = self.setters[attribute]
            value: Any = None if cell is None else convert(cell, scope)
            if value is NOTHING or (value is None and (name.required or attribute == self.destination.title)):
                scope.report(f"{self.entity}: {attribute} cannot be {'empty' if cell is None else repr(cell)}")
            else:
                values[name.column] = value
        return values


class _WatchedScope(ScopeWrapper):
    """Notes whether anything was reported. A lost value is reported as an error, so that its row fails."""

    __slots__ = ("reported",)

    def __init__(self, inner: Scope) -> None:
        super().__init__(inner)
        self.reported = False

    def report(self, message: str) -> None:
        self.reported = True
        super().report(message)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        self.report(error or loss.sentence)


@dataclass(frozen=True, slots=True)
class BulkMapping:
    """What a run needs for one block. `model` has only the block's destination, `declared` is the whole model."""

    model: Model
    declared: Model
    program: BulkProgram
    fast_path: FastPath | None


def compile_bulk(
    entity: str, attributes: Sequence[str], models: Mapping[str, Model], hierarchy: RowHierarchy
) -> BulkMapping:
    """Compiles the mapping of a block. Raises BulkInvalid if the model lacks its attributes."""
    declared, destination = _destination(entity, models)
    destination = _grown(entity, destination, attributes)
    model = replace(declared, destinations={destination.name: destination})
    control = ControlFile(model.name, {}, _instructions(destination, attributes, hierarchy.path), {})
    program = compile_control(control, model, models)
    if program.setup_messages:
        raise BulkInvalid(f"{entity}: {'; '.join(program.setup_messages)}")
    problems: list[str] = []
    setup = Setup(model=model, models=models, mapping={}, report=problems.append, filters=Filters(models))
    setters: dict[str, tuple[Name, Converter]] = {}
    for name in (name for name in destination.names.values() if name.name != HIERARCHY):
        convert = converter({}, name, f"attribute {name.name}", setup)
        if convert is not None:
            setters[name.name] = (name, convert)
    children = [d for d in declared.destinations.values() if d.depends == destination.name]
    bulk = BulkProgram(entity, destination, children, program, setters, hierarchy)
    return BulkMapping(model, declared, bulk, fast_path(control, model, models))


def table_of(entity: str) -> str:
    """Returns the table of an entity: data_Countries for `data/Countries`."""
    return safe_column(entity)


def row_pkid(table: str, id: int) -> str:
    """Returns the 24 hexadecimal digits that clients use for a row: its table's checksum and its id."""
    return f"{zlib.crc32(table.encode()):08x}{id:016x}"


def row_id(table: str, pkid: str) -> int | None:
    """Returns the id of a row by its pkid, or by the plain number that exports show as `_id`."""
    if pkid.isascii() and pkid.isdecimal() and len(pkid) < 19:
        return int(pkid)
    if not _PKID(pkid.lower()) or not pkid.lower().startswith(f"{zlib.crc32(table.encode()):08x}"):
        return None
    id = int(pkid[8:], 16)
    return id if id <= _LARGEST_ID else None


def _destination(entity: str, models: Mapping[str, Model]) -> tuple[Model, Destination]:
    """Finds the model of an entity: by name, or by the table that it fills. Otherwise makes an open one."""
    table = table_of(entity)
    named = [models[entity]] if entity in models else []
    for model in (*named, *models.values()):
        for destination in model.destinations.values():
            if model in named or destination.table.lower() == table.lower():
                if destination.depends is not None:
                    raise BulkInvalid(
                        f"{entity}: its rows depend on {destination.depends}, which a sheet cannot express; "
                        "declare a destination that stands alone"
                    )
                return model, destination
    fresh = Destination(name=entity, table=table, kind="dictionary", names={}, open=True)
    return Model(name=entity, destinations={entity: fresh}), fresh


def _grown(entity: str, destination: Destination, attributes: Sequence[str]) -> Destination:
    """Returns the destination with its new attributes, which are texts, and with the hierarchy of its rows."""
    new = [name for name in attributes if name not in destination.names]
    if len(destination.names) + len(new) > MOST_OPEN_NAMES:
        raise BulkInvalid(
            f"{entity} would have {len(destination.names) + len(new):,} attributes; {MOST_OPEN_NAMES:,} at most"
        )
    if new and not destination.open:
        known = ", ".join(destination.names)
        raise BulkInvalid(f"{entity} has no attribute {', '.join(map(repr, new))}; known are {known}")
    names = dict(destination.names)
    taken = {name.column.lower(): name.name for name in names.values()}
    for attribute in new:
        column = safe_column(attribute)
        other = taken.setdefault(column.lower(), attribute)
        if other != attribute:
            raise BulkInvalid(f"{entity}: the attributes {other!r} and {attribute!r} would share the column {column}")
        names[attribute] = Name(attribute, column=column)
    names[HIERARCHY] = Name(HIERARCHY, column=COLUMN)
    return replace(destination, names=names)


def _instructions(destination: Destination, attributes: Sequence[str], path: str) -> list[Mapping[str, object]]:
    fields: list[Mapping[str, object]] = [
        {"action": "field", "source": name, "destination": destination.name, "name": name} for name in attributes
    ]
    belongs = {"action": "set-value", "destination": destination.name, "name": HIERARCHY, "value": path}
    return [{"action": "new", "destination": destination.name}, *fields, belongs]
