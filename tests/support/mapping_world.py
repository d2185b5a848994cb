"""Rows in dictionaries, for tests of the import language: a lookup, a scope, and what a run does with changes."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from server.mapping.model.model import Destination, Model, Name, safe_column
from server.mapping.program.compile import compile_control


@dataclass
class StoredRow:
    id: int
    values: dict[str, Any]


class World:
    """Tables of rows that answer as the record store does."""

    def __init__(self) -> None:
        self.tables = {}  # type: ignore[var-annotated]
        self.hints = []  # type: ignore[var-annotated]
        self._ids = count(100)

    def add(self, table: Any, id: Any, **values: Any) -> None:
        self.tables.setdefault(table, {})[id] = StoredRow(id, values)

    def row(self, table: Any, id: Any) -> Any:
        return self.tables[table][id].values

    def find(self, table: Any, columns: Any, keys: Any, limit: int = 2) -> list[Any]:
        rows = sorted(self.tables.get(table, {}).values(), key=lambda row: row.id)
        return [
            [r for r in rows if None not in key and tuple(r.values.get(c) for c in columns) == tuple(key)][:limit]
            for key in keys
        ]

    def get(self, table: Any, id: dict[str, Any]) -> Any:
        return self.tables.get(table, {}).get(id)

    def reserve(self, table: Any) -> Any:
        return next(self._ids)

    def apply(self, changes: Any) -> None:
        for change in changes:
            rows = self.tables.setdefault(change.destination.table, {})
            if change.op == "insert":
                assert change.id not in rows
                rows[change.id] = StoredRow(change.id, dict(change.values))
            elif change.op == "update":
                rows[change.id].values.update(change.values)
            else:
                del rows[change.id]


@dataclass
class RecordScope:
    lookup: Any
    hints: list[Any] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    losses: list[Any] = field(default_factory=list)

    def report(self, message: Any) -> None:
        self.messages.append(message)

    def lose(self, loss: Any, error: Any = None) -> None:
        self.losses.append(loss)
        if error is not None:
            self.report(error)


@dataclass
class Job:
    """A compiled control file at work on a world."""

    program: object
    world: World
    messages: list[Any] = field(default_factory=list)
    losses: list[Any] = field(default_factory=list)

    def run(self, record: Any, *, commit: bool = True) -> Any:
        scope = RecordScope(self.world, self.world.hints)
        result = self.program.run(record, scope)  # type: ignore[attr-defined]
        self.messages, self.losses = scope.messages, scope.losses
        if commit and not result.aborted:
            self.world.apply(result.changes)
        return result


def name(name: Any, type: str = "text", **options: Any) -> Name:
    return Name(name, type=type, column=safe_column(name), **options)


def destination(name: Any, *names: Any, kind: str = "object", **options: Any) -> Destination:
    options.setdefault("table", name)
    return Destination(name=name, kind=kind, names={n.name: n for n in names}, **options)  # type: ignore[arg-type]


def model(*destinations: Any, **options: Any) -> Model:
    return Model("test:model", {d.name: d for d in destinations}, **options)


def job(model: Any, *instructions: Any, world: Any = None, mapping: Any = None) -> "Job":
    control = {
        "dataImportControlFileVersion": 0,
        "model": model.name,
        "files": {"DEFAULT": {"read": "json"}},
        "instructions": list(instructions),
        "mapping": mapping or {},
    }
    return Job(compile_control(control, model, {model.name: model}), World() if world is None else world)


def changed(result: Any) -> list[Any]:
    """The changes as (destination, op, id, values)."""
    return [(c.destination.name, c.op, c.id, c.values) for c in result.changes]


def field_of(source: Any, destination: Any, name: Any, **options: Any) -> dict[str, Any]:
    return {"source": source, "destination": destination, "name": name, **options}


def new(destination: Any) -> dict[str, Any]:
    return {"action": "new", "destination": destination}
