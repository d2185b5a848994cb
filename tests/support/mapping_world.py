"""Rows in dictionaries, for tests of the import language: a lookup, a scope, and what a run does with changes."""

from dataclasses import dataclass, field
from itertools import count

from server.mapping.model.model import Destination, Model, Name, safe_column
from server.mapping.program.compile import compile_control


@dataclass
class StoredRow:
    id: int
    values: dict


class World:
    """Tables of rows that answer as the record store does."""

    def __init__(self):
        self.tables = {}
        self.hints = []
        self._ids = count(100)

    def add(self, table, id, **values):
        self.tables.setdefault(table, {})[id] = StoredRow(id, values)

    def row(self, table, id):
        return self.tables[table][id].values

    def find(self, table, columns, keys, limit=2):
        rows = sorted(self.tables.get(table, {}).values(), key=lambda row: row.id)
        return [
            [r for r in rows if None not in key and tuple(r.values.get(c) for c in columns) == tuple(key)][:limit]
            for key in keys
        ]

    def get(self, table, id):
        return self.tables.get(table, {}).get(id)

    def reserve(self, table):
        return next(self._ids)

    def apply(self, changes):
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
    lookup: object
    hints: list = field(default_factory=list)
    messages: list = field(default_factory=list)
    losses: list = field(default_factory=list)

    def report(self, message):
        self.messages.append(message)

    def lose(self, loss, error=None):
        self.losses.append(loss)
        if error is not None:
            self.report(error)


@dataclass
class Job:
    """A compiled control file at work on a world."""

    program: object
    world: World
    messages: list = field(default_factory=list)
    losses: list = field(default_factory=list)

    def run(self, record, *, commit=True):
        scope = RecordScope(self.world, self.world.hints)
        result = self.program.run(record, scope)
        self.messages, self.losses = scope.messages, scope.losses
        if commit and not result.aborted:
            self.world.apply(result.changes)
        return result


def name(name, type="text", **options):
    return Name(name, type=type, column=safe_column(name), **options)


def destination(name, *names, kind="object", **options):
    options.setdefault("table", name)
    return Destination(name=name, kind=kind, names={n.name: n for n in names}, **options)


def model(*destinations, **options):
    return Model("test:model", {d.name: d for d in destinations}, **options)


def job(model, *instructions, world=None, mapping=None):
    control = {
        "dataImportControlFileVersion": 0,
        "model": model.name,
        "files": {"DEFAULT": {"read": "json"}},
        "instructions": list(instructions),
        "mapping": mapping or {},
    }
    return Job(compile_control(control, model, {model.name: model}), World() if world is None else world)


def changed(result):
    """The changes as (destination, op, id, values)."""
    return [(c.destination.name, c.op, c.id, c.values) for c in result.changes]


def field_of(source, destination, name, **options):
    return {"source": source, "destination": destination, "name": name, **options}


def new(destination):
    return {"action": "new", "destination": destination}
