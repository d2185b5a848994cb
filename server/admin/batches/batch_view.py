"""What the page of a batch says: its messages, facts, files, jobs and the transaction of a bulk load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import orjson

from server.admin.batches.listing import path_of
from server.admin.rendering import Badge, Message, Text, badge, duration, message, moment, number, short
from server.engine.batches.copying import COPIED_FROM, copies_of
from server.engine.batches.lifecycle import BACKGROUND_TASK
from server.engine.batches.listing import FINAL, Batch, Job
from server.engine.clock import utc_now
from server.engine.vendors.voss.transaction_states import Part, RowState, State

LONGEST_CONTROL = 200_000  # characters shown; the page of the control file shows all
MOST_LAID_OUT = 1 << 20  # bytes; the JSON parser blocks all threads while it works
_PARTS: Mapping[Part, str] = {"load": "Create the load", "schedule": "Create the schedule", "execute": "Execute"}
_SHOWN_ELSEWHERE = (COPIED_FROM, "copies", "transaction")


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    texts: Sequence[Text]


@dataclass(frozen=True, slots=True)
class JobRow:
    """`href` leads to the page of a background task."""

    id: str
    href: str | None
    what: str
    badge: Badge
    attempts: str
    created: datetime
    finished: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class LoadRow:
    sheet: str
    line: str
    action: str
    entity: str
    badge: Badge
    message: str


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One of the transactions that a bulk load consists of."""

    title: str
    badge: Badge
    id: str


@dataclass(frozen=True, slots=True)
class LoadView:
    """The transaction of a bulk load: its steps, and a page of its rows."""

    badge: Badge
    sentence: str
    title: str
    id: str
    steps: Sequence[LoadStep]
    heading: str
    rows: Sequence[LoadRow]
    older: str | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class BatchView:
    """`review` leads to the review of an import of this site; None for other batches."""

    title: str
    path: str
    messages: Sequence[Message]
    review: Text | None
    badge: Badge
    is_dry_run: bool
    facts: Sequence[Fact]
    jobs: Sequence[JobRow]
    load: LoadView | None
    stored: str


def batch_view(
    batch: Batch, job: Job | None, jobs: Sequence[Job], *, maker: str | None, load: LoadView | None
) -> BatchView:
    """Returns the view of a batch: `job` is its latest import, `jobs` are all its jobs, `maker` names its key."""
    dry_run = job is not None and job.mode == "dry-run"
    return BatchView(
        title=batch.comment or "Batch",
        path=path_of(batch.identifier),
        messages=list(_messages(batch, job)),
        review=_review(batch, job),
        badge=badge(batch.state, job.counts if job else None),
        is_dry_run=dry_run and batch.state != "dry-run",
        facts=[*_origin(batch, maker, is_load=load is not None), *_times(batch, job)],
        jobs=[_job_row(one) for one in sorted(jobs, key=lambda one: one.mode == BACKGROUND_TASK)],
        load=load,
        stored="would be stored" if dry_run else "is stored",
    )


def _messages(batch: Batch, job: Job | None) -> Iterator[Message]:
    if batch.state == "dry-run":
        yield message("Dry run only: This application has not been updated with imported data.")
    if batch.state == "uploading":
        yield message(
            f"Still open for files. The program that created this batch sends them through the API {batch.api} and "
            "then starts the import there, so it cannot be started here."
        )
    if job is None:
        return
    if job.mode == "dry-run" and batch.state in ("scheduled", "running"):
        yield message("This is a dry run: data is checked, not imported.")
    if job.cancel_requested and job.state == "running":
        yield message("Stopping at the next checkpoint.")
    if job.error:
        lead = "The last attempt failed:" if job.state in ("queued", "running") else "The import ended early:"
        yield Message((Text(lead, style="strong"), Text(f" {job.error}")), "problems")


def _review(batch: Batch, job: Job | None) -> Text | None:
    if job is None or job.mode != "dry-run" or not (batch.api == "admin" or job.payload.get("samples")):
        return None
    is_decided = batch.state == "cancelled" or bool(copies_of(batch))
    words = "Review of this import" if is_decided else "Review and confirm this import"
    return Text(words, f"/admin/new-import/{quote(batch.identifier, safe='')}")


def _origin(batch: Batch, maker: str | None, *, is_load: bool) -> Iterator[Fact]:
    yield Fact("Batch", [Text(batch.identifier, style="mono break")])
    yield Fact("API", [Text(batch.api, f"/admin/batches?api={quote(batch.api)}")])
    if batch.process:
        yield Fact("Process", [Text(batch.process, f"/admin/processes/{quote(batch.process, safe='')}")])
    if batch.control:
        href = f"/admin/control-files/{batch.control}"
        yield Fact("Control file", [Text(short(batch.control, 10), href, "mono", batch.control)])
    yield Fact("Created by", [Text(maker or _unnamed(batch))])
    if batch.tenant:
        yield Fact("Hierarchy" if is_load else "Tenant", [Text(batch.tenant)])
    for name, value in _properties(batch).items():
        yield Fact(name[:1].upper() + name[1:], [Text(value)])
    copied_from = batch.properties.get(COPIED_FROM)
    if isinstance(copied_from, str):
        yield Fact("Copied from", [_batch_link(copied_from)])
    if copies := copies_of(batch):
        yield Fact("Copied to", [_batch_link(copy) for copy in copies])


