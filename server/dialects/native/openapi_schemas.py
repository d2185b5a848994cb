"""The documents of the native API as JSON Schema, each with an example."""

from collections.abc import Mapping

from server.engine.documents import BATCH_STATES, JOB_MODES, JOB_STATES, LOG_LEVELS, OUTCOME_STATUSES
from server.web.description.api_description import (
    COUNT,
    FLAG,
    TEXT,
    WHOLE,
    Schema,
    choice,
    listed,
    nullable,
    record,
    ref,
)

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
_DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MAYBE = nullable(TEXT)
_RATE: Schema = {"type": ["number", "null"], "minimum": 0}

_COUNTS = ("read", "created", "updated", "unchanged", "deleted", "failed", "skipped", "with_warnings")
_WARNING = record(dict.fromkeys(("what", "source", "value", "destination", "name"), TEXT))
_SUMMARY: Mapping[str, Schema] = {
    "id": TEXT,
    "api": TEXT,
    "process": _MAYBE,
    "comment": TEXT,
    "state": choice(BATCH_STATES),
    "errors": COUNT,
    "created": _MOMENT,
}
_JOB_SUMMARY: Mapping[str, Schema] = {
    "id": TEXT,
    "state": choice(JOB_STATES),
    "mode": choice(JOB_MODES),
    "counts": ref("Counts"),
    "started": _MAYBE_MOMENT,
    "finished": _MAYBE_MOMENT,
}
_JOB: Mapping[str, Schema] = {
    **_JOB_SUMMARY,
    "process": _MAYBE,
    "attempts": COUNT,
    "errors": COUNT,
    "error": _MAYBE,
    "created": _MOMENT,
    "api": TEXT,
    "batch": _MAYBE,
    "due": _MOMENT,
    "fraction": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
}
_PROCESS: Mapping[str, Schema] = {
    "id": TEXT,
    "label": TEXT,
    "description": TEXT,
    "model": TEXT,
    "push": nullable(record({"url": TEXT, "enabled": FLAG, "response": choice(("JSON", "XML"))})),
    "control_digest": _DIGEST,
}
_NAME = record(
    {
        "name": TEXT,
        "type": TEXT,
        "multivalue": FLAG,
        "required": FLAG,
        "description": TEXT,
        "refers_to": _MAYBE,
    }
)
_DESTINATION = record(
    {
        "name": TEXT,
        "label": TEXT,
        "table": TEXT,
        "kind": choice(("object", "dictionary")),
        "optional": FLAG,
        "depends": _MAYBE,
        "title": _MAYBE,
        "key": listed(TEXT),
        "open": FLAG,
        "names": listed(_NAME),
    }
)

SCHEMAS: Mapping[str, Schema] = {
    "Refusal": record({"error": record({"code": TEXT, "message": TEXT})}),
    "Counts": record(dict.fromkeys(_COUNTS, COUNT)),
    "BatchSummary": record(_SUMMARY),
    "Batch": record(
        {
            **_SUMMARY,
            "control": _MAYBE,
            "properties": record({}, more=True),
            "files": listed(
                record({"id": WHOLE, "name": TEXT, "filename": _MAYBE, "digest": _DIGEST, "size": COUNT}),
            ),
            "job": nullable(record(_JOB_SUMMARY)),
            "errands": listed(record({"id": TEXT, "kind": TEXT, "state": TEXT, "error": _MAYBE})),
            "log": TEXT,
        }
    ),
    "Job": record(_JOB),
    "Event": record({**_JOB, "rate": _RATE}),
    "LogLine": record({"position": COUNT, "level": choice(LOG_LEVELS), "message": TEXT, "created": _MOMENT}),
    "Outcome": record(
        {
            "record": COUNT,
            "status": choice(OUTCOME_STATUSES),
            "file": _MAYBE,
            "line": nullable(COUNT),
            "message": _MAYBE,
            "original": _MAYBE,
            "original_base64": _MAYBE,
            "detail": {"type": ["object", "null"]},
            "warnings": listed(_WARNING),
        }
    ),
    "Table": record({"name": TEXT, "names": listed(TEXT)}),
    "Row": record({"_id": WHOLE}, more=True),
    "StoredRow": record(
        {
            "row": ref("Row"),
            "job": _MAYBE,
            "record": nullable(COUNT),
            "version": COUNT,
            "created": _MOMENT,
            "updated": _MOMENT,
        }
    ),
    "ProcessSummary": record(_PROCESS),
    "Process": record({**_PROCESS, "control": record({}, more=True)}),
    "Model": record(
        {
            "name": TEXT,
            "label": TEXT,
            "description": TEXT,
            "qualifiers": listed(TEXT),
            "types": listed(TEXT),
            "destinations": listed(_DESTINATION),
        }
    ),
}

