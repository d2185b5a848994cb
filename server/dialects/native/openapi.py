"""What the native API says of its operations. `routes` takes paths and parameters from here."""

from server.dialects.native.errors import body
from server.dialects.native.openapi_schemas import (
    A_BATCH,
    A_JOB,
    A_LOG_LINE,
    A_MODEL,
    A_PROCESS,
    A_ROW,
    A_STORED_ROW,
    A_SUMMARY,
    A_TABLE,
    AN_OUTCOME,
    BATCH_ID,
    JOB_ID,
    KEYS,
    SCHEMAS,
)
from server.dialects.native.operation_names import NAMES
from server.dialects.native.wire import LAST_NUMBER, LONGEST_TEXT, MOST, USUAL_LIMIT
from server.engine.documents import BATCH_STATES, JOB_STATES, OUTCOME_STATUSES
from server.web.description.api_description import (
    OCTETS,
    TEXT,
    Answer,
    Answers,
    Content,
    Description,
    Operation,
    Parameter,
    Schema,
    choice,
    in_path,
    json,
    listed,
    nullable,
    record,
    ref,
)

PREFIX = "/api/v1"

_WORDS: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": LAST_NUMBER}
_LIMIT = Parameter(
    "limit",
    f"How many at most; {USUAL_LIMIT} where it is left out.",
    {"type": "integer", "minimum": 1, "maximum": MOST},
)
_BEFORE = Parameter("before", "Only those made before this one: the last of the page before.", _WORDS)
_PROCESS = Parameter("process", "Only those of the import process with this id.", _WORDS)
_WHEN = "A date or a time, UTC where it names no zone."


_STREAM: Schema = {"type": "string", "contentMediaType": "text/event-stream", "contentSchema": ref("Event")}


def _after(of: str) -> Parameter:
    return Parameter("after", f"Only those behind this {of}: the last of the page before.", _NUMBER)


def _refusal(description: str, code: str, message: str) -> Answer:
    return Answer(description, json(ref("Refusal"), body(code, message)))


_COMMON: Answers = {
    400: _refusal(
        "A parameter is unknown, repeated or wrong.", "parameter_wrong", "limit is '0', should be a whole number from 1"
    ),
    401: Answer(
        "No key, or a wrong one.",
        json(ref("Refusal"), body("key_missing", "no API key was sent")),
        {"WWW-Authenticate": "How to send one."},
    ),
    403: _refusal("The key may not do this.", "scope_missing", "the API key does not have the scope native"),
    429: _refusal("Too many wrong keys from this address; wait a minute.", "too_many_wrong_keys", "wait"),
}


def _missing(kind: str, code: str) -> Answers:
    return {404: _refusal(f"There is no such {kind.lower()}.", code, f"{kind} not found: x")}


def _page(name: str, item: str, example: object, path: str) -> Answer:
    schema = record({name: listed(ref(item)), "next": nullable(TEXT)})
    return Answer("One page; `next` is the address of the one after it.", json(schema, {name: [example], "next": path}))


def _all(name: str, item: str, example: object) -> Answer:
    return Answer("All of them.", json(record({name: listed(ref(item))}), {name: [example]}))


def _one(schema: str, example: object) -> Answer:
    return Answer("It.", json(ref(schema), example))


_IN_BATCH = in_path("batch", "The identifier of a batch.", BATCH_ID)
_IN_JOB = in_path("job", "The id of a job.", JOB_ID)
_IN_TABLE = in_path("table", "The name of a table.", "people")

