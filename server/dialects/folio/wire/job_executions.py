"""Reads filters of job executions; renders jobs, their logs and job profiles (FOLIO: source record manager). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, cast

import orjson

from server.dialects.folio.errors import ParameterWrong, Problem, ValidationFailed
from server.dialects.folio.wire import documents
from server.dialects.folio.wire.bodies import UI_STATUS, FolioRecords, read
from server.dialects.folio.wire.uploads import MOST, Document, date, number
from server.engine.vendors.folio.job_executions import Posted
from server.engine.vendors.folio.job_queries import SORTS, Execution, Filters

_NO_SUCH_STATUS = ("",)  # matches nothing
_LOG_SORTS = {"source_record_order": "order", "source_record_title": "title", "title": "title"}
_AUTHORITY, _HOLDINGS = "z", "uvxy"

PROFILES: Sequence[documents.FolioJobProfile] = (
    {
        "id": "e34d7b92-9b83-11eb-a8b3-0242ac130003",
        "name": "Default - Create instance and SRS MARC Bib",
        "dataType": "MARC",
        "hidden": False,
    },
    {
        "id": "6eefa4c6-bbf7-4845-ad82-de7fc5abd0e3",
        "name": "Default - Create SRS MARC Authority",
        "dataType": "MARC",
        "hidden": False,
    },
    {
        "id": "80898dee-449f-44dd-9c8e-37d5eb469b1d",
        "name": "Default - Create Holdings and SRS MARC Holdings",
        "dataType": "MARC",
        "hidden": False,
    },
    {
        "id": "5f0e7d2c-3b64-4a51-9c0e-0a4a6b1f9d10",
        "name": "Default - Store EDIFACT messages",
        "dataType": "EDIFACT",
        "hidden": False,
    },
)
"""The job profiles. All of them store the records of a file; clients choose one by its name."""


class Query(Protocol):
    """The query parameters of a request; some may occur several times."""

    def get(self, name: str, /) -> str | None: ...
    def getall(self, name: str, default: list[str], /) -> list[str]: ...


class StoredRecord(Protocol):
    """A row of the source records."""

    @property
    def id(self) -> int: ...
    @property
    def values(self) -> Mapping[str, Any]: ...


class LogPage(NamedTuple):
    only_failed: bool
    order: str
    descending: bool


# what clients send


def known_profile(id: str) -> None:
    """Raises ValidationFailed for the id of an unknown job profile."""
    if all(profile["id"] != id for profile in PROFILES):
        raise ValidationFailed([Problem(f"Job profile with id '{id}' not found", key="jobProfileInfo.id", value=id)])


def records(body: bytes) -> Posted:
    sent = read(body, FolioRecords)
    metadata = sent.records_metadata
    return Posted(sent.id, body, len(sent.initial_records or ()), metadata.last, metadata.total)


def filters(query: Query) -> Filters:
    def several(name: str) -> Sequence[str]:
        return query.getall(name, [])

    subordinations = several("subordinationTypeNotAny")
    return Filters(
        statuses=_statuses(several("statusAny"), several("uiStatusAny")),
        not_statuses=several("statusNot"),
        file_name=query.get("fileName"),
        not_file_names=several("fileNameNotAny"),
        hr_id=_hr_id(query.get("hrId")),
        profiles=several("profileIdAny"),
        not_profiles=several("profileIdNotAny"),
        not_profile_name=query.get("excludeJobProfileName"),
        not_subordinations=subordinations,
        user=query.get("userId"),
        completed_after=_moment(query, "completedAfter"),
        completed_before=_moment(query, "completedBefore"),
        sort=[_sort(value) for value in several("sortBy")],
    )


def _statuses(statuses: Sequence[str], shown: Sequence[str]) -> Sequence[str]:
    if not shown:
        return statuses
    found = [status for status, as_shown in UI_STATUS.items() if as_shown in shown]
    return [status for status in found if not statuses or status in statuses] or _NO_SUCH_STATUS


def _hr_id(text: str | None) -> int | None:
    return None if text is None else number({"hrId": text}, "hrId")


def _moment(query: Query, name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was not escaped
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day have no moment in every zone
        raise ParameterWrong(name, text, "be a date such as 2019-06-20T11:00:25.852+0000") from None


def _sort(text: str) -> tuple[str, bool]:
    name, _, direction = text.partition(",")
    if name not in SORTS or direction.lower() not in ("", "asc", "desc"):
        raise ParameterWrong("sortBy", text, f"be one of {', '.join(sorted(SORTS))}, then ,asc or ,desc")
    return name, direction.lower() == "desc"


def log_page(query: Query) -> LogPage:
    field, order = query.get("sortBy") or "source_record_order", (query.get("order") or "asc").lower()
    if field not in _LOG_SORTS:
        raise ParameterWrong("sortBy", field, f"be one of {', '.join(_LOG_SORTS)}")
    if order not in ("asc", "desc"):
        raise ParameterWrong("order", order, "be asc or desc")
    return LogPage((query.get("errorsOnly") or "").lower() == "true", _LOG_SORTS[field], order == "desc")


def window(query: Mapping[str, str], usual: int = 10) -> tuple[int, int]:
    """Returns offset and limit."""
    return number(query, "offset", usual=0), number(query, "limit", usual=usual, most=MOST)


# what they get


def job(execution: Execution) -> documents.FolioJobExecution:
    found = {
        "id": execution.id,
        "hrId": execution.hr_id,
        "parentJobId": execution.parent,
        "subordinationType": execution.subordination,
        "sourceType": execution.source_type,
        "jobProfileInfo": execution.profile,
        "fileName": execution.file_name,
        "userId": execution.user,
        "runBy": {"firstName": "", "lastName": execution.user or ""},
        "progress": {"jobExecutionId": execution.id, "current": execution.read, "total": _total(execution)},
        "startedDate": execution.started and date(execution.started),
        "completedDate": execution.completed and date(execution.completed),
        "status": execution.status,
        "uiStatus": UI_STATUS[execution.status],
        "errorStatus": execution.error_status,
    }
    return cast(documents.FolioJobExecution, {name: value for name, value in found.items() if value is not None})


def _total(execution: Execution) -> int:
    if execution.expected is not None:
        return max(execution.expected, execution.read)
    if execution.completed is not None:
        return execution.read
    return max(100, execution.read)  # unknown until the file is read


def jobs(executions: Iterable[Execution], total: int) -> Document:
    return {"jobExecutions": [job(one) for one in executions], "totalRecords": total}


def made(executions: Sequence[Execution]) -> documents.FolioMadeJobs:
    return {"parentJobExecutionId": executions[0].parent, "jobExecutions": [job(one) for one in executions]}


def deleted(asked: Sequence[str], gone: Iterable[str]) -> documents.FolioDeletedJobs:
    known = set(gone)
    return {"jobExecutionDetails": [{"jobExecutionId": id, "isDeleted": id in known} for id in asked]}


def record_id(job: str, row: int) -> str:
    """Returns a UUID that locates a record: the beginning of its job's id, then its row."""
    return f"{job[:24]}{row:012x}"


