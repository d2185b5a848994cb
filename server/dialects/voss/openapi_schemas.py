"""The documents of the VOSS bulk load API as JSON Schema, each with an example."""

from collections.abc import Mapping

from server.dialects.voss import wire
from server.web.description.api_description import (
    ANY,
    COUNT,
    FLAG,
    TEXT,
    WHOLE,
    Schema,
    always,
    choice,
    listed,
    nullable,
    record,
    ref,
)

_MOMENT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"}
_MAYBE = nullable(TEXT)
_YES_NO = choice(("Yes", "No"))
_STATUS = choice(("Queued", "Processing", "Success", "Fail"))
_REFERENCES = record({"parent": listed(ANY), "children": listed(ANY)})
_DATA_META = record({"model_type": TEXT, "uri": TEXT, "hierarchy": _MAYBE, "references": _REFERENCES})
_PAGINATION = record({"skip": COUNT, "limit": COUNT, "total": COUNT})

ID = "b1f0a3de-6a3c-4a7f-9f52-2b1d1c0e7a11"
ADDRESS = wire.TRANSACTION + ID
_TIME = "2026-03-01T09:30:00.000000"

_SUMMARY: Mapping[str, Schema] = {
    "action": TEXT,
    "detail": TEXT,
    "message": _MAYBE,
    "pkid": TEXT,
    "status": _STATUS,
    "submitted_time": _MOMENT,
    "href": TEXT,
    "username": TEXT,
}
_ACCEPTED: Mapping[str, Schema] = {"href": TEXT, "success": always(True), "transaction_id": TEXT}
_LOG_LINE = record(
    {
        "href": TEXT,
        "log_id": TEXT,
        "message": TEXT,
        "severity": choice(("info", "warning", "error")),
        "time": nullable(_MOMENT),
        "transaction_id": TEXT,
    }
)
_TRANSACTION = record(
    {
        **_SUMMARY,
        "started_time": nullable(_MOMENT),
        "completed_time": nullable(_MOMENT),
        "duration": {"type": ["number", "null"]},
        "rolled_back": _YES_NO,
        "priority": TEXT,
        "resource": record({"model_type": TEXT, "hierarchy": _MAYBE}, {"pkid": _MAYBE}),
        "request_meta": record({}, more=True),
        "late": _YES_NO,
        "log": listed(_LOG_LINE),
        "sub_transactions": listed(ref("VossTransactionSummary")),
        "parent": _MAYBE,
        "submitter_host_name": _MAYBE,
        "processor_host_name": _MAYBE,
    },
    {
        "rows": record({"href": TEXT, "total": COUNT}),
        "pagination": _PAGINATION,
        "executed_by": _MAYBE,
        "scheduled_by": TEXT,
    },
)
_ACTION = record({"class": TEXT, "href": TEXT, "method": TEXT, "title": TEXT})
_TRANSACTION_META = record(
    {
        "model_type": TEXT,
        "summary_attrs": listed(TEXT),
        "references": _REFERENCES,
        "uri": TEXT,
        "actions": record({}, {"replay": _ACTION, "cancel": _ACTION}),
    }
)


def listing(item: str) -> Schema:
    meta = record({"model_type": TEXT, "uri": TEXT, "references": _REFERENCES})
    return record({"meta": meta, "pagination": _PAGINATION, "resources": listed(ref(item))})


