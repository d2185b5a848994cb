"""What kind of line each line of a log is, and which record it is about, as columns of their own.

Lines of before said both in their sentence. They are read once, here; the sentence keeps what is left. A line in no
known form stays a note, which is shown as it is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

Values = dict[str, Any]

_STEP = 10_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_START_OR_END = re.compile(
    rf"(START|END): [A-Z][a-z]{{2}} ({'|'.join(_MONTHS)}) (\d\d) (\d{{4}}) (\d\d:\d\d:\d\d) GMT\+0000 \(UTC\)", re.ASCII
)
_EXCEPTION = "EXCEPTION: Error during import: "
_CANCELLED = "CANCELLED: "
_STOPPED = "the import was stopped on request; what it had committed stays"
_OF_RECORD = re.compile(r"(.*) \(record (\d{1,18})\)", re.ASCII | re.DOTALL)

_OLD_LINES = sa.text(
    "SELECT job, position, level, message, created FROM job_log WHERE (job, position) > (:job, :position)"
    " ORDER BY job, position LIMIT :step"
)
_UPDATE = sa.text(
    "UPDATE job_log SET kind = :kind, record = :record, message = :message, created = :created"
    " WHERE job = :job AND position = :position"
)


def upgrade() -> None:
    op.add_column("job_log", sa.Column("kind", sa.Text(), nullable=False, server_default="note"))
    op.add_column("job_log", sa.Column("record", sa.BigInteger().with_variant(sa.Integer, "sqlite")))
    for lines in _steps(op.get_bind()):
        changed = [line | found for line in lines if (found := _typed(**line))]
        if changed:
            op.get_bind().execute(_UPDATE, changed)


def _steps(connection: sa.Connection) -> Iterator[Sequence[Values]]:
    """All lines in order, `_STEP` at a time, since all logs together may be larger than memory."""
    last: Values = {"job": "", "position": -1}
    while lines := [dict(row) for row in connection.execute(_OLD_LINES, last | {"step": _STEP}).mappings()]:
        yield lines
        last = {name: lines[-1][name] for name in ("job", "position")}


def _typed(*, level: str, message: str, created: str, **_: object) -> Values:
    """What the sentence of a line said beyond its message; nothing for a plain note."""
    line: Values = {"kind": "note", "record": None, "message": message, "created": created}
    if level == "info" and (framed := _START_OR_END.fullmatch(message)):
        return line | {"kind": framed[1].lower(), "message": "", "created": _created(framed, created)}
    if level == "error" and message.startswith(_EXCEPTION):
        return line | {"kind": "exception", "message": message.removeprefix(_EXCEPTION)}
    if level == "warning" and message == _CANCELLED + _STOPPED:
        return line | {"kind": "cancelled", "message": _STOPPED}
    if level != "info" and (about := _OF_RECORD.fullmatch(message)):
        return line | {"message": about[1], "record": int(about[2])}
    return {}


def _created(framed: re.Match[str], created: str) -> str:
    """The time that the sentence named: the line may have been written a second later."""
    named = f"{framed[4]}-{_MONTHS.index(framed[2]) + 1:02}-{framed[3]}T{framed[5]}"
    return created if created.startswith(named) else f"{named}.000000Z"
