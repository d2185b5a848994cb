"""The description of FOLIO's modules: uploads, file extensions, sessions, job executions and their logs."""

import re
from functools import partial

from server.dialects.folio.auth import TENANT_HEADER
from server.dialects.folio.job_executions import JOBS, PROFILES
from server.dialects.folio.job_executions import ONE as JOB
from server.dialects.folio.job_logs import ENTRIES, EXECUTIONS
from server.dialects.folio.job_logs import PREFIX as LOGS
from server.dialects.folio.wire import bodies, documents
from server.dialects.folio.wire.job_executions import PROFILES as ALL_PROFILES
from server.dialects.folio.wire.uploads import MOST, USUAL_LIMIT
from server.engine.vendors.folio.file_extensions import DATA_TYPES
from server.engine.vendors.folio.job_queries import SORTS
from server.engine.vendors.folio.staged_uploads import MOST_PARTS
from server.web.description.api_description import (
    BYTES,
    COUNT,
    FLAG,
    OCTETS,
    TEXT,
    ApiDescription,
    Body,
    Content,
    Operation,
    Parameter,
    Response,
    Responses,
    Schema,
    Shape,
    choice,
    in_path,
    json,
    listed,
    plain,
    record,
)

_ID = "67dfac11-1caf-4470-9ad1-d533f6360bdd"
_FILE_ID = "88dfac11-1caf-4470-9ad1-d533f6360bdd"
_RECORD_ID = "67dfac11-1caf-4470-9ad1-000000000001"

# parameters

_TENANT = Parameter(TENANT_HEADER, "The tenant.", where="header", required=True, example="diku")
_USER = Parameter("x-okapi-user-id", "The id of the user, a UUID.", where="header")
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": MOST}
_PAGE = (
    Parameter("offset", "The number of items to skip.", _NUMBER),
    Parameter("limit", f"The most items of a page; by default {USUAL_LIMIT}.", _NUMBER),
)
_LANGUAGE = Parameter("lang", "Two letters; without effect.", {"type": "string", "pattern": "^[a-zA-Z]{2}$"})
_SEARCH = (Parameter("query", "CQL; without it, all are listed.", example="status==NEW"), *_PAGE, _LANGUAGE)
_DEFINITION_ID = Parameter("uploadDefinitionId", "The id of the upload definition.", required=True, example=_ID)
_IN_PATH = {
    "definition": in_path("definition", "The id of an upload definition.", _ID),
    "file": in_path("file", "The id of a file in the definition.", _FILE_ID),
    "extension": in_path("extension", "The id of a file extension.", _ID),
    "job": in_path("job", "The id of a job execution.", _ID),
    "profile": in_path("profile", "The id of a job profile.", ALL_PROFILES[0]["id"]),
    "record": in_path("record", "The id of a record.", _RECORD_ID),
    "user": in_path("user", "The name of a user.", "importer"),
}


def _several(name: str, description: str) -> Parameter:
    return Parameter(name, f"{description} May occur several times.", listed(TEXT))


_SORT: Schema = {"type": "string", "pattern": f"^({'|'.join(sorted(SORTS))})(,(asc|desc))?$"}
_FILTERS = (
    _several("statusAny", "Only jobs with one of these statuses."),
    _several("statusNot", "No jobs with these statuses."),
    _several("uiStatusAny", "Only jobs with one of these statuses as clients show them."),
    Parameter("fileName", "Only jobs of a file like this; `*` stands for any text."),
    _several("fileNameNotAny", "No jobs of these files."),
    Parameter("hrId", "Only the job with this number.", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}),
    _several("profileIdAny", "Only jobs with one of these job profiles."),
    _several("profileIdNotAny", "No jobs with these job profiles."),
    Parameter("excludeJobProfileName", "No jobs with the job profile of this name."),
    _several("subordinationTypeNotAny", "No jobs of these subordination types."),
    Parameter("userId", "Only jobs of this user."),
    Parameter("completedAfter", "Only jobs that ended then or later.", example="2026-01-01T00:00:00.000+0000"),
    Parameter("completedBefore", "Only jobs that ended then or earlier.", example="2026-12-31T00:00:00.000+0000"),
    Parameter("sortBy", "A property, optionally with `,asc` or `,desc`. May occur several times.", listed(_SORT)),
)
_ORDER = (
    Parameter("sortBy", "The property to sort by.", choice(("source_record_order", "source_record_title", "title"))),
    Parameter("order", "The direction of the order.", choice(("asc", "desc"))),
    Parameter("errorsOnly", "Whether to list only records that failed.", choice(("true", "false"))),
)

