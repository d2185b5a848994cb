"""What one record may ask for while it is mapped, what it reports, and the changes it returns.

The mapping is pure: it reads stored rows through `Lookup` and sends messages through `Scope`.
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
    """Reads rows as they are now, with the run's own earlier changes. `find` has one answer for each key.

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
    """A value of a record that was not stored, or not as it was. `source` is the field or column that held it.

    `what` says what became of the value and what is expected; `value` is shortened.
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
    """What the mapping of one record reads and reports to.

    * `report`: sends a message about this record; the run adds which record it is.
    * `lose`: reports a value that is lost or changed. `error` is the message that the vendor's documentation has for
      it, which is logged as an error; without one the loss is a warning.
    * `hints`: the messages so far of those that are logged once a job. The mapping appends to the list, and the run
      keeps it across a crash.
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
    """Reports a message unless this job has reported it before."""
    if message not in scope.hints:
        scope.hints.append(message)
        scope.report(message)


def lose_once(scope: Scope, loss: Loss) -> None:
    """Reports a loss once a job: a constant that cannot be stored is lost in every record."""
    if loss.sentence not in scope.hints:
        scope.hints.append(loss.sentence)
        scope.lose(loss)


@dataclass(slots=True)
class Change:
    """One row to write. `values` are by column, as stored: all values of an insert, the new ones of an update."""

    destination: Destination
    op: Literal["insert", "update", "delete"]
    id: int
    values: dict[str, Scalar]


@dataclass(slots=True)
class Result:
    """The changes of one record, in the order of commit. There are none if the record was `aborted`.

    `touched` counts loaded or upserted rows that are equal to what is stored; they are reported as unchanged.
    """

    changes: list[Change]
    aborted: bool = False
    touched: int = 0


class RunFault(Exception):
    """A fault of the control file or the model. It ends the whole run, and the log shows its text as the exception."""