BATCHES = Operation(
    "GET",
    f"{PREFIX}/batches",
    "List batches of all APIs, newest first",
    {200: _page("batches", "BatchSummary", A_SUMMARY, f"{PREFIX}/batches?before={BATCH_ID}"), **_COMMON},
    (
        Parameter("api", "Only those of one API.", _WORDS),
        Parameter("state", "Only those in one state.", choice(BATCH_STATES)),
        _PROCESS,
        Parameter("text", "Only those with this text in comment, identifier, a file's name or creation path.", _WORDS),
        Parameter("created_from", f"Only those made then or later. {_WHEN}", _WORDS),
        Parameter("created_before", f"Only those made earlier. {_WHEN}", _WORDS),
        _BEFORE,
        _LIMIT,
    ),
)
BATCH = Operation(
    "GET",
    f"{PREFIX}/batches/{{batch}}",
    "Show a batch with its files, its job and its log",
    {200: _one("Batch", A_BATCH), **_COMMON, **_missing("Batch", "batch_not_found")},
    (_IN_BATCH,),
)
FILE = Operation(
    "GET",
    f"{PREFIX}/batches/{{batch}}/files/{{file}}",
    "Download a file of a batch, or with Range a part of it",
    {
        200: Answer(
            "The bytes as they came, decompressed where they were sent compressed.",
            (Content(OCTETS, TEXT),),
            {"Content-Disposition": "The name that the client gave the file.", "ETag": "Changes with the bytes."},
        ),
        206: Answer("The part that was asked for.", (Content(OCTETS, TEXT),), {"Content-Range": "Which part it is."}),
        304: Answer("The client has it already."),
        412: Answer("It is not the one that If-Match names."),
        416: Answer("The file has no such part.", (), {"Content-Range": "How long the file is."}),
        **_COMMON,
        **_missing("File of the batch", "file_not_found"),
    },
    (_IN_BATCH, in_path("file", "The id of a file in the batch.", 1, _NUMBER)),
)
JOBS = Operation(
    "GET",
    f"{PREFIX}/jobs",
    "List jobs, newest first",
    {200: _page("jobs", "Job", A_JOB, f"{PREFIX}/jobs?before={JOB_ID}"), **_COMMON},
    (
        Parameter("state", "Only those in one state.", choice(JOB_STATES)),
        _PROCESS,
        Parameter("batch", "Only those of the batch with this identifier.", _WORDS),
        _BEFORE,
        _LIMIT,
    ),
)
JOB = Operation(
    "GET",
    f"{PREFIX}/jobs/{{job}}",
    "Show a job with what became of its records",
    {200: _one("Job", A_JOB), **_COMMON, **_missing("Job", "job_not_found")},
    (_IN_JOB,),
)
LOG = Operation(
    "GET",
    f"{PREFIX}/jobs/{{job}}/log",
    "Read the log of a job",
    {
        200: _page("lines", "LogLine", A_LOG_LINE, f"{PREFIX}/jobs/{JOB_ID}/log?after=0"),
        **_COMMON,
        **_missing("Job", "job_not_found"),
    },
    (_IN_JOB, _after("position"), _LIMIT),
)
OUTCOMES = Operation(
    "GET",
    f"{PREFIX}/jobs/{{job}}/outcomes",
    "Read what became of records of a job",
    {
        200: _page("outcomes", "Outcome", AN_OUTCOME, f"{PREFIX}/jobs/{JOB_ID}/outcomes?after=7"),
        **_COMMON,
        **_missing("Job", "job_not_found"),
    },
    (
        _IN_JOB,
        Parameter("status", "Only those of one status.", choice(OUTCOME_STATUSES)),
        Parameter("warnings", "With `true`, only those stored with warnings.", choice(("true", "false"))),
        _after("record"),
        _LIMIT,
    ),
    description=(
        "Of records that failed, that messages were about, or that were stored with warnings (a value was lost or "
        "changed); of pushes and bulk loads, of all."
    ),
)
TABLES = Operation(
    "GET",
    f"{PREFIX}/records",
    "List the tables of imported records",
    {200: _all("tables", "Table", A_TABLE), **_COMMON},
)
ROWS = Operation(
    "GET",
    f"{PREFIX}/records/{{table}}",
    "Read the rows of a table in order of insertion",
    {
        200: _page("rows", "Row", A_ROW, f"{PREFIX}/records/people?after=1"),
        **_COMMON,
        **_missing("Table", "table_not_found"),
    },
    (_IN_TABLE, _after("_id"), _LIMIT),
    description="Under the Names of the models, as `penstock records export` writes them: one never set is absent.",
)
ROW = Operation(
    "GET",
    f"{PREFIX}/records/{{table}}/{{id}}",
    "Show a row, and which record of which job wrote it last",
    {200: _one("StoredRow", A_STORED_ROW), **_COMMON, **_missing("Row", "row_not_found")},
    (_IN_TABLE, in_path("id", "The `_id` of a row.", 1, _NUMBER)),
)
PROCESSES = Operation(
    "GET",
    f"{PREFIX}/processes",
    "List import processes",
    {200: _all("processes", "ProcessSummary", {k: v for k, v in A_PROCESS.items() if k != "control"}), **_COMMON},
)
PROCESS = Operation(
    "GET",
    f"{PREFIX}/processes/{{process}}",
    "Show an import process with its control file",
    {200: _one("Process", A_PROCESS), **_COMMON, **_missing("Import process", "process_not_found")},
    (in_path("process", "The id of an import process.", "people-feed"),),
)
MODELS = Operation(
    "GET",
    f"{PREFIX}/models",
    "List models: where imported data can go",
    {200: _all("models", "Model", A_MODEL), **_COMMON},
)
EVENTS = Operation(
    "GET",
    f"{PREFIX}/events",
    "Follow what happens to jobs, as server-sent events",
    {
        200: Answer(
            "`listening`, then for each job `queued`, `started`, `progress`, `ended`; the data is an Event as JSON. "
            "A job that is quick may show only its end.",
            (
                Content(
                    "text/event-stream", _STREAM, "id: 2026-03-01T09:30:00.000000Z\r\nevent: ended\r\ndata: {…}\r\n\r\n"
                ),
            ),
        ),
        **_COMMON,
        503: _refusal("Too many streams, or the server is stopping.", "too_many_streams", "100 listen already"),
    },
    (
        Parameter("job", "Only what happens to the job with this id.", _WORDS),
        Parameter(
            "Last-Event-ID",
            "The id of the last event that was heard: every end since then is told first. Browsers send it themselves.",
            _WORDS,
            "header",
        ),
    ),
    description=(
        "Comments keep a quiet stream alive. A stream ends after a quarter of an hour, and when the server stops or "
        "the client falls behind; come back with Last-Event-ID. An end may then be told twice, never not at all."
    ),
)

DESCRIBED = Description(
    "native",
    "What was sent, what became of it, and what was imported. Read-only; for keys of scope `native`, and whoever is "
    "signed in at the admin site.",
    (
        *(BATCHES, BATCH, FILE, JOBS, JOB, LOG, OUTCOMES),
        *(TABLES, ROWS, ROW, PROCESSES, PROCESS, MODELS, EVENTS),
    ),
    KEYS,
    SCHEMAS,
    names=NAMES,
)
