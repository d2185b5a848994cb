"""Finds the stored row that a record means by its columns, and the columns of a record that are unknown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from server.mapping.language.control import Instruction, text_of
from server.mapping.model.scope import Scalar, StoredRow
from server.mapping.program.assigning import Assignment, Preparation, assignment
from server.mapping.record.evaluation import Evaluation
from server.mapping.record.targets import PreparedDestination
from server.mapping.values.javascript import NOTHING, is_skipped

_MOST_SHOWN = 30

Known = tuple[Assignment, Scalar]


@dataclass(frozen=True, slots=True)
class Identifiers:
    """The columns that may identify a row of one destination. `read` returns None after it aborted the record."""

    prepared: PreparedDestination
    columns: Mapping[str, Assignment]

    def given(self, record: Mapping[str, object]) -> list[str]:
        return [column for column in self.columns if column in record]

    def read(self, evaluation: Evaluation, record: Mapping[str, object], given: Sequence[str]) -> list[Known] | None:
        known: list[Known] = []
        for column in given:
            value, to = record[column], self.columns[column]
            if is_skipped(value) or (isinstance(value, str) and not value.strip()):
                evaluation.abort(f"Column {column} is blank; give it a value or leave it out")
                return None
            stored = to.convert(value, evaluation.scope)
            if stored is NOTHING:
                evaluation.abort(f"Column {column} cannot be used to find a row")
                return None
            known.append((to, stored))  # type: ignore[arg-type]
        return known

    def find(self, evaluation: Evaluation, known: Sequence[Known]) -> Sequence[StoredRow]:
        """Returns the matching rows, at most two: a second one shows already that the match is not unique."""
        columns = tuple(to.bound.main.column for to, _ in known)
        return evaluation.scope.lookup.find(self.prepared.table, columns, [tuple(value for _, value in known)], 2)[0]

    def shown(self, known: Sequence[Known]) -> str:
        return f"{self.prepared.name} with " + ", ".join(f"{to.bound.name.name} = {value}" for to, value in known)


def identifiers_of(prep: Preparation, instruction: Instruction) -> Identifiers | None:
    """Prepares the columns of `identify`. Returns None, and reports why, if the instruction is faulty."""
    destination, columns = text_of(instruction, "destination"), instruction.get("columns")
    prepared = prep.destinations.get(destination)
    if prepared is None or prepared.pseudo:
        prep.report(f"Unknown destination in identify: {destination}")
        return None
    if not isinstance(columns, Mapping):
        prep.report(f"'columns' property of identify is not an object: {destination}")
        return None
    made = {column: _assignment(prep, destination, column, options) for column, options in columns.items()}
    return Identifiers(prepared, {column: one for column, one in made.items() if one is not None})


def _assignment(prep: Preparation, destination: str, column: str, options: object) -> Assignment | None:
    given = options if isinstance(options, Mapping) else {"name": options}
    return assignment(prep, {**given, "action": "identify", "destination": destination}, f"identifier column {column}")


def unknown_columns(record: Iterable[str], known: Mapping[str, None]) -> str | None:
    """Returns the message about columns of a record that the import does not take, or None."""
    strange = [column for column in record if column not in known]
    if not strange:
        return None
    takes = ", ".join(list(known)[:_MOST_SHOWN]) + (", …" if len(known) > _MOST_SHOWN else "")
    words = "Unknown column" if len(strange) == 1 else "Unknown columns"
    return f"{words} {', '.join(strange[:_MOST_SHOWN])}; this import takes {takes or 'no columns'}"
