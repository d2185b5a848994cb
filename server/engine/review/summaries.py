"""Summarizes the dry run of a proposed import: counts with samples, columns, and reasons not to import."""

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

_FIRST_LINES = 200  # of the log, which are searched for remarks about the whole import
_MOST_REMARKS = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """The records with one outcome: how many, and the first few."""

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
    """A file with the `columns` of its first `looked_at` records; `more`: it has more columns than are listed.

    `sheets`: the sheets of a workbook that has several.
    """

    file: BatchFile
    columns: Sequence[SeenColumn]
    looked_at: int
    more: bool
    misfit: str | None
    sheets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Summary:
    """What people see before they decide about an import.

    `changed`: what has changed since the dry run. `remarks`: what its log says about the import as a whole. `choices`:
    the options with which the files can be read otherwise.
    """

    kinds: Sequence[Kind]
    files: Sequence[SeenFile]
    matched: Matched
    changed: Sequence[str]
    remarks: Sequence[str]
    choices: Sequence[str]

    @property
    def sheets(self) -> Sequence[str]:
        """The sheets of all workbooks."""
        return list(dict.fromkeys(sheet for file in self.files for sheet in file.sheets))

    @property
    def missing(self) -> Sequence[Flow]:
        """The columns that the control file reads and no file has; empty if no columns are known."""
        return self.matched.missing if self._has_columns else ()

    @property
    def unfilled(self) -> Sequence[Unfilled]:
        """The Names that no column fills; empty if no columns are known."""
        return self.matched.unfilled if self._has_columns else ()

    @property
    def _has_columns(self) -> bool:
        return any(file.columns for file in self.files)


class Summaries:
    """Makes the summaries of dry runs."""

    def __init__(self, catalog: Catalog, definitions: Definitions, control_files: ControlFiles) -> None:
        self._catalog = catalog
        self._definitions = definitions
        self._control_files = control_files

    async def of(self, proposal: Proposal) -> Summary:
        """Returns the summary of a dry run that has ended."""
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
            changed.append("The model that it imports into no longer exists.")
        elif "model" in found and found["model"] != digest_of(model):
            changed.append(f"The model {model.name} was changed after this check, so the following may no longer hold.")
        process = proposal.batch.process
        if process is not None and process not in self._definitions.processes:
            changed.append(f"The process {process} no longer exists; its last control file is used.")
        elif process is not None and self._definitions.process(process).control_digest != proposal.batch.control:
            changed.append(_since(self._definitions.process(process), control))
        return changed


def _since(process: Process, control: Mapping[str, Any]) -> str:
    options = differences(control, process.control)
    if not options:
        return f"The process {process.id} was changed after the files were uploaded; its earlier version is used here."
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
    """Returns what a log says about the files or the whole import, not about one record or the end of the job."""
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
