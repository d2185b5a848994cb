"""The description of the native API. `routes` takes paths and parameters from here."""

import re
from collections.abc import Mapping
from dataclasses import replace

from server.dialects.native import wire
from server.dialects.native.errors import body
from server.dialects.native.wire import LAST_NUMBER, LONGEST_TEXT, MOST, USUAL_LIMIT
from server.engine.documents import BATCH_STATES, JOB_STATES, OUTCOME_STATUSES, BatchDocument, BatchSummary
from server.web.description.api_description import (
    ASKS_FOR_KEY,
    NO_HEADERS,
    OCTETS,
    TEXT,
    ApiDescription,
    Content,
    Operation,
    Parameter,
    Response,
    Responses,
    Schema,
    choice,
    in_path,
    json,
    listed,
    record,
)

PREFIX = "/api/v1"

_WORDS: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": LAST_NUMBER}
_LIMIT_SCHEMA: Schema = {"type": "integer", "minimum": 1, "maximum": MOST}
_LIMIT = Parameter("limit", f"The most items of a page; by default {USUAL_LIMIT}.", _LIMIT_SCHEMA)
_BEFORE = Parameter("before", "Only items made before this one, which is the last of the previous page.", _WORDS)
_PROCESS = Parameter("process", "Only those of the import process with this id.", _WORDS)
_WHEN = "A date or a time; UTC if it names no zone."
_NEXT: Schema = {"type": ["string", "null"], "examples": [f"{PREFIX}/…?before=0195f1a2-7c3e-7b1a-8f00-3d1c5a9e4b21"]}
_IN_PATH = {
    "batch": in_path("batch", "The identifier of a batch.", "q5y0c1sz0xg2p3bd6v3rj8mwfk"),
    "file": in_path("file", "The id of a file in the batch.", 1, _NUMBER),
    "job": in_path("job", "The id of a job.", "0195f1a2-7c3e-7b1a-8f00-3d1c5a9e4b21"),
    "table": in_path("table", "The name of a table.", "people"),
    "id": in_path("id", "The `_id` of a row.", 1, _NUMBER),
    "process": in_path("process", "The id of an import process.", "people-feed"),
}