def row_of(record: str) -> int:
    """Returns the row of a record's id; -1, which no row has, for any other text."""
    try:
        return int(record[24:], 16) if len(record) == 36 else -1
    except ValueError:
        return -1


def log_entry(record: StoredRecord) -> documents.FolioLogEntry:
    values = record.values
    id = record_id(values["job"], record.id)
    return {
        "jobExecutionId": values["job"],
        "incomingRecordId": id,
        "sourceRecordId": id,
        "sourceRecordOrder": str(values["order"]),
        "sourceRecordTitle": values["title"] or "",
        "sourceRecordType": _record_type(values),
        "sourceRecordActionStatus": "DISCARDED" if values["error"] else "CREATED",
        "relatedHoldingsInfo": [],
        "relatedItemInfo": [],
        "error": _error(values["error"]),
    }


def log_entries(found: Sequence[StoredRecord], total: int) -> Document:
    return {"entries": [log_entry(record) for record in found], "totalRecords": total}


def journal_record(record: StoredRecord) -> documents.FolioJournalRecord:
    values = record.values
    return {
        "id": record_id(values["job"], record.id),
        "jobExecutionId": values["job"],
        "sourceId": record_id(values["job"], record.id),
        "sourceRecordOrder": values["order"],
        "title": values["title"] or "",
        "entityType": _record_type(values),
        "actionType": "CREATE",
        "actionStatus": "ERROR" if values["error"] else "COMPLETED",
        "actionDate": values["_created_at"].replace("Z", "+0000"),
        "error": _error(values["error"]),
    }


def incoming_record(record: StoredRecord) -> documents.FolioIncomingRecord:
    values = record.values
    return {
        "id": record_id(values["job"], record.id),
        "jobExecutionId": values["job"],
        "order": values["order"],
        "recordType": values["format"],
        "rawRecordContent": values["raw"],
        "parsedRecordContent": values["parsed"],
        "error": _error(values["error"]),
    }


def _record_type(values: Mapping[str, Any]) -> documents.RecordType:
    if values["format"] == "EDIFACT_RAW":
        return "EDIFACT"
    kind = (values["leader"] or "")[6:7]
    if kind == _AUTHORITY:
        return "MARC_AUTHORITY"
    return "MARC_HOLDINGS" if kind and kind in _HOLDINGS else "MARC_BIBLIOGRAPHIC"


def _error(message: str | None) -> str:
    """Returns the message in JSON text, as FOLIO shows a parser's exception."""
    return orjson.dumps({"name": "RecordParsingError", "message": message}).decode() if message else ""


def summary(execution: Execution) -> documents.FolioJobSummary:
    return {
        "jobExecutionId": execution.id,
        "totalErrors": execution.failed,
        "sourceRecordSummary": {
            "totalCreatedEntities": execution.stored,
            "totalUpdatedEntities": 0,
            "totalDiscardedEntities": execution.failed,
            "totalErrors": execution.failed,
        },
    }
