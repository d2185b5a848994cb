"""What the import language may ask of the world while it maps one record, and what it says back.

The mapping is pure: rows it needs come through `Lookup`, messages leave through `Scope.report`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from server.mapping.model.document import quoted
from server.mapping.model.model import Destination

Scalar = str | int | float | None


class StoredRow(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def values(self) -> Mapping[str, Scalar]: ...


class Lookup(Protocol):
    """Rows as they are now, the run's own earlier changes included. Asked in batches: one answer for each key.

    * `find`: the rows whose `columns` equal the key, oldest first, at most `limit`; a key with None in it finds none.
    * `get`: one row by id, or None.
    * `reserve`: an id for a row that will be inserted; never handed out twice.
    """

    def find(
        self, table: str, columns: Sequence[str], keys: Sequence[tuple[Scalar, ...]], limit: int = 2
    ) -> Sequence[Sequence[StoredRow]]: ...

    def get(self, table: str, id: int) -> StoredRow | None: ...

    def reserve(self, table: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Loss:
    """A value of a record that did not reach its column, or not as it was. `source` is the field or column it was in.

    `what` says what became of it and what would have been right; `value` is shortened.
    """

    what: str
    source: str
    value: str
    destination: str = ""
    name: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.source}: {quoted(self.value)} {self.what}"


class Scope(Protocol):
    """One record's surroundings.

    * `report`: a message about this record; the run adds which record it was.
    * `lose`: a value of it that is lost or changed. `error` is the message that the vendor's documentation names for
      it, reported as such; where that says nothing the loss is a warning.
    * `hints`: what has been said that is said once a job. The mapping appends to it, the run keeps it across a crash.
    """

    @property
    def lookup(self) -> Lookup: ...

    @property
    def hints(self) -> list[str]: ...

    def report(self, message: str) -> None: ...

    def lose(self, loss: Loss, error: str | None = None) -> None: ...


class ScopeWrapper:
    """Base of scopes that treat the messages of another one in their own way. By itself it passes everything on."""

    __slots__ = ("_inner", "hints", "lookup")

    def __init__(self, inner: Scope) -> None:
        self._inner = inner
        self.lookup = inner.lookup
        self.hints = inner.hints

    def report(self, message: str) -> None:
        self._inner.report(message)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        self._inner.lose(loss, error)


def report_once(scope: Scope, message: str) -> None:
    """Reports a message unless this job has done so before."""
    if message not in scope.hints:
        scope.hints.append(message)
        scope.report(message)


def lose_once(scope: Scope, loss: Loss) -> None:
    """Of what is the same for every record, such as a constant that cannot be stored: one record says it."""
    if loss.sentence not in scope.hints:
        scope.hints.append(loss.sentence)
        scope.lose(loss)


@dataclass(slots=True)
class Change:
    """One row to write. `values` by column in stored form: of an insert all that are set, of an update what differs."""

    destination: Destination
    op: Literal["insert", "update", "delete"]
    id: int
    values: dict[str, Scalar]


@dataclass(slots=True)
class Result:
    """What a record asks for. `changes` in commit order; empty when the mapping `aborted`.

    `touched` counts loaded or upserted rows that turned out equal to what is stored: they count as unchanged.
    """

    changes: list[Change]
    aborted: bool = False
    touched: int = 0


class RunFault(Exception):
    """A fault of the control file or the model that ends the whole run; the text goes into the log's EXCEPTION line."""
