"""The logs of jobs and the outcomes of their records, as functions of a `Connection`.

Both are keyed by what the writer counts (line position, record number): writing the same chunk again changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, cast, delete, func, literal_column, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from storage.catalog.base import ORIGINAL_BYTES, LogLine, Outcome, OutcomeStatus
from storage.catalog.tables import job_log, outcomes
from storage.schema import columns_of, many

_LINE = columns_of(job_log, LogLine)
_OUTCOME = columns_of(outcomes, Outcome)
_WARNED = literal_column("outcomes.warnings").is_not(None)  # to the letter as in the index


def append_log(connection: Connection, job: str, lines: Sequence[LogLine]) -> None:
    """Writes log lines; a line replaces an earlier one at its position."""
    if lines:
        rows = [{"job": job} | {field.name: getattr(line, field.name) for field in fields(LogLine)} for line in lines]
        connection.execute(_upsert(connection, job_log, "position"), rows)


def log(connection: Connection, job: str, *, after: int = -1, limit: int | None = None) -> list[LogLine]:
    """Returns lines in order; `after` is the position of the last line on the page before."""
    query = select(*_LINE).where(job_log.c.job == job, job_log.c.position > after)
    return many(LogLine, connection.execute(query.order_by(job_log.c.position).limit(limit)))


def next_position(connection: Connection, job: str) -> int:
    """Returns the position behind the last line of a job's log."""
    last = connection.execute(select(func.max(job_log.c.position)).where(job_log.c.job == job)).scalar()
    return 0 if last is None else int(last) + 1


def put_outcomes(connection: Connection, job: str, rows: Sequence[Outcome]) -> None:
    """Writes outcomes; one replaces an earlier one of its record. Originals are cut to `ORIGINAL_BYTES`."""
    if rows:
        connection.execute(_upsert(connection, outcomes, "record"), [_outcome_values(job, row) for row in rows])


def list_outcomes(
    connection: Connection,
    job: str,
    *,
    statuses: Collection[OutcomeStatus] = (),
    warned: bool = False,
    after: int = -1,
    limit: int | None = None,
) -> list[Outcome]:
    """Returns outcomes by record number; `after` is the last one on the page before. `warned`: only with warnings."""
    query = select(*_OUTCOME).where(outcomes.c.job == job, outcomes.c.record > after)
    if statuses:
        query = query.where(outcomes.c.status.in_(statuses))
    if warned:
        query = query.where(_WARNED)
    return many(Outcome, connection.execute(query.order_by(outcomes.c.record).limit(limit)))


def forget_from(connection: Connection, job: str, record: int, position: int) -> None:
    """Drops outcomes from that record on and log lines from that position on."""
    connection.execute(delete(outcomes).where(outcomes.c.job == job, outcomes.c.record >= record))
    connection.execute(delete(job_log).where(job_log.c.job == job, job_log.c.position >= position))


def _upsert(connection: Connection, table: Table, counter: str) -> Insert:
    """Returns an upsert. SQLite and PostgreSQL spell `on_conflict_do_update` alike, but share no base class for it."""
    statement: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    done: Insert = statement.on_conflict_do_update(index_elements=["job", counter], set_=changed)
    return done


def _outcome_values(job: str, outcome: Outcome) -> dict[str, object]:
    original = outcome.original
    if original is not None and len(original) > ORIGINAL_BYTES:
        original = original[:ORIGINAL_BYTES]
    return {
        "job": job,
        "record": outcome.record,
        "status": outcome.status,
        "file": outcome.file,
        "line": outcome.line,
        "message": outcome.message,
        "original": original,
        "detail": outcome.detail,
        "warnings": outcome.warnings or None,
    }


def window_end(connection: Connection, job: str, after: int, window: int) -> int | None:
    """Returns the position at which a search of `window` lines ends; None where the log ends before."""
    query = select(job_log.c.position).where(job_log.c.job == job, job_log.c.position > after)
    return connection.execute(query.order_by(job_log.c.position).limit(1).offset(window - 1)).scalar()


def search_log(
    connection: Connection,
    job: str,
    *,
    after: int,
    to: int | None,
    text: str | None,
    level: str | None,
    limit: int,
) -> list[LogLine]:
    """Returns lines of a level that have the text, in order, behind `after` and up to `to`."""
    query = select(*_LINE).where(job_log.c.job == job, job_log.c.position > after)
    if to is not None:
        query = query.where(job_log.c.position <= to)
    if level is not None:
        query = query.where(job_log.c.level == level)
    if text is not None:
        query = query.where(_holds(text))
    return many(LogLine, connection.execute(query.order_by(job_log.c.position).limit(limit)))


def _holds(text: str) -> ColumnElement[bool]:
    """Whether a line holds the text in its message, with the record it is about, or in the word for its kind."""
    record = func.coalesce(" (record " + cast(job_log.c.record, Text) + ")", "")
    of_kind = (job_log.c.kind != "note") & job_log.c.kind.icontains(text, autoescape=True)
    return or_((job_log.c.message + record).icontains(text, autoescape=True), of_kind)


def warnings(
    connection: Connection, job: str, *, after: int, limit: int
) -> list[tuple[int, Sequence[Mapping[str, str]]]]:
    """Returns records and their warnings, by record number, without the originals."""
    query = select(outcomes.c.record, outcomes.c.warnings).where(
        outcomes.c.job == job, _WARNED, outcomes.c.record > after
    )
    return [(row[0], row[1]) for row in connection.execute(query.order_by(outcomes.c.record).limit(limit))]


def messages(
    connection: Connection, job: str, status: OutcomeStatus, *, after: int, limit: int
) -> list[tuple[int, str | None]]:
    """Returns records and their messages, by record number, without the originals."""
    query = select(outcomes.c.record, outcomes.c.message).where(
        outcomes.c.job == job, outcomes.c.status == status, outcomes.c.record > after
    )
    return [(row[0], row[1]) for row in connection.execute(query.order_by(outcomes.c.record).limit(limit))]


def outcomes_at(connection: Connection, job: str, records: Collection[int]) -> list[Outcome]:
    """Returns the outcomes of these records, by record number."""
    query = select(*_OUTCOME).where(outcomes.c.job == job, outcomes.c.record.in_(records))
    return many(Outcome, connection.execute(query.order_by(outcomes.c.record)))


def of_file(
    connection: Connection, job: str, file: str, *, warned: bool = False, after: int, limit: int
) -> list[Outcome]:
    """Returns outcomes of one file, failed or with warnings, by record number; `after` is the last one before."""
    kind = _WARNED if warned else outcomes.c.status == "failed"
    query = select(*_OUTCOME).where(outcomes.c.job == job, kind, outcomes.c.record > after, outcomes.c.file == file)
    return many(Outcome, connection.execute(query.order_by(outcomes.c.record).limit(limit)))
