"""Builds the review of an import: the progress of the check, what the import would do, and what may be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from server.admin.batches.listing import path_of
from server.admin.rendering import Message, Text, message, moment, number, plural, short, size
from server.engine.execution.samples import LOOKED_AT
from server.engine.review.proposals import Proposal
from server.engine.review.summaries import SeenColumn, SeenFile, Summary
from server.mapping.language.flows import Flow
from server.mapping.language.processes import Process

PATH = "/admin/new-import"
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class ColumnView:
    """Where the values of a column go; `unused` where nothing reads the column."""

    name: str
    first: str
    goes_to: Sequence[Text]
    stored_in: str
    type: str
    unused: bool


@dataclass(frozen=True, slots=True)
class FileView:
    title: str
    size: str
    columns: Sequence[ColumnView]


@dataclass(frozen=True, slots=True)
class ResultView:
    """What a check found. `confirm` is the label of the button; empty where the import cannot be confirmed."""

    heading: str
    verdict: Message | None
    remarks: Sequence[str]
    confirm: str
    reads_otherwise: bool
    origin: Sequence[Text]
    files: Sequence[FileView]
    missing_from: str


@dataclass(frozen=True, slots=True)
class ReviewView:
    """The page of a review. `waiting` is the heading while the check runs; empty afterwards."""

    title: str
    address: str
    is_live: bool
    waiting: str
    undecided: bool
    messages: Sequence[Message]
    result: ResultView | None


def review_view(proposal: Proposal, summary: Summary | None, process: Process | None) -> ReviewView:
    undecided = proposal.row.decision is None
    waiting = "Being checked" if proposal.job.state == "running" else "Waiting to be checked"
    return ReviewView(
        title=proposal.batch.comment or "New import",
        address=f"{PATH}/{quote(proposal.batch.identifier, safe='')}",
        is_live=not proposal.is_checked,
        waiting=waiting if undecided and not proposal.is_checked else "",
        undecided=undecided,
        messages=[*_decision(proposal), *(_doubts(proposal, summary) if summary else ())],
        result=_result(proposal, summary, process) if summary else None,
    )


def another(proposal: Proposal) -> str:
    """Returns the page that takes other files for the same process or control file."""
    batch = proposal.batch
    query = f"process={quote(batch.process, safe='')}" if batch.process else f"control={batch.control}"
    return f"{PATH}?{query}"


def _decision(proposal: Proposal) -> Iterator[Message]:
    row = proposal.row
    when = Text(moment(row.decided))
    if row.decision == "confirmed":
        link = Text("The batch that imports it", f"/admin/batches/{row.imported}")
        yield Message((Text("Confirmed "), when, Text(". "), link, Text(".")), "notice")
    elif row.decision == "repeated":
        link = Text("the later check", f"{PATH}/{row.imported}")
        yield Message((Text("Checked again "), when, Text(". Decide about "), link, Text(".")))
    elif row.decision == "abandoned":
        removed = ", and the files were removed. " if row.dropped is not None else ". "
        link = Text("Import other files", another(proposal))
        yield Message((Text("Abandoned "), when, Text(f". Nothing was imported{removed}"), link, Text(".")))


def _doubts(proposal: Proposal, summary: Summary) -> Iterator[Message]:
    """Yields what may be wrong with the check as a whole."""
    row, job = proposal.row, proposal.job
    if row.decision is None:
        yield from map(message, summary.changed)
    if row.dropped is None:
        for seen in summary.files:
            yield from _misfit(proposal, summary, seen)
    if job.state == "failed":
        yield Message((Text("The check could not be completed:", style="strong"), Text(f" {job.error}")), "problems")
    elif job.state == "cancelled" and row.decision is None:
        yield message("The check was canceled before its end.")


def _misfit(proposal: Proposal, summary: Summary, seen: SeenFile) -> Iterator[Message]:
    if not seen.misfit:
        return
    options = (Text("read it otherwise", "#otherwise"), Text(", ")) if _can_reread(proposal, summary) else ()
    another_file = Text("send another file", another(proposal))
    ends = (another_file, Text(", or "), Text("choose another process", PATH), Text("."))
    yield Message((Text(f"{seen.misfit} If so, "), *options, *ends))


def _can_reread(proposal: Proposal, summary: Summary) -> bool:
    return proposal.row.decision is None and bool(summary.choices)


def _result(proposal: Proposal, summary: Summary, process: Process | None) -> ResultView:
    job, count = proposal.job, len(summary.files)
    return ResultView(
        heading=_heading(proposal),
        verdict=_verdict(proposal, summary) if proposal.row.decision is None and job.state == "done" else None,
        remarks=summary.remarks,
        confirm=f"Import {plural(job.counts.read - job.counts.failed, 'record')}" if proposal.can_be_confirmed else "",
        reads_otherwise=job.state == "failed" or job.counts.failed > 0 or any(seen.misfit for seen in summary.files),
        origin=list(_origin(proposal, process)),
        files=[_file(seen) for seen in summary.files],
        missing_from="file" if count == 1 else "files",
    )


def _heading(proposal: Proposal) -> str:
    if proposal.job.state != "done":
        return "What was checked before it ended"
    return "What the import does" if proposal.row.decision == "confirmed" else "What the import would do"


def _verdict(proposal: Proposal, summary: Summary) -> Message:
    counts = proposal.job.counts
    if proposal.can_be_confirmed:
        return Message(tuple(_outlook(proposal, summary)), "verdict")
    if not counts.read:
        files = "this file" if len(summary.files) == 1 else "these files"
        return message(f"There are no records in {files}: nothing can be imported.")
    if counts.failed == counts.read:
        return message("Every record failed: nothing can be imported. The reasons are listed below.")
    return message("Nothing would change, so there is nothing to import.")


def _outlook(proposal: Proposal, summary: Summary) -> Iterator[Text]:
    job, counts = proposal.job, proposal.job.counts
    if counts.failed:
        yield Text(f"{_failed_records(counts.failed)} left out; all others are imported.")
    elif not counts.with_warnings:
        yield Text(
            "All records can be imported" + (", but read the remarks about the files." if summary.remarks else ".")
        )
    if counts.with_warnings:
        verb = "record is" if counts.with_warnings == 1 else "records are"
        lead = f" {number(counts.with_warnings)} {verb} stored with warnings: a value is lost or changed. "
        yield Text(lead, style="strong")
        yield Text("See which, by cause, and as a file", f"{path_of(proposal.batch.identifier)}/warnings")
        yield Text(".")
    yield Text(" The numbers are for the tables as of ")
    yield Text(moment(job.finished))
    yield Text(".")


def _failed_records(failed: int) -> str:
    return "The failed record is" if failed == 1 else f"The {number(failed)} failed records are"


def _origin(proposal: Proposal, process: Process | None) -> Iterator[Text]:
    batch, page = proposal.batch, path_of(proposal.batch.identifier)
    if process:
        yield Text("By ")
        yield Text(process.label, f"/admin/processes/{quote(process.id, safe='')}")
        yield Text(", with the control file ")
    else:
        yield Text("With the control file ")
    control = batch.control or ""
    yield Text(short(control, 10), f"/admin/control-files/{control}", "mono")
    yield Text(". ")
    yield Text("The batch of this check", page)
    yield Text(" has its log")
    if proposal.job.counts.failed:
        yield Text(", and ")
        yield Text("all failed records", f"{page}/failed")
        yield Text(", by cause and as a file")
    yield Text(".")


def _file(seen: SeenFile) -> FileView:
    looked_at = f"; as found in its first {number(seen.looked_at)} records" if seen.looked_at >= LOOKED_AT else ""
    more = "; there are more columns than these" if seen.more else ""
    return FileView(
        title=f"Columns of {seen.file.filename or seen.file.name}",
        size=f"{size(seen.file.size)}{looked_at}{more}",
        columns=[_column(column) for column in seen.columns],
    )


def _column(column: SeenColumn) -> ColumnView:
    first = column.first
    return ColumnView(
        name=column.name,
        first=first if len(first) <= _LONGEST_VALUE else f"{first[:_LONGEST_VALUE]}…",
        goes_to=list(_goes_to(column)),
        stored_in="; ".join(_stored_in(flow) for flow in column.use.flows if flow.table),
        type="; ".join(flow.type for flow in column.use.flows if flow.type),
        unused=not column.use.used,
    )


def _goes_to(column: SeenColumn) -> Iterator[Text]:
    use = column.use
    if not use.flows and not use.finds:
        yield Text("only decides what is done" if use.asked else "not used")
    ways = chain(
        ([Text(flow.name, style="strong"), Text(f" of {flow.destination}", style="soft")] for flow in use.flows),
        ([Text(f"finds the row of {flow.destination[5:]} by {flow.name}")] for flow in use.finds),
    )
    for number_, way in enumerate(ways):
        if number_:
            yield Text("; ")
        yield from way


def _stored_in(flow: Flow) -> str:
    return f"{flow.table}.{flow.column}" if flow.column else flow.table