KEYS: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of scope `native` or `admin`."},
    "basic": {"type": "http", "scheme": "basic", "description": "The same key as the password of any user."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "penstock",
        "description": "Whoever is signed in at the admin site; each data directory adds its own ending to the name.",
    },
}

BATCH_ID = "q5y0c1sz0xg2p3bd6v3rj8mwfk"
JOB_ID = "0195f1a2-7c3e-7b1a-8f00-3d1c5a9e4b21"
_DIGEST_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_TIME = "2026-03-01T09:30:00Z"

A_SUMMARY: Mapping[str, object] = {
    "id": BATCH_ID,
    "api": "haplo-batch",
    "process": None,
    "comment": "People, March",
    "state": "complete",
    "errors": 0,
    "created": _TIME,
}
_A_JOB_SUMMARY: Mapping[str, object] = {
    "id": JOB_ID,
    "state": "done",
    "mode": "import",
    "counts": {**dict.fromkeys(_COUNTS, 0), "read": 2, "created": 2},
    "started": _TIME,
    "finished": _TIME,
}
A_BATCH: Mapping[str, object] = {
    **A_SUMMARY,
    "control": _DIGEST_EXAMPLE,
    "properties": {},
    "files": [{"id": 1, "name": "data0", "filename": "people.json", "digest": _DIGEST_EXAMPLE, "size": 96}],
    "job": _A_JOB_SUMMARY,
    "errands": [
        {"id": JOB_ID, "kind": "mail", "state": "failed", "error": "not sent: no mail server is set; set [smtp] host"}
    ],
    "log": "START: …",
}
A_JOB: Mapping[str, object] = {
    **_A_JOB_SUMMARY,
    "process": None,
    "attempts": 1,
    "errors": 0,
    "error": None,
    "created": _TIME,
    "api": "haplo-batch",
    "batch": BATCH_ID,
    "due": _TIME,
    "fraction": 1.0,
}
A_LOG_LINE: Mapping[str, object] = {"position": 0, "level": "info", "message": "START: …", "created": _TIME}
AN_OUTCOME: Mapping[str, object] = {
    "record": 7,
    "status": "failed",
    "file": "data0",
    "line": 8,
    "message": "email is required",
    "original": '{"name": "Ada"}',
    "original_base64": None,
    "detail": None,
    "warnings": [],
}
A_TABLE: Mapping[str, object] = {"name": "people", "names": ["_id", "email", "name"]}
A_ROW: Mapping[str, object] = {"_id": 1, "email": "ada@example.org", "name": "Ada"}
A_STORED_ROW: Mapping[str, object] = {
    "row": A_ROW,
    "job": JOB_ID,
    "record": 0,
    "version": 1,
    "created": _TIME,
    "updated": _TIME,
}
A_PROCESS: Mapping[str, object] = {
    "id": "people-feed",
    "label": "People feed",
    "description": "",
    "model": "example:people",
    "push": None,
    "control_digest": _DIGEST_EXAMPLE,
    "control": {"model": "example:people"},
}
A_MODEL: Mapping[str, object] = {
    "name": "example:people",
    "label": "People",
    "description": "",
    "qualifiers": [],
    "types": [],
    "destinations": [],
}