# responses

_REFUSED = {400: Response("The request is refused.", plain("Unable to process request Tenant must be set"))}
_READ: Responses = {
    **_REFUSED,
    401: Response("The key is missing, wrong, or not for this tenant.", plain("unable to get it -- unauthorized")),
    429: Response("Too many wrong keys from this address; wait a minute.", plain("too many failed attempts")),
}
_FULL = {507: Response("The disk is too full.", plain("not enough disk space"))}
_ERRORS = {
    "message": "may not be null",
    "type": "1",
    "code": "-1",
    "parameters": [{"key": "fileDefinitions[0].name", "value": "null"}],
}
_INVALID = json(documents.FolioErrors, {"errors": [_ERRORS], "total_records": 1})
_SENT: Responses = {
    408: Response("The body came too slowly.", plain("the client sent nothing for 60 seconds")),
    413: Response("The body is too large.", plain("the body is larger than 8388608 bytes")),
    422: Response("The body is valid JSON, but breaks a rule.", _INVALID),
}
_BAD_QUERY = {422: Response("The query breaks a rule.", _INVALID)}
_NOT_FOUND = {
    "definition": f"Upload Definition with id '{_ID}' not found",
    "file": f"File not found. FileDefinition ID: {_FILE_ID}",
    "extension": f"File extension not found: {_ID}",
    "job": f"JobExecution not found: {_ID}",
    "profile": f"Job profile not found: {_ID}",
    "record": f"Record not found: {_RECORD_ID}",
    "upload": f"Upload in parts not found: {_ID}",
}
_LISTS_NOTHING = (ENTRIES, LOGS + "/journalRecords/{job}")  # for an unknown job


def _missing(of: str) -> Responses:
    return {404: Response("Not found for this tenant.", plain(_NOT_FOUND[of]))}


def _one(shape: Shape, description: str = "The document.", status: int = 200, example: object = None) -> Responses:
    return {status: Response(description, json(shape, example))}


def _made(shape: Shape, description: str) -> Responses:
    return {201: Response(description, json(shape), {"Location": "The path of the new resource."})}


def _page(name: str, item: Shape) -> Responses:
    return _one(record({name: listed(item), "totalRecords": COUNT}), "One page.")


def _done(description: str) -> Responses:
    return {204: Response(description)}


def _operation(
    method: str,
    name: str,
    path: str,
    summary: str,
    ok: Responses,
    *parameters: Parameter,
    body: Shape | Body | None = None,
    missing: str = "",
) -> Operation:
    """Describes an operation with its tenant and user, and with the refusals that follow from its method and body.

    The last resource in the path may be missing; `missing` names another one.
    """
    named = re.findall(r"{(\w+)}", path)
    of = missing or (named[-1] if named and named[-1] in _NOT_FOUND and path not in _LISTS_NOTHING else "")
    refusals = {
        **_READ,
        **(_FULL if method != "GET" else {}),
        **(_SENT if body else _BAD_QUERY if _SEARCH[0] in parameters else {}),
        **(_missing(of) if of else {}),
    }
    placed = (*(_IN_PATH[each] for each in named), *parameters, _TENANT, _USER)
    sent = body if body is None or isinstance(body, Body) else Body(json(body))
    return Operation(name, method, path, summary, {**ok, **refusals}, placed, sent)


_get, _post, _put, _delete = (partial(_operation, method) for method in ("GET", "POST", "PUT", "DELETE"))
_OCTETS = Body((Content(OCTETS, BYTES),))

