"""The documents of FOLIO's modules as JSON Schema: what clients send from `wire`, what they get in full here."""

from collections.abc import Mapping
from typing import Any

from server.dialects.folio.wire import job_executions as jobs_wire
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.validation import LONGEST_TEXT, Kind, ListOf, Property
from server.dialects.folio.wire.validation import Schema as Checked
from server.engine.vendors.folio.file_extensions import DATA_TYPES
from server.web.description.api_description import ANY, COUNT, FLAG, TEXT, WHOLE, Schema, choice, listed, record, ref

_DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$"}
_SECOND: Schema = {"type": "string", "format": "date-time"}
_DIGEST_PATH: Schema = {"type": "string", "pattern": "^blobs/sha256/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}$"}

_KINDS: Mapping[Kind, Schema] = {
    "text": {"type": ["string", "null"], "maxLength": LONGEST_TEXT},
    "date": {"type": ["string", "null"], "examples": ["2019-06-20T11:00:25.852+0000"]},
    "boolean": {"type": ["boolean", "null"]},
    "integer": {"type": ["integer", "null"], "minimum": -(2**31), "maximum": 2**31 - 1},
    "any": ANY,
}
_NEEDED: Mapping[Kind, Schema] = {
    **_KINDS,
    "text": {"type": "string", "maxLength": LONGEST_TEXT},
    "boolean": FLAG,
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "any": {"not": {"type": "null"}},
}


def sent(schema: Checked) -> Schema:
    """The schema that a body is checked against. What need not be there may be null."""
    found: dict[str, Any] = {
        "type": "object",
        "properties": {name: _sent(known) for name, known in schema.properties.items()},
    }
    needed = [name for name, known in schema.properties.items() if known.required]
    if needed:
        found["required"] = needed
    return found if schema.open else found | {"additionalProperties": False}


def _sent(known: Property) -> Schema:
    found = _of_kind(known.kind, _NEEDED if known.required else _KINDS)
    if known.required or isinstance(known.kind, str):
        return found
    return {"anyOf": [found, {"type": "null"}]}


def _of_kind(kind: "Kind | tuple[str, ...] | Checked | ListOf", kinds: Mapping[Kind, Schema]) -> Schema:
    match kind:
        case Checked():
            return sent(kind)
        case ListOf():
            return listed(_of_kind(kind.item, _NEEDED))
        case tuple():
            return choice(kind)
    return kinds[kind]


def collection(name: str, item: str) -> Schema:
    return record({name: listed(ref(item)), "totalRecords": COUNT})


_METADATA = record({"createdDate": _DATE, "createdByUserId": TEXT, "updatedDate": _DATE}, {"updatedByUserId": TEXT})
_FILE: Mapping[str, Schema] = {"id": TEXT, "name": TEXT, "uploadDefinitionId": TEXT}
_MAYBE_OF_FILE: Mapping[str, Schema] = {"sourcePath": _DIGEST_PATH, "jobExecutionId": TEXT}
_MAYBE_OF_DEFINITION: Mapping[str, Schema] = {"metaJobExecutionId": TEXT, "createDate": _DATE, "metadata": _METADATA}
_STATUSES = ("NEW", "IN_PROGRESS", "LOADED", "COMPLETED")


def _definition(file: Schema, statuses: tuple[str, ...]) -> Schema:
    return record({"id": TEXT, "fileDefinitions": listed(file)}, {**_MAYBE_OF_DEFINITION, "status": choice(statuses)})


_PROGRESS = record({"jobExecutionId": TEXT, "current": COUNT, "total": COUNT})
_JOB = record(
    {
        "id": TEXT,
        "hrId": WHOLE,
        "parentJobId": TEXT,
        "subordinationType": choice(("CHILD", "PARENT_SINGLE", "PARENT_MULTIPLE")),
        "sourceType": choice(("FILES", "ONLINE", "COMPOSITE")),
        "runBy": record({"firstName": TEXT, "lastName": TEXT}),
        "progress": _PROGRESS,
        "status": choice(jobs_wire.UI_STATUS),
        "uiStatus": choice(dict.fromkeys(jobs_wire.UI_STATUS.values())),
    },
    {
        "jobProfileInfo": record({}, more=True),
        "fileName": TEXT,
        "userId": TEXT,
        "startedDate": _DATE,
        "completedDate": _DATE,
        "errorStatus": TEXT,
    },
)
_RECORD_TYPES = choice(("EDIFACT", "MARC_AUTHORITY", "MARC_HOLDINGS", "MARC_BIBLIOGRAPHIC"))