def _unnamed(batch: Batch) -> str:
    if batch.created_by:
        return f"key {batch.created_by}"
    return "the command line" if batch.api == "cli" else "unknown"


def _batch_link(identifier: str) -> Text:
    return Text(short(identifier, 10), path_of(identifier), "mono", identifier)


def _properties(batch: Batch) -> Mapping[str, str]:
    """Returns the properties that the page shows nowhere else."""
    return {
        name.replace("_", " "): value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in batch.properties.items()
        if name not in _SHOWN_ELSEWHERE and value not in (None, "", [], {})
    }


def _times(batch: Batch, job: Job | None) -> Iterator[Fact]:
    yield Fact("Created", [Text(moment(batch.created))])
    if job is None:
        return
    if job.state == "queued" and job.due > job.created:
        yield Fact("Due", [Text(moment(job.due))])
    if job.started:
        yield Fact("Started", [Text(moment(job.started))])
    if job.finished:
        yield Fact("Finished", [Text(moment(job.finished))])
    yield from _duration(job)
    if batch.errors:
        yield Fact("Errors", [Text(number(batch.errors))])


def _duration(job: Job) -> Iterator[Fact]:
    seconds = _seconds(job)
    if seconds is None:
        return
    rate = f", {number(job.counts.read / seconds)} rows/s" if seconds and job.counts.read else ""
    yield Fact("Duration", [Text(duration(seconds) + rate)])
    if job.state == "running" and seconds and job.fraction:
        left = seconds * (1 - job.fraction) / job.fraction  # an estimate: the rest is read at the speed so far
        yield Fact("Time left", [Text(f"about {duration(left)}")])


def _seconds(job: Job) -> float | None:
    """Returns how long a job has run; None before its start, and while it waits to continue."""
    if job.started is None or (job.state not in FINAL and job.state != "running"):
        return None
    return max((job.finished or utc_now()) - job.started, timedelta(0)).total_seconds()


def _job_row(job: Job) -> JobRow:
    is_task = job.mode == BACKGROUND_TASK
    return JobRow(
        id=job.id,
        href=f"/admin/jobs/{job.id}" if is_task else None,
        what=job.kind if is_task else job.mode,
        badge=badge(job.state, job.counts),
        attempts=f"{job.attempts} of {job.max_attempts}",
        created=job.created,
        finished=job.finished,
        error=job.error or "",
    )


def load_view(batch: Batch, state: State, rows: Sequence[RowState], skip: int, page: int) -> LoadView:
    """Returns the view of a bulk load; `rows` is a page of at most `page` rows, after the first `skip`."""
    here, total, transaction = path_of(batch.identifier), state.rows.total, state.transaction
    sentences = (state.detail, state.message, "Started late." if state.late else "")
    last = f"Rows {number(skip + 1)} to {number(skip + len(rows))} of {number(total)}"
    return LoadView(
        badge=badge(state.status),
        sentence=" ".join(sentence for sentence in sentences if sentence),
        title=f"{transaction.action} {transaction.name}",
        id=transaction.id,
        steps=list(_steps(state)),
        heading=f"{last}, each a transaction of its own",
        rows=[_load_row(row) for row in rows],
        older=f"{here}?rows={skip + page}#transaction" if skip + page < total else None,
        newer=f"{here}?rows={max(0, skip - page)}#transaction" if skip else None,
    )


def _steps(state: State) -> Iterator[LoadStep]:
    for part in state.parts:
        if part != "schedule" or state.transaction.due is not None:
            status = state.status if part == "execute" else "Success"
            yield LoadStep(_PARTS[part], badge(status), state.part_id(part))


def _load_row(row: RowState) -> LoadRow:
    planned = row.row
    return LoadRow(
        sheet=planned.sheet,
        line="" if planned.line is None else str(planned.line),
        action=planned.action,
        entity=planned.entity,
        badge=badge(row.status),
        message=(row.outcome.message or "") if row.outcome else "",
    )


def pretty(content: bytes | None) -> str | None:
    """Returns a control file with its JSON laid out, or as it is if it is long or not JSON."""
    if content is None:
        return None
    if len(content) > MOST_LAID_OUT:
        return content[:LONGEST_CONTROL].decode("utf-8", "replace") + "\n…"
    try:
        text = orjson.dumps(orjson.loads(content), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, TypeError):  # TypeError: nested too deeply for orjson to write
        text = content.decode("utf-8", "replace")
    return text if len(text) <= LONGEST_CONTROL else text[:LONGEST_CONTROL] + "\n…"