_V1 = "/data-import/upload"
_DEFINITION, _NEW = documents.FolioDefinition, bodies.FolioNewDefinition
_ADDED = "Added; the file can now be uploaded."
_CREATED = "Created; the files can now be uploaded."
_STORED = "Stored."
_FIRST = (
    _post(
        "createFirstUploadDefinition",
        f"{_V1}/definition",
        "Create an upload definition (first version)",
        _made(_DEFINITION, _CREATED),
        _LANGUAGE,
        body=_NEW,
    ),
    _get(
        "listFirstUploadDefinitions",
        f"{_V1}/definition",
        "List upload definitions (first version)",
        _page("uploadDefinitions", _DEFINITION),
        *_SEARCH,
    ),
    _get(
        "getFirstUploadDefinition",
        f"{_V1}/definition/{{definition}}",
        "Show an upload definition (first version)",
        _one(_DEFINITION),
    ),
    _put(
        "updateFirstUploadDefinition",
        f"{_V1}/definition/{{definition}}",
        "Replace an upload definition; with status LOADED, process its files (first version)",
        _one(_DEFINITION),
        body=_NEW,
    ),
    _post(
        "addFirstFileDefinition",
        f"{_V1}/definition/file",
        "Add a file to an upload definition (first version)",
        _made(_DEFINITION, _ADDED),
        body=bodies.FolioNewFile,
        missing="definition",
    ),
    _delete(
        "deleteFirstFileDefinition",
        f"{_V1}/definition/file/{{file}}",
        "Delete a file (first version)",
        _done("Deleted."),
        _DEFINITION_ID,
    ),
    _post(
        "uploadFirstFile",
        f"{_V1}/file",
        "Upload a file (first version)",
        _one(_DEFINITION, _STORED),
        _DEFINITION_ID,
        Parameter("fileId", "The id of a file in it.", required=True, example=_FILE_ID),
        body=_OCTETS,
        missing="file",
    ),
)

_V2 = "/data-import/uploadDefinitions"
_ONE, _ONE_FILE = f"{_V2}/{{definition}}", f"{_V2}/{{definition}}/files/{{file}}"
_UPLOAD, _NEW_UPLOAD = documents.FolioUploadDefinition, bodies.FolioNewUploadDefinition
_UPLOAD_MADE, _ACCEPTED = _made(_UPLOAD, _CREATED), _done("Accepted; the records are stored in the background.")
_UPLOADS = (
    _post("createUploadDefinition", _V2, "Create an upload definition", _UPLOAD_MADE, _LANGUAGE, body=_NEW_UPLOAD),
    _get("listUploadDefinitions", _V2, "List upload definitions", _page("uploadDefinitions", _UPLOAD), *_SEARCH),
    _get("getUploadDefinition", _ONE, "Show an upload definition", _one(_UPLOAD)),
    _put("updateUploadDefinition", _ONE, "Change an upload definition", _one(_UPLOAD), body=_NEW_UPLOAD),
    _delete("deleteUploadDefinition", _ONE, "Delete an upload definition with its files", _done("Deleted.")),
    _post(
        "addFileDefinition",
        f"{_ONE}/files",
        "Add a file to an upload definition",
        _made(_UPLOAD, _ADDED),
        body=bodies.FolioNewUploadFile,
    ),
    _post("uploadFile", _ONE_FILE, "Upload a file", _one(_UPLOAD, _STORED), body=_OCTETS),
    _delete("deleteFileDefinition", _ONE_FILE, "Delete a file", _done("Deleted.")),
    _post(
        "assembleFile",
        f"{_ONE_FILE}/assembleStorageFile",
        "Make a file of its parts",
        _done(_STORED),
        body=bodies.FolioAssembly,
    ),
    _post(
        "processFiles",
        f"{_ONE}/processFiles",
        "Store the records of the files",
        _ACCEPTED,
        body=bodies.FolioProcessFiles,
    ),
)

