"""The description of LearningBuilder's API."""

import json as plain_json

from server.dialects.learningbuilder import wire
from server.dialects.learningbuilder.errors import TABLE, LearningBuilderRefusal, body_of
from server.dialects.learningbuilder.routes import CALL, IN_ANY_CASE, SCOPE
from server.web.description.api_description import (
    BYTES,
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
    json,
    record,
)

_WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": wire.LONGEST_NAME}
_ADDRESSES = f"Up to {wire.MOST_ADDRESSES}, separated by commas or semicolons."
_STATUSES = {
    400: "The query or the body is refused; nothing was stored.",
    401: "The key is missing, unknown, expired or revoked.",
    403: "The key lacks the permission.",
    404: "There is no such import process.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    429: "Too many wrong keys from this address; wait a minute.",
    507: "The disk is too full.",
}


def _refused() -> Responses:
    """Describes the refusals, with an example of each status from their table."""
    examples = {row.status: plain_json.loads(body_of(row, row.message or "…")) for row in TABLE.values()}
    return {
        status: Response(
            words,
            json(LearningBuilderRefusal, examples[status]),
            {"WWW-Authenticate": "How to send a key."} if status == 401 else {},
        )
        for status, words in _STATUSES.items()
    }


_ROWS = '{"email": "ada@example.org"}\n{"email": "bob@example.org"}\n'

_CREATE = Operation(
    "createBatch",
    "POST",
    CALL,
    "Import rows",
    {
        200: Response(
            "Accepted; the rows are imported in the background.",
            json(
                record({"queueBatchId": TEXT, "queueBatchDetails": {"type": "string", "format": "uri"}}),
                {
                    "queueBatchId": "q5y0c1sz0xg2p3bd6v3rj8mwfk",
                    "queueBatchDetails": "http://127.0.0.1:8080/admin/batches/q5y0c1sz0xg2p3bd6v3rj8mwfk",
                },
            ),
        ),
        **_refused(),
    },
    (
        Parameter("fileName", "The name of the import in lists and mail.", _WORDS, required=True, example="ACME"),
        Parameter("importProcessId", "The id of an import process.", _WORDS, required=True, example="12"),
        Parameter(
            "creationPath",
            "The program that sends the rows.",
            {"type": "string", "pattern": "^[A-Z0-9_]{1,15}$"},
            required=True,
            example="ACME",
        ),
        Parameter("sendSuccessEmailTo", f"Recipients of a mail if every row was imported. {_ADDRESSES}"),
        Parameter("sendFailureEmailTo", f"Recipients of a mail if a row failed. {_ADDRESSES}"),
    ),
    Body(
        (
            Content("application/x-ndjson", TEXT, _ROWS),
            Content(OCTETS, BYTES, _ROWS),  # what generators of clients know
        ),
        description="JSON Lines: one object on each line, with any Content-Type. Content-Encoding may be gzip.",
    ),
    also=(IN_ANY_CASE,),
    description="Path and parameter names are not case-sensitive. Unknown parameters are ignored.",
)

DESCRIPTION = ApiDescription(
    "learningbuilder",
    "LearningBuilder's Workflow Import Queue: one call creates a batch of JSON Lines and starts it.",
    (_CREATE,),
    {
        "learningbuilder": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{wire.SCHEME} KEY`, with a key of scope `{SCOPE}` (permission {wire.PERMISSION}).",
        }
    },
)
