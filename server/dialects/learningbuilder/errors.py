"""Every refusal of this dialect: status, code, and how to fix it. README.md has the same table.

EngineError
└── Refused
    └── RequestInvalid
        └── ParameterMissing  ParameterRepeated  ParameterInvalid  CreationPathInvalid  EmailInvalid
"""

import json
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import Field
from typing_extensions import TypedDict

from server.engine.errors import (
    AccessRefused,
    BodyEmpty,
    DiskFull,
    EngineError,
    KeyForbidden,
    KeyMissing,
    KeyThrottled,
    LineInvalid,
    ProcessNotFound,
    RequestInvalid,
    UploadFailed,
    UploadIncomplete,
    UploadMalformed,
    UploadTooLarge,
    UploadTooSlow,
)
from server.web.errors import answer_to

_SHOWN = 80


class ParameterMissing(RequestInvalid):
    def __init__(self, name: str) -> None:
        super().__init__(f"the query parameter {name} is missing or empty")


class ParameterRepeated(RequestInvalid):
    def __init__(self, name: str) -> None:
        super().__init__(f"the query parameter {name} is there more than once")


class ParameterInvalid(RequestInvalid):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the query parameter {name} cannot be used: {why}")


class CreationPathInvalid(RequestInvalid):
    def __init__(self, value: str) -> None:
        super().__init__(f"the query parameter creationPath cannot be used: {_short(value)}")


class EmailInvalid(RequestInvalid):
    def __init__(self, name: str, address: str) -> None:
        super().__init__(f"the query parameter {name} holds what is no e-mail address: {_short(address)}")


class Refusal(NamedTuple):
    """One row of the table. Without a `message`, the error's own text is sent, which names the place."""

    status: int
    code: str
    fix: str
    message: str | None = None


TABLE: Mapping[type[EngineError], Refusal] = {
    KeyMissing: Refusal(
        401, "API_KEY_MISSING", "Send the header Authorization: apikey KEY.", "the request has no API key"
    ),
    AccessRefused: Refusal(
        401,
        "API_KEY_INVALID",
        "Check the key; ask for a new one if it has expired or was revoked.",
        "the API key is unknown, expired or revoked",
    ),
    KeyForbidden: Refusal(
        403,
        "PERMISSION_MISSING",
        "Use a key made with the scope learningbuilder.",
        "the API key does not have the permission BeginWorkflowImportProcess",
    ),
    KeyThrottled: Refusal(429, "TOO_MANY_WRONG_KEYS", "Wait a minute, then send the right key."),
    ParameterMissing: Refusal(
        400, "PARAMETER_MISSING", "Put it into the query string; only the two e-mail parameters may be left out."
    ),
    ParameterRepeated: Refusal(
        400, "PARAMETER_REPEATED", "Send each parameter once; several e-mail addresses go into one, with commas."
    ),
    RequestInvalid: Refusal(400, "PARAMETER_INVALID", "Send at most 1,024 printable characters and 50 addresses."),
    CreationPathInvalid: Refusal(
        400, "CREATION_PATH_INVALID", "Use 1 to 15 upper case letters (A-Z), digits and underscores."
    ),
    EmailInvalid: Refusal(
        400, "EMAIL_INVALID", "Send addresses like name@example.org, with commas or semicolons between them."
    ),
    ProcessNotFound: Refusal(
        404, "IMPORT_PROCESS_NOT_FOUND", "Use the id of an import process that is configured on the server."
    ),
    BodyEmpty: Refusal(400, "BODY_EMPTY", "Send at least one row: JSON Lines, one object on each line."),
    LineInvalid: Refusal(
        400, "LINE_INVALID", "Correct the line and send the whole body again; nothing of it was kept."
    ),
    UploadMalformed: Refusal(
        400, "BODY_MALFORMED", "Send the body as its headers say; Content-Encoding may be gzip, deflate or absent."
    ),
    UploadIncomplete: Refusal(400, "BODY_INCOMPLETE", "Send the whole body again; nothing of it was kept."),
    UploadTooSlow: Refusal(408, "BODY_TOO_SLOW", "Send the body without long pauses, or in several batches."),
    UploadTooLarge: Refusal(413, "BODY_TOO_LARGE", "Send the rows in several batches."),
    DiskFull: Refusal(507, "DISK_FULL", "Tell the operator of the server; then send the body again."),
    UploadFailed: Refusal(400, "BODY_REFUSED", "Read the message; nothing of the body was kept."),
    EngineError: Refusal(400, "REQUEST_REFUSED", "Read the message."),
}

FAILURES: Mapping[int, Refusal] = {
    404: Refusal(404, "PATH_UNKNOWN", "Use the path /API/WorkflowImportQueue/CreateBatch."),
    405: Refusal(405, "METHOD_NOT_ALLOWED", "Use POST."),
    413: Refusal(413, "REQUEST_TOO_LARGE", "Shorten the address and the headers; rows go into the body."),
    500: Refusal(500, "SERVER_FAULT", "Tell the operator of the server; its log has the reason."),
    503: Refusal(503, "SERVER_BUSY", "Wait as long as Retry-After says, then send the same again."),
}
_OTHER = Refusal(400, "REQUEST_INVALID", "Read the message.")

REFUSALS = (*TABLE.values(), *FAILURES.values(), _OTHER)
_CODES = list(dict.fromkeys(row.code for row in REFUSALS))


class LearningBuilderError(TypedDict):
    errorCode: Annotated[str, Field(json_schema_extra={"enum": _CODES})]
    message: str
    howToFix: str


class LearningBuilderRefusal(TypedDict):
    error: LearningBuilderError


def refusal_of(error: EngineError) -> tuple[Refusal, str]:
    """Returns the row of the error's class or of its nearest base, and the message."""
    row = answer_to(TABLE, error)
    return row, row.message or str(error)


def failure_of(status: int) -> Refusal:
    return FAILURES.get(status, _OTHER._replace(status=status))


def body_of(row: Refusal, message: str) -> str:
    document: LearningBuilderRefusal = {
        "error": {"errorCode": row.code, "message": message, "howToFix": row.fix},
    }
    return json.dumps(document)


def _short(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