_EXTENSIONS, _ONE_EXTENSION = "/data-import/fileExtensions", "/data-import/fileExtensions/{extension}"
_EXTENSION, _NEW_EXTENSION = documents.FolioFileExtension, bodies.FolioNewFileExtension
_EXTENSION_PAGE = _page("fileExtensions", _EXTENSION)
_TYPES = record({"dataTypes": listed(choice(DATA_TYPES)), "totalRecords": COUNT})
_SMALL = (
    _get("listFileExtensions", _EXTENSIONS, "List file extensions", _EXTENSION_PAGE, *_SEARCH),
    _post("createFileExtension", _EXTENSIONS, "Add a file extension", _made(_EXTENSION, "Added."), body=_NEW_EXTENSION),
    _post(
        "restoreFileExtensions",
        f"{_EXTENSIONS}/restore/default",
        "Restore the default file extensions",
        _EXTENSION_PAGE,
    ),
    _get("getFileExtension", _ONE_EXTENSION, "Show a file extension", _one(_EXTENSION)),
    _put("updateFileExtension", _ONE_EXTENSION, "Change a file extension", _one(_EXTENSION), body=_NEW_EXTENSION),
    _delete("deleteFileExtension", _ONE_EXTENSION, "Delete a file extension", _done("Deleted.")),
    _get("listDataTypes", "/data-import/dataTypes", "List data types", _one(_TYPES, "All data types.")),
    _get(
        "getSplitStatus",
        "/data-import/splitStatus",
        "Show whether clients should send large files in parts",
        _one(record({"splitStatus": FLAG}), "The setting."),
    ),
)

_PART_NUMBER: Schema = {"type": "integer", "minimum": 2, "maximum": MOST_PARTS}
_PARTS = (
    _get(
        "getUploadUrl",
        "/data-import/uploadUrl",
        "Start a file in parts: get the address for its first part",
        {**_one(documents.FolioUploadUrl), **_FULL},
        Parameter("filename", "The name of the file.", {"type": "string", "maxLength": 1024}, example="bib.mrc"),
        Parameter("fileName", "The same, as other clients spell it; one of the two is required."),
    ),
    _get(
        "getSubsequentUploadUrl",
        "/data-import/uploadUrl/subsequent",
        "Get the address for the next part",
        _one(documents.FolioUploadUrl),
        Parameter("key", "The `key` of the first response.", required=True, example="diku/1-bib.mrc"),
        Parameter("uploadId", "The `uploadId` of the first response.", required=True, example=_ID),
        Parameter("partNumber", "The number of the part.", _PART_NUMBER, required=True, example=2),
        missing="upload",
    ),
    Operation(
        "uploadPart",
        "PUT",
        "/data-import/parts/{upload}/{number}",
        "Upload a part to the address for it",
        {
            200: Response(_STORED, (), {"ETag": "The tag of the part, which clients name to put the parts together."}),
            401: _READ[401],
            408: _SENT[408],
            413: _SENT[413],
            **_REFUSED,
            **_FULL,
            **_missing("upload"),
        },
        (
            in_path("upload", "Part of the address.", _ID),
            in_path("number", "Part of the address.", 1, {"type": "integer", "minimum": 1}),
            Parameter("expires", "Part of the address.", COUNT, required=True, example=1772357400),
            Parameter("signature", "Part of the address.", required=True, example="9f86d081"),
        ),
        Body((Content(OCTETS, BYTES),), description="The bytes, with any Content-Type."),
        keys=(),
        description="The signed address is the permission: no key and no tenant are needed.",
    ),
)

_LOGGED_IN = {
    201: Response(
        "The cookies hold the session.",
        json(documents.FolioSession),
        {"Set-Cookie": "`folioAccessToken` and `folioRefreshToken`."},
    )
}
_LOGIN: Responses = {**_LOGGED_IN, **_READ, **_FULL, **_SENT}
_LOG_IN = "Log in with the name and the secret of a key"
_SESSION_KEYS = ("folio-token", "folio-cookie", "folio-refresh")
_SESSIONS = (
    Operation(
        "logIn",
        "POST",
        "/authn/login-with-expiry",
        _LOG_IN,
        _LOGIN,
        (_TENANT,),
        Body(json(bodies.FolioLogin, {"username": "importer", "password": "KEY"})),
        keys=(),
    ),
    Operation(
        "refreshSession",
        "POST",
        "/authn/refresh",
        "Continue a session",
        {**_LOGGED_IN, **_READ, **_FULL},
        (_TENANT,),
        keys=("folio-refresh",),
    ),
    Operation(
        "logOut",
        "POST",
        "/authn/logout",
        "End a session",
        {**_done("Ended, if there was a session."), **_REFUSED, **_FULL},
        keys=_SESSION_KEYS,
    ),
    _get("getUser", "/bl-users/by-username/{user}", "Show a user", _one(documents.FolioUser)),
)

