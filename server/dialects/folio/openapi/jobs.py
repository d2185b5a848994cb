"""What FOLIO's modules say of their operations on job executions, their logs and job profiles."""

from collections.abc import Mapping

from server.dialects.folio.job_executions import JOBS, ONE, PROFILES
from server.dialects.folio.job_logs import ENTRIES, EXECUTIONS
from server.dialects.folio.job_logs import PREFIX as LOGS
from server.dialects.folio.openapi.common import (
    BAD,
    PAGE,
    READ,
    WITH_BODY,
    done,
    json_body,
    listing,
    missing,
    one,
    operation,
)
from server.dialects.folio.openapi.schemas import A_JOB, A_PROFILE, ID
from server.dialects.folio.wire import job_executions as jobs_wire
from server.engine.vendors.folio.job_executions import SORTS
from server.web.description.api_description import (
    FLAG,
    TEXT,
    Operation,
    Parameter,
    Response,
    choice,
    in_path,
    json,
    listed,
    record,
    ref,
)

_JOB = in_path("job", "The id of a job execution.", ID)
_RECORD = in_path("record", "The id of a record.", "67dfac11-1caf-4470-9ad1-000000000001")
_NO_JOB = missing(f"JobExecution not found: {ID}")
_NO_RECORD = missing(f"Record not found: {ID}")
_THE_JOB = one("FolioJobExecution", A_JOB)

_MADE = record({"parentJobExecutionId": TEXT, "jobExecutions": listed(ref("FolioJobExecution"))})
_DELETED = record({"jobExecutionDetails": listed(record({"jobExecutionId": TEXT, "isDeleted": FLAG}))})
_SOME_RECORDS: Mapping[str, object] = {
    "id": ID,
    "recordsMetadata": {"last": True, "counter": 1, "total": 1, "contentType": "MARC_RAW"},
    "initialRecords": [{"record": "00123nam a2200061 a 4500…", "order": 0}],
}


def _several(name: str, description: str) -> Parameter:
    return Parameter(name, f"{description} May be there several times.", listed(TEXT))


_FILTERS = (
    _several("statusAny", "Only with one of these statuses."),
    _several("statusNot", "Not with these statuses."),
    _several("uiStatusAny", "Only with one of these statuses as pages show them."),
    Parameter("fileName", "Only of a file like this; `*` stands for any text."),
    _several("fileNameNotAny", "Not of these files."),
    Parameter("hrId", "Only the one with this number.", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}),
    _several("profileIdAny", "Only with one of these job profiles."),
    _several("profileIdNotAny", "Not with these job profiles."),
    Parameter("excludeJobProfileName", "Not with the job profile of this name."),
    _several("subordinationTypeNotAny", "Not in these places of the family."),
    Parameter("userId", "Only of this user."),
    Parameter("completedAfter", "Only ended then or later.", example="2026-01-01T00:00:00.000+0000"),
    Parameter("completedBefore", "Only ended then or earlier.", example="2026-12-31T00:00:00.000+0000"),
    Parameter(
        "sortBy",
        "A name, then perhaps `,asc` or `,desc`. May be there several times.",
        listed({"type": "string", "pattern": f"^({'|'.join(sorted(SORTS))})(,(asc|desc))?$"}),
    ),
)
_ORDER = (
    Parameter("sortBy", "In which order.", choice(("source_record_order", "source_record_title", "title"))),
    Parameter("order", "Which way round.", choice(("asc", "desc"))),
    Parameter("errorsOnly", "Whether only what failed is told.", choice(("true", "false"))),
)

_CHANGES = (
    operation(
        "POST",
        JOBS,
        "Make job executions",
        {
            201: Response("They were made.", json(_MADE, {"parentJobExecutionId": ID, "jobExecutions": [A_JOB]})),
            **_NO_JOB,
            **WITH_BODY,
        },
        body=json_body("FolioNewJob", {"sourceType": "ONLINE", "userId": ID}),
    ),
    operation(
        "DELETE",
        JOBS,
        "Delete job executions; their records stay",
        {
            200: Response(
                "Which of them were there.",
                json(_DELETED, {"jobExecutionDetails": [{"jobExecutionId": ID, "isDeleted": True}]}),
            ),
            **WITH_BODY,
        },
        body=json_body("FolioIds", {"ids": [ID]}),
    ),
    operation("GET", ONE, "Show a job execution", {200: _THE_JOB, **_NO_JOB, **READ}, _JOB),
    operation(
        "PUT",
        ONE,
        "Change a job execution",
        {200: _THE_JOB, **_NO_JOB, **WITH_BODY},
        _JOB,
        body=json_body("FolioJobUpdate", {"id": ID, "status": "PARSING_IN_PROGRESS"}),
    ),
    operation(
        "GET",
        ONE + "/children",
        "List the children of a job execution",
        {200: listing("jobExecutions", "FolioJobExecution", A_JOB), **_NO_JOB, **READ},
        _JOB,
        *PAGE,
    ),
    operation(
        "PUT",
        ONE + "/status",
        "Set the status of a job execution",
        {200: _THE_JOB, **_NO_JOB, **WITH_BODY},
        _JOB,
        body=json_body("FolioJobStatus", {"status": "ERROR", "errorStatus": "FILE_PROCESSING_ERROR"}),
    ),
    operation(
        "PUT",
        ONE + "/jobProfile",
        "Set the job profile of a job execution",
        {200: _THE_JOB, **_NO_JOB, **WITH_BODY},
        _JOB,
        body=json_body("FolioProfile", A_PROFILE),
    ),
    operation(
        "POST",
        ONE + "/records",
        "Add records to a job execution",
        {204: done("They are kept, and stored in the background."), **_NO_JOB, **WITH_BODY},
        _JOB,
        body=json_body("FolioRecords", _SOME_RECORDS),
    ),
    operation(
        "DELETE",
        ONE + "/records",
        "Cancel a job execution",
        {204: done("It ends; its rows stay."), **_NO_JOB, **READ, **BAD},
        _JOB,
    ),
    operation(
        "GET",
        PROFILES,
        "List job profiles",
        {200: listing("jobProfiles", "FolioJobProfile", A_PROFILE), **READ},
        *PAGE,
    ),
    operation(
        "GET",
        PROFILES + "/{profile}",
        "Show a job profile",
        {200: one("FolioJobProfile", A_PROFILE), **missing(f"Job profile not found: {ID}"), **READ},
        in_path("profile", "The id of a job profile.", jobs_wire.PROFILES[0]["id"]),
    ),
)