SCHEMAS: Mapping[str, Schema] = {
    "FolioErrors": record(
        {
            "errors": listed(
                record(
                    {
                        "message": TEXT,
                        "type": TEXT,
                        "code": TEXT,
                        "parameters": listed(record({"key": TEXT, "value": TEXT})),
                    }
                )
            ),
            "total_records": COUNT,
        }
    ),
    "FolioDefinition": _definition(
        record({**_FILE, "loaded": FLAG, "createDate": _DATE}, _MAYBE_OF_FILE),
        _STATUSES,
    ),
    "FolioUploadDefinition": _definition(
        record(
            {**_FILE, "status": choice(("NEW", "UPLOADED", "ERROR")), "createDate": _DATE},
            {**_MAYBE_OF_FILE, "uploadedDate": _DATE, "size": COUNT, "uiKey": TEXT},
        ),
        (*_STATUSES, "ERROR"),
    ),
    "FolioFileExtension": record(
        {"id": TEXT, "extension": TEXT, "dataTypes": listed(choice(DATA_TYPES)), "importBlocked": FLAG},
        {"metadata": _METADATA},
    ),
    "FolioUploadUrl": record({"url": TEXT, "key": TEXT, "uploadId": TEXT}),
    "FolioSession": record({"accessTokenExpiration": _SECOND, "refreshTokenExpiration": _SECOND}),
    "FolioUser": record(
        {
            "user": record(
                {"username": TEXT, "id": TEXT, "active": FLAG, "personal": record({"lastName": TEXT})},
            )
        }
    ),
    "FolioJobExecution": _JOB,
    "FolioJobProfile": record({"id": TEXT, "name": TEXT, "dataType": choice(DATA_TYPES), "hidden": FLAG}),
    "FolioJobProfileInfo": record({"id": TEXT}, more=True),
    "FolioJobUser": record(dict.fromkeys(("userId", "jobUserFirstName", "jobUserLastName"), TEXT)),
    "FolioLogEntry": record(
        {
            **dict.fromkeys(("jobExecutionId", "incomingRecordId", "sourceRecordId"), TEXT),
            **dict.fromkeys(("sourceRecordOrder", "sourceRecordTitle", "error"), TEXT),
            "sourceRecordType": _RECORD_TYPES,
            "sourceRecordActionStatus": choice(("CREATED", "DISCARDED")),
            "relatedHoldingsInfo": listed(ANY),
            "relatedItemInfo": listed(ANY),
        }
    ),
    "FolioJournalRecord": record(
        {
            **dict.fromkeys(("id", "jobExecutionId", "sourceId", "title", "actionType", "error"), TEXT),
            "sourceRecordOrder": WHOLE,
            "entityType": _RECORD_TYPES,
            "actionStatus": choice(("COMPLETED", "ERROR")),
            "actionDate": _DATE,
        }
    ),
    "FolioIncomingRecord": record(
        {
            **dict.fromkeys(("id", "jobExecutionId", "recordType", "error"), TEXT),
            "order": WHOLE,
            "rawRecordContent": {"type": ["string", "null"]},
            "parsedRecordContent": {"type": ["string", "null"]},
        }
    ),
    "FolioJobSummary": record(
        {
            "jobExecutionId": TEXT,
            "totalErrors": COUNT,
            "sourceRecordSummary": record(
                dict.fromkeys(
                    ("totalCreatedEntities", "totalUpdatedEntities", "totalDiscardedEntities", "totalErrors"), COUNT
                )
            ),
        }
    ),
}

ID = "67dfac11-1caf-4470-9ad1-d533f6360bdd"
FILE_ID = "88dfac11-1caf-4470-9ad1-d533f6360bdd"
_AT = "2026-03-01T09:30:00.000+0000"
A_FILE: Mapping[str, object] = {
    "id": FILE_ID,
    "name": "bib.mrc",
    "uploadDefinitionId": ID,
    "jobExecutionId": ID,
    "createDate": _AT,
}
A_DEFINITION: Mapping[str, object] = {
    "id": ID,
    "metaJobExecutionId": ID,
    "status": "NEW",
    "createDate": _AT,
    "fileDefinitions": [{**A_FILE, "loaded": False}],
}
AN_UPLOAD_DEFINITION: Mapping[str, object] = {**A_DEFINITION, "fileDefinitions": [{**A_FILE, "status": "NEW"}]}
AN_EXTENSION: Mapping[str, object] = {"id": ID, "extension": ".mrc", "dataTypes": ["MARC"], "importBlocked": False}
A_PROFILE: Mapping[str, object] = jobs_wire.PROFILES[0]
A_JOB: Mapping[str, object] = {
    "id": ID,
    "hrId": 1,
    "parentJobId": ID,
    "subordinationType": "PARENT_SINGLE",
    "sourceType": "FILES",
    "runBy": {"firstName": "", "lastName": ""},
    "progress": {"jobExecutionId": ID, "current": 0, "total": 100},
    "status": "NEW",
    "uiStatus": "INITIALIZATION",
}

SENT: Mapping[str, Schema] = {
    "FolioNewDefinition": sent(wire.DEFINITION),
    "FolioNewFile": sent(wire.FILE),
    "FolioNewUploadDefinition": sent(wire.LATER_DEFINITION),
    "FolioNewUploadFile": sent(wire.LATER_FILE),
    "FolioNewFileExtension": sent(wire.EXTENSION),
    "FolioProcessFiles": sent(wire.PROCESS),
    "FolioAssembly": sent(wire.ASSEMBLE),
    "FolioLogin": sent(wire.LOGIN),
    "FolioNewJob": sent(jobs_wire.NEW_JOB),
    "FolioJobStatus": sent(jobs_wire.STATUS),
    "FolioJobUpdate": sent(jobs_wire.JOB),
    "FolioProfile": sent(jobs_wire.PROFILE),
    "FolioRecords": sent(jobs_wire.RECORDS),
    "FolioIds": sent(jobs_wire.IDS),
}