SCHEMAS: Mapping[str, Schema] = {
    "VossFault": record(
        {
            "success": always(False),
            "error_code": WHOLE,
            "error_message": TEXT,
            "http_code": WHOLE,
            "transaction_id": _MAYBE,
            "traceback": {"type": "null"},
        }
    ),
    "VossUploaded": record({"uploadedfiles": listed(record({"id": TEXT, "name": TEXT}))}),
    "VossAccepted": record(
        _ACCEPTED,
        {
            "message": _MAYBE,
            "detail": TEXT,
            "status": _STATUS,
            "pkid": TEXT,
            "model_type": TEXT,
            "meta": record({"summary_attrs": listed(ANY), "uri": TEXT}),
        },
    ),
    "VossTransactionSummary": record({**_SUMMARY, "transaction": TEXT}),
    "VossTransaction": record({"meta": _TRANSACTION_META, "data": _TRANSACTION}),
    "VossPoll": {
        "type": "object",
        "additionalProperties": record({"status": _STATUS, "href": TEXT, "description": _MAYBE}),
    },
    "VossBulkLoad": record(
        {
            "meta": _DATA_META,
            "data": record(
                {
                    "pkid": TEXT,
                    "name": TEXT,
                    "filename": TEXT,
                    "fileid": _MAYBE,
                    "description": TEXT,
                    "owner": TEXT,
                }
            ),
        }
    ),
    "VossMade": record(
        {
            "pkid": TEXT,
            "model_type": TEXT,
            "meta": record({"parent_id": _MAYBE, "summary_attrs": listed(ANY), "uri": TEXT}),
            "success": always(True),
        }
    ),
    "VossSchedule": record(
        {
            "meta": _DATA_META,
            "data": record(
                {
                    "pkid": TEXT,
                    "name": TEXT,
                    "owner": TEXT,
                    "schedule_type": TEXT,
                    "active": FLAG,
                    "skip_next": FLAG,
                    "last_executed": _MAYBE,
                    "scheduled_resources": listed(record({}, more=True)),
                    "single_execute": record(
                        dict.fromkeys(("single_date", "single_time", "single_timezone"), TEXT),
                    ),
                    "execute_utc": nullable(_MOMENT),
                    "transaction": TEXT,
                }
            ),
        }
    ),
    "VossHierarchyNode": record(dict.fromkeys(("pkid", "name", "path", "hierarchy_path"), TEXT)),
    "VossDone": record({"success": always(True)}),
}

A_SUMMARY: Mapping[str, object] = {
    "action": "Execute",
    "detail": "[ 8/9 ] succeeded from [ 1 ] sheet in Users.xlsx.",
    "message": None,
    "pkid": ID,
    "status": "Processing",
    "submitted_time": _TIME,
    "transaction": ADDRESS,
    "href": ADDRESS,
    "username": "importer",
}
_NO_REFERENCES: Mapping[str, object] = {"parent": [], "children": []}
A_TRANSACTION: Mapping[str, object] = {
    "meta": {
        "model_type": "tool/Transaction",
        "summary_attrs": ["action", "detail", "status", "submitted_time"],
        "references": _NO_REFERENCES,
        "uri": ADDRESS,
        "actions": {},
    },
    "data": {
        **{name: value for name, value in A_SUMMARY.items() if name != "transaction"},
        "started_time": _TIME,
        "completed_time": None,
        "duration": None,
        "rolled_back": "No",
        "priority": "Normal",
        "resource": {"model_type": "data/BulkLoad", "pkid": ID, "hierarchy": "sys.hcs"},
        "request_meta": {},
        "late": "No",
        "log": [],
        "sub_transactions": [A_SUMMARY],
        "parent": None,
        "submitter_host_name": None,
        "processor_host_name": None,
        "rows": {"href": ADDRESS, "total": 9},
    },
}
A_MADE: Mapping[str, object] = {
    "pkid": ID,
    "model_type": "data/BulkLoad",
    "meta": {"parent_id": None, "summary_attrs": [{"name": "Users"}], "uri": wire.BULK_LOAD + ID},
    "success": True,
}
A_SCHEDULE: Mapping[str, object] = {
    "meta": {
        "model_type": "data/Schedule",
        "uri": wire.SCHEDULE + ID,
        "hierarchy": "sys.hcs",
        "references": _NO_REFERENCES,
    },
    "data": {
        "pkid": ID,
        "name": "Users.xlsx",
        "owner": "importer",
        "schedule_type": "single",
        "active": True,
        "skip_next": False,
        "last_executed": None,
        "scheduled_resources": [{"action": "execute", "resource_type": "data/BulkLoad"}],
        "single_execute": {"single_date": "2026-12-24", "single_time": "22:00:00", "single_timezone": "120"},
        "execute_utc": "2026-12-24T20:00:00.000000",
        "transaction": ADDRESS,
    },
}
A_BULK_LOAD: Mapping[str, object] = {
    "meta": {
        "model_type": "data/BulkLoad",
        "uri": wire.BULK_LOAD + ID,
        "hierarchy": "sys.hcs",
        "references": _NO_REFERENCES,
    },
    "data": {
        "pkid": ID,
        "name": "Users.xlsx",
        "filename": "Users.xlsx",
        "fileid": None,
        "description": "-",
        "owner": "importer",
    },
}