_JOB = documents.FolioJobExecution
_JOBS = (
    _post(
        "createJobExecutions",
        JOBS,
        "Create job executions",
        _one(documents.FolioMadeJobs, "Created.", 201),
        body=bodies.FolioNewJob,
        missing="job",
    ),
    _delete(
        "deleteJobExecutions",
        JOBS,
        "Delete job executions; their records stay",
        _one(documents.FolioDeletedJobs, "Which of them existed."),
        body=bodies.FolioIds,
    ),
    _get("getJobExecution", JOB, "Show a job execution", _one(_JOB)),
    _put("updateJobExecution", JOB, "Change a job execution", _one(_JOB), body=bodies.FolioJobUpdate),
    _get(
        "listJobExecutionChildren",
        JOB + "/children",
        "List the children of a job execution",
        _page("jobExecutions", _JOB),
        *_PAGE,
    ),
    _put(
        "setJobExecutionStatus",
        JOB + "/status",
        "Set the status of a job execution",
        _one(_JOB),
        body=bodies.FolioJobStatus,
    ),
    _put(
        "setJobExecutionProfile",
        JOB + "/jobProfile",
        "Set the job profile of a job execution",
        _one(_JOB),
        body=bodies.FolioProfile,
    ),
    _post("addRecords", JOB + "/records", "Add records to a job execution", _ACCEPTED, body=bodies.FolioRecords),
    _delete(
        "cancelJobExecution", JOB + "/records", "Cancel a job execution", _done("Canceled; rows that were stored stay.")
    ),
    _get("listJobProfiles", PROFILES, "List job profiles", _page("jobProfiles", documents.FolioJobProfile), *_PAGE),
    _get("getJobProfile", PROFILES + "/{profile}", "Show a job profile", _one(documents.FolioJobProfile)),
)

_LOG_PAGE = (*_ORDER, *_PAGE)
_USED = _page("jobProfilesInfo", record({"id": TEXT}, more=True))
_USERS = _page("jobExecutionUsersInfo", documents.FolioJobUser)
_ENTRIES, _JOURNAL = _page("entries", documents.FolioLogEntry), _page("journalRecords", documents.FolioJournalRecord)
_INCOMING, _SUMMARY = _one(documents.FolioIncomingRecord), _one(documents.FolioJobSummary)
_ENTRY = _one(documents.FolioLogEntry)
_JOURNALS, _RECORDS = LOGS + "/journalRecords/{job}", LOGS + "/incomingRecords/{record}"
_LIST_JOBS, _LIST_USED = "List job executions", "List the job profiles of all job executions"
_RESULTS = (
    _get("listJobExecutions", EXECUTIONS, _LIST_JOBS, _page("jobExecutions", _JOB), *_FILTERS, *_PAGE),
    _get("listUsedJobProfiles", EXECUTIONS + "/jobProfiles", _LIST_USED, _USED, *_PAGE),
    _get("listJobExecutionUsers", EXECUTIONS + "/users", "List users with job executions", _USERS, *_PAGE),
    _get("listJobLogEntries", ENTRIES, "List the log entries of a job execution", _ENTRIES, *_LOG_PAGE),
    _get("getJobLogEntry", ENTRIES + "/records/{record}", "Show the log entry of a record", _ENTRY),
    _get("listJournalRecords", _JOURNALS, "List the journal of a job execution", _JOURNAL, *_LOG_PAGE),
    _get("getIncomingRecord", _RECORDS, "Show a record as it was sent", _INCOMING),
    _get("getJobSummary", LOGS + "/jobSummary/{job}", "Show the summary of a job execution", _SUMMARY),
)


def _key(where: str, name: str, description: str) -> Schema:
    return {"type": "apiKey", "in": where, "name": name, "description": description}


DESCRIPTION = ApiDescription(
    "folio",
    "FOLIO's data import: upload definitions and their files, job executions, and what clients need besides.",
    (*_UPLOADS, *_FIRST, *_SMALL, *_PARTS, *_SESSIONS, *_JOBS, *_RESULTS),
    {
        "folio-token": _key("header", "x-okapi-token", "A key of scope `folio`, or the token of a session."),
        "folio-cookie": _key("cookie", "folioAccessToken", "The access token of a login."),
        "folio-refresh": _key("cookie", "folioRefreshToken", "The refresh token of a login."),
    },
)
