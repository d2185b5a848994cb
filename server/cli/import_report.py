"""The report of `penstock import --wait`: counts, the first bad records, and where to see the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.cli.open_engine import WorkFailed
from server.cli.output import counted, remark
from server.cli.terminal_text import one_line
from server.engine.batches.failure_causes import Kind, warning_text
from server.engine.documents import Job, Outcome
from server.engine.engine import Engine
from server.engine.review.summaries import remarks_of

SHOWN = 5  # number of records shown, of each kind
_LINES = 500  # of the log: remarks about a whole file come early
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Said:
    """The report's sentences: remarks about whole files, and the first records that failed or lost a value."""

    remarks: Sequence[str]
    failed: Sequence[Outcome]
    warned: Sequence[Outcome]


async def said_of(engine: Engine, job: Job) -> Said:
    return Said(
        remarks_of(await engine.jobs.log(job.id, limit=_LINES)),
        await _first(engine, job, "failed"),
        await _first(engine, job, "warnings"),
    )


async def _first(engine: Engine, job: Job, kind: Kind) -> Sequence[Outcome]:
    return (await engine.monitoring.failure_causes.page(job, kind=kind, limit=SHOWN)).records


def show_end(job: Job, said: Said, show: str) -> None:
    """Prints the result; raises WorkFailed unless every record succeeded."""
    remark(_counts(job))
    for sentence in (*said.remarks, *_sentences(said.failed), *_sentences(said.warned)):
        remark(_short(sentence))
    if job.errors or said.remarks or said.warned:
        remark((f"{counted(job.errors, 'error')}; " if job.errors else "") + f"see: {show}")
    counts = job.counts
    if job.state != "done":
        raise WorkFailed(f"the import ended as {job.state}" + (f": {job.error}" if job.error else ""))
    if counts.failed:
        raise WorkFailed(f"{counts.failed} of {counted(counts.read, 'record')} failed")


def _sentences(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yields each message with the file and line of its record."""
    for outcome in outcomes:
        said = (outcome.message or "").split("\n") if outcome.status == "failed" else []
        for sentence in said or map(warning_text, outcome.warnings or ()):
            yield f"{_place(outcome)}: {sentence}"


def _place(outcome: Outcome) -> str:
    number = f"record {outcome.record}" if outcome.line is None else f"line {outcome.line}"
    return f"{outcome.file}, {number}" if outcome.file else number


def _short(sentence: str) -> str:
    text = one_line(sentence)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _counts(job: Job) -> str:
    counts = job.counts
    return (
        f"{counted(counts.read, 'record')} read: {counts.created} created, {counts.updated} updated, "
        f"{counts.unchanged} unchanged, {counts.deleted} deleted, {counts.failed} failed, {counts.skipped} skipped"
        + (f"; {counts.with_warnings} of those stored with warnings" if counts.with_warnings else "")
        + (" (dry run: nothing was stored)" if job.mode == "dry-run" else "")
    )