_AN_ENTRY: Mapping[str, object] = {
    "jobExecutionId": ID,
    "incomingRecordId": ID,
    "sourceRecordId": ID,
    "sourceRecordOrder": "0",
    "sourceRecordTitle": "On war",
    "sourceRecordType": "MARC_BIBLIOGRAPHIC",
    "sourceRecordActionStatus": "CREATED",
    "relatedHoldingsInfo": [],
    "relatedItemInfo": [],
    "error": "",
}
_A_JOURNAL_RECORD: Mapping[str, object] = {
    "id": ID,
    "jobExecutionId": ID,
    "sourceId": ID,
    "sourceRecordOrder": 0,
    "title": "On war",
    "entityType": "MARC_BIBLIOGRAPHIC",
    "actionType": "CREATE",
    "actionStatus": "COMPLETED",
    "actionDate": "2026-03-01T09:30:00.000+0000",
    "error": "",
}
_A_RECORD: Mapping[str, object] = {
    "id": ID,
    "jobExecutionId": ID,
    "order": 0,
    "recordType": "MARC_RAW",
    "rawRecordContent": "00123nam a2200061 a 4500…",
    "parsedRecordContent": None,
    "error": "",
}
_A_SUMMARY: Mapping[str, object] = {
    "jobExecutionId": ID,
    "totalErrors": 0,
    "sourceRecordSummary": {
        "totalCreatedEntities": 2,
        "totalUpdatedEntities": 0,
        "totalDiscardedEntities": 0,
        "totalErrors": 0,
    },
}

_LOGS = (
    operation(
        "GET",
        EXECUTIONS,
        "List job executions",
        {200: listing("jobExecutions", "FolioJobExecution", A_JOB), **READ},
        *_FILTERS,
        *PAGE,
    ),
    operation(
        "GET",
        EXECUTIONS + "/jobProfiles",
        "List the job profiles that job executions had",
        {200: listing("jobProfilesInfo", "FolioJobProfileInfo", A_PROFILE), **READ},
        *PAGE,
    ),
    operation(
        "GET",
        EXECUTIONS + "/users",
        "List the users who had job executions",
        {
            200: listing(
                "jobExecutionUsersInfo",
                "FolioJobUser",
                {"userId": ID, "jobUserFirstName": "", "jobUserLastName": ID},
            ),
            **READ,
        },
        *PAGE,
    ),
    operation(
        "GET",
        ENTRIES,
        "List what became of the records of a job execution",
        {200: listing("entries", "FolioLogEntry", _AN_ENTRY), **READ},
        _JOB,
        *_ORDER,
        *PAGE,
    ),
    operation(
        "GET",
        ENTRIES + "/records/{record}",
        "What became of a record",
        {200: one("FolioLogEntry", _AN_ENTRY), **_NO_RECORD, **READ},
        _JOB,
        _RECORD,
    ),
    operation(
        "GET",
        LOGS + "/journalRecords/{job}",
        "The journal of a job execution",
        {200: listing("journalRecords", "FolioJournalRecord", _A_JOURNAL_RECORD), **READ},
        _JOB,
        *_ORDER,
        *PAGE,
    ),
    operation(
        "GET",
        LOGS + "/incomingRecords/{record}",
        "A record as it came",
        {200: one("FolioIncomingRecord", _A_RECORD), **_NO_RECORD, **READ},
        _RECORD,
    ),
    operation(
        "GET",
        LOGS + "/jobSummary/{job}",
        "What came of a job execution",
        {200: one("FolioJobSummary", _A_SUMMARY), **missing(f"Summary of JobExecution not found: {ID}"), **READ},
        _JOB,
    ),
)

OPERATIONS: tuple[Operation, ...] = (*_CHANGES, *_LOGS)
