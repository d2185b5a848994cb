"""What the dry run of a proposed import came to: counts with samples, columns, and what speaks against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from server.engine.definitions.control_files import ControlFiles
from server.engine.definitions.definitions import Definitions
from server.engine.execution.samples import KINDS, digest_of
from server.engine.review.proposals import SHOWN, Proposal
from server.mapping.language.columns import ColumnUse, Matched, Unfilled, match_columns
from server.mapping.language.flows import Flow
from server.mapping.language.processes import Process
from server.mapping.language.reading import choices_of, differences
from server.mapping.model.model import Model
from server.readers.formats import FORMATS
from storage.catalog.base import BatchFile, Catalog, LogLine, Outcome, OutcomeStatus
from storage.catalog.sql import journal

_FIRST_LINES = 200  # of the log, in which we look for what is wrong with the whole
_MOST_REMARKS = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """Records that came to the same, the first few of them shown."""

    status: OutcomeStatus
    count: int
    samples: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class SeenColumn:
    name: str
    first: str
    use: ColumnUse


@dataclass(frozen=True, slots=True)
class SeenFile:
    """`columns` were found in its first `looked_at` records; `more`: there are too many to show.

    `sheets`: of a workbook that has several.
    """

    file: BatchFile
    columns: Sequence[SeenColumn]
    looked_at: int
    more: bool
    misfit: str | None
    sheets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Summary:
    """`changed`: what is not as it was when the dry run ran; `remarks`: what it said about the import as a whole.

    `choices`: the options that may be chosen to read the files otherwise.
    """

    kinds: Sequence[Kind]
    files: Sequence[SeenFile]
    matched: Matched
    changed: Sequence[str]
    remarks: Sequence[str]
    choices: Sequence[str]

    @property
    def sheets(self) -> Sequence[str]:
        """Those of all workbooks, to choose from."""
        return list(dict.fromkeys(sheet for file in self.files for sheet in file.sheets))

    @property
    def missing(self) -> Sequence[Flow]:
        """What the control file reads and no file has; where no column is known, nothing is told."""
        return self.matched.missing if self._has_columns else ()

    @property
    def unfilled(self) -> Sequence[Unfilled]:
        """Likewise."""
        return self.matched.unfilled if self._has_columns else ()

    @property
    def _has_columns(self) -> bool:
        return any(file.columns for file in self.files)


class Summaries:
    def __init__(self, catalog: Catalog, definitions: Definitions, control_files: ControlFiles) -> None:
        self._catalog = catalog
        self._definitions = definitions
        self._control_files = control_files

    async def of(self, proposal: Proposal) -> Summary:
        """Of a dry run that has ended."""
        kinds, remarks = await self._catalog.read(_outcomes, proposal)
        content = await self._control_files.content(proposal.batch.control or "")
        control: Mapping[str, Any] = orjson.loads(content) if content else {}
        found: Mapping[str, Any] = proposal.row.found or {}
        model = self._definitions.models.get(str(control.get("model")))
        seen = {file["name"]: file for file in found.get("files", ())}
        matched = _matched(control, model, seen)
        files = [_file(file, seen.get(file.name, {}), matched) for file in proposal.files]
        choices = [] if model is None else choices_of(control, model, FORMATS)
        changed = list(self._changed(proposal, found, model, control))
        return Summary(kinds, files, matched, changed, remarks, choices)

    def _changed(
        self, proposal: Proposal, found: Mapping[str, Any], model: Model | None, control: Mapping[str, Any]
    ) -> Sequence[str]:
        changed: list[str] = []
        if model is None:
            changed.append("The model that it imports into is not there any more.")
        elif "model" in found and found["model"] != digest_of(model):
            changed.append(f"The model {model.name} was changed after this check: what follows may not hold any more.")
        process = proposal.batch.process
        if process is not None and process not in self._definitions.processes:
            changed.append(f"The process {process} is not there any more; its control file as it was is used.")
        elif process is not None and self._definitions.process(process).control_digest != proposal.batch.control:
            changed.append(_since(self._definitions.process(process), control))
        return changed


def _since(process: Process, control: Mapping[str, Any]) -> str:
    options = differences(control, process.control)
    if not options:
        return f"The process {process.id} was changed after the files came; as it was then, it is used here."
    said = ", ".join(f"{key} {value!r}" for key, value in options.items())
    return f"The files are read otherwise than the process {process.id} says: {said}."


def _outcomes(connection: Connection, proposal: Proposal) -> tuple[list[Kind], list[str]]:
    job = proposal.job
    kinds = [
        Kind(
            status,
            getattr(job.counts, status),
            journal.list_outcomes(connection, job.id, statuses=[status], limit=SHOWN),
        )
        for status in KINDS
    ]
    return kinds, remarks_of(journal.log(connection, job.id, limit=_FIRST_LINES))


def remarks_of(lines: Sequence[LogLine]) -> list[str]:
    """What a log says about the files or the import as a whole: not of one record, nor what ended the job."""
    notes = [line for line in lines if line.kind == "note" and line.level != "info"]
    return [line.message for line in notes if line.record is None][:_MOST_REMARKS]


def _matched(control: Mapping[str, Any], model: Model | None, seen: Mapping[str, Mapping[str, Any]]) -> Matched:
    if model is None:
        return Matched({}, (), ())
    return match_columns(
        control, model, list(dict.fromkeys(name for file in seen.values() for name in file["columns"]))
    )


def _file(file: BatchFile, seen: Mapping[str, Any], matched: Matched) -> SeenFile:
    unknown = ColumnUse((), (), asked=False)
    columns = [
        SeenColumn(name, first, matched.uses.get(name, unknown)) for name, first in seen.get("columns", {}).items()
    ]
    return SeenFile(
        file, columns, seen.get("looked_at", 0), bool(seen.get("more")), seen.get("misfit"), seen.get("sheets", ())
    )