def _refusal(description: str, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    return Response(description, json(wire.RefusalDocument, body(code, message)), headers)


_COMMON: Responses = {
    400: _refusal(
        "A parameter is unknown, repeated or wrong.", "parameter_wrong", "limit is '0', should be a whole number from 1"
    ),
    401: _refusal("No key, or a wrong one.", "key_missing", "no API key was sent", ASKS_FOR_KEY),
    403: _refusal("The key may not do this.", "scope_missing", "the API key does not have the scope native"),
    429: _refusal("Too many wrong keys from this address; wait a minute.", "too_many_wrong_keys", "wait"),
}
_NOT_FOUND = {
    "batch": _refusal("There is no such batch.", "batch_not_found", "Batch not found: x"),
    "file": _refusal("There is no such file of the batch.", "file_not_found", "File of the batch not found: x"),
    "job": _refusal("There is no such job.", "job_not_found", "Job not found: x"),
    "table": _refusal("There is no such table.", "table_not_found", "Table not found: x"),
    "id": _refusal("There is no such row.", "row_not_found", "Row not found: x"),
    "process": _refusal("There is no such import process.", "process_not_found", "Import process not found: x"),
}


def _get(name: str, path: str, summary: str, ok: Response, *parameters: Parameter, about: str = "") -> Operation:
    """Describes a request, with the parameters in its path. What the last of these names may not exist."""
    named = re.findall(r"{(\w+)}", path)
    unknown = {404: _NOT_FOUND[named[-1]]} if named else {}
    placed = (*(_IN_PATH[each] for each in named), *parameters)
    return Operation(name, "GET", PREFIX + path, summary, {200: ok, **_COMMON, **unknown}, placed, description=about)


def _page(name: str, item: type) -> Response:
    return Response(
        "One page; `next` is the address of the next page.", json(record({name: listed(item), "next": _NEXT}))
    )


def _all(name: str, item: type) -> Response:
    return Response("The whole list.", json(record({name: listed(item)})))


def _one(shape: type) -> Response:
    return Response("The document.", json(shape))


def _after(of: str) -> Parameter:
    return Parameter("after", f"Only items after this {of}, which is the last of the previous page.", _NUMBER)


BATCHES = _get(
    "listBatches",
    "/batches",
    "List batches of all APIs, newest first",
    _page("batches", BatchSummary),
    Parameter("api", "Only those of one API.", _WORDS),
    Parameter("state", "Only those in one state.", choice(BATCH_STATES)),
    _PROCESS,
    Parameter("text", "Only those with this text in comment, identifier, a file's name or creation path.", _WORDS),
    Parameter("created_from", f"Only those made at this time or later. {_WHEN}", _WORDS),
    Parameter("created_before", f"Only those made earlier. {_WHEN}", _WORDS),
    _BEFORE,
    _LIMIT,
)
BATCH = _get("getBatch", "/batches/{batch}", "Show a batch with its files, its job and its log", _one(BatchDocument))
_FILE = _get(
    "downloadBatchFile",
    "/batches/{batch}/files/{file}",
    "Download a file of a batch, or with Range a part of it",
    Response(
        "The bytes as they came; decompressed if they were sent compressed.",
        (Content(OCTETS, TEXT),),
        {"Content-Disposition": "The name that the client gave the file.", "ETag": "Changes with the bytes."},
    ),
)
FILE = replace(
    _FILE,
    responses={
        **_FILE.responses,
        206: Response("The requested part.", (Content(OCTETS, TEXT),), {"Content-Range": "Which part it is."}),
        304: Response("The client has the file already."),
        412: Response("The file is not the one that If-Match names."),
        416: Response("The file has no such part.", (), {"Content-Range": "How long the file is."}),
    },
)
JOBS = _get(
    "listJobs",
    "/jobs",
    "List jobs, newest first",
    _page("jobs", wire.JobDocument),
    Parameter("state", "Only those in one state.", choice(JOB_STATES)),
    _PROCESS,
    Parameter("batch", "Only those of the batch with this identifier.", _WORDS),
    _BEFORE,
    _LIMIT,
)
JOB = _get("getJob", "/jobs/{job}", "Show a job with the counts of its records", _one(wire.JobDocument))
_LINES = _page("lines", wire.LogLineDocument)
LOG = _get("getJobLog", "/jobs/{job}/log", "Read the log of a job", _LINES, _after("position"), _LIMIT)
OUTCOMES = _get(
    "listJobOutcomes",
    "/jobs/{job}/outcomes",
    "Read the outcomes of records of a job",
    _page("outcomes", wire.OutcomeDocument),
    Parameter("status", "Only those of one status.", choice(OUTCOME_STATUSES)),
    Parameter("warnings", "With `true`, only records that were stored with warnings.", choice(("true", "false"))),
    _after("record"),
    _LIMIT,
    about="Has the records that failed, that messages are about, or that were stored with warnings (a value was lost "
    "or changed). For pushes and bulk loads it has all records.",
)
TABLES = _get("listTables", "/records", "List the tables of imported records", _all("tables", wire.TableDocument))
ROWS = _get(
    "listRows",
    "/records/{table}",
    "Read the rows of a table in order of insertion",
    _page("rows", wire.RowDocument),
    _after("_id"),
    _LIMIT,
    about="Rows have the Names of the models, as `penstock records export` writes them. A Name that was never set is "
    "absent.",
)
_ROW = _one(wire.StoredRowDocument)
ROW = _get("getRow", "/records/{table}/{id}", "Show a row, and which record of which job wrote it last", _ROW)
_PROCESSES = _all("processes", wire.ProcessSummary)
PROCESSES = _get("listProcesses", "/processes", "List import processes", _PROCESSES)
_A_PROCESS = _one(wire.ProcessDocument)
PROCESS = _get("getProcess", "/processes/{process}", "Show an import process with its control file", _A_PROCESS)
MODELS = _get("listModels", "/models", "List models: where imported data can go", _all("models", wire.ModelDocument))
_EVENT: Schema = {"type": "string", "contentMediaType": "text/event-stream", "contentSchema": wire.EventDocument}
_EVENTS = _get(
    "followEvents",
    "/events",
    "Follow what happens to jobs, as server-sent events",
    Response(
        "`listening`, then for each job `queued`, `started`, `progress`, `ended`; the data is an Event as JSON. "
        "A short job may send only its end.",
        (Content("text/event-stream", _EVENT, "id: 2026-03-01T09:30:00.000000Z\r\nevent: ended\r\ndata: {…}\r\n\r\n"),),
    ),
    Parameter("job", "Only what happens to the job with this id.", _WORDS),
    Parameter(
        "Last-Event-ID",
        "The id of the last event that the client received. Every job that ended since then is sent first. Browsers "
        "send this header themselves.",
        _WORDS,
        "header",
    ),
    about="Comments keep a quiet stream alive. A stream ends after a quarter of an hour, when the server stops, or "
    "when the client falls behind; reconnect with Last-Event-ID. The end of a job may then be sent twice, but is "
    "never lost.",
)
_FULL = _refusal("Too many streams, or the server is stopping.", "too_many_streams", "100 listen already")
EVENTS = replace(_EVENTS, responses={**_EVENTS.responses, 503: _FULL})

DESCRIPTION = ApiDescription(
    "native",
    "Batches, jobs, outcomes and imported records. Read-only; for keys of scope `native`, and for sessions of the "
    "admin site.",
    (BATCHES, BATCH, FILE, JOBS, JOB, LOG, OUTCOMES, TABLES, ROWS, ROW, PROCESSES, PROCESS, MODELS, EVENTS),
    {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of scope `native` or `admin`."},
        "basic": {"type": "http", "scheme": "basic", "description": "The same key as the password of any user."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "penstock",
            "description": "A session of the admin site; each data directory adds its own ending to the name.",
        },
    },
)
