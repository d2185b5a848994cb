"""What the VOSS bulk load API says of its operations."""

from collections.abc import Mapping

from server.dialects.voss import wire
from server.dialects.voss.openapi_schemas import (
    A_BULK_LOAD,
    A_MADE,
    A_SCHEDULE,
    A_SUMMARY,
    A_TRANSACTION,
    ADDRESS,
    ID,
    SCHEMAS,
    listing,
)
from server.dialects.voss.operation_names import NAMES
from server.dialects.voss.routes import FILE_PART, SCOPE
from server.web.description.api_description import (
    BYTES,
    FLAG,
    MULTIPART,
    TEXT,
    ApiDescription,
    Body,
    Content,
    Operation,
    Parameter,
    Response,
    Responses,
    Schema,
    always,
    in_path,
    json,
    listed,
    needed,
    record,
    ref,
)

_WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": 1024}
_PKID = in_path("pkid", "The pkid of the resource.", ID)
_FORMAT = Parameter("format", "Clients send `json`; nothing else is answered.")
_HIERARCHY = Parameter("hierarchy", "A hierarchy node: its pkid or its dotted path.", example="sys.hcs")
_FLAG: Schema = {"type": "string", "enum": ["true", "false", ""]}
_PAGE = (
    Parameter("skip", "How many to pass over.", {"type": "integer", "minimum": 0, "maximum": 2**53}),
    Parameter(
        "limit",
        f"How many at most: {wire.USUAL_LIMIT} where it is left out, never more than {wire.MOST}.",
        {"type": "integer", "minimum": 0, "maximum": 2**53},
    ),
    Parameter("count", "Whether to count them all.", _FLAG),
)


def _fault(description: str, status: int, code: int, message: str) -> Response:
    return Response(description, json(ref("VossFault"), wire.fault(status, code, message)))


_COMMON: Responses = {
    400: _fault("The request is refused.", 400, 4001, "skip=x is wrong, should be a whole number from 0"),
    401: Response(
        "The key is missing, unknown, expired or revoked.",
        json(ref("VossFault"), wire.fault(401, 4010, "no API key was sent")),
        {"WWW-Authenticate": "How to send a key."},
    ),
    403: _fault("The key may not do this, or not there.", 403, 4030, "the API key does not have the scope voss"),
    429: _fault("Too many wrong keys from this address; wait a minute.", 429, 4290, "too many failed attempts"),
}
_WRITES: Responses = {507: _fault("The disk is too full.", 507, 5070, "not enough disk space")}
_WITH_BODY: Responses = {
    408: _fault("The body came too slowly.", 408, 4080, "the client sent nothing for 60 seconds"),
    413: _fault("The body is too large.", 413, 4130, "the body is larger than 8388608 bytes"),
    **_WRITES,
}


def _missing(message: str, code: int) -> Responses:
    return {404: _fault("There is no such thing, or none that the key may see.", 404, code, message)}


def _done(description: str, schema: str, example: object) -> Response:
    return Response(description, json(ref(schema), example))


def _operation(
    method: str,
    path: str,
    summary: str,
    answers: Responses,
    *parameters: Parameter,
    body: Body | None = None,
    also: tuple[str, ...] = (),
) -> Operation:
    """The documented spelling ends with a slash; without one it is the same endpoint."""
    return Operation(
        NAMES[f"{method} {path}/"],
        method,
        path + "/",
        summary,
        {**answers, **_COMMON},
        (*parameters, _FORMAT),
        body,
        also=(path, *(each + end for each in also for end in ("/", ""))),
    )


def _json_body(schema: Schema, example: object) -> Body:
    return Body(json(schema, example), description="JSON, whatever the Content-Type says.")


_ACCEPTED_EXAMPLE: Mapping[str, object] = {"href": ADDRESS, "success": True, "transaction_id": ID}
_DONE = _done("It is done.", "VossDone", {"success": True})


def _listing(item: str, model: str, address: str, example: object) -> Response:
    return Response("One page.", json(listing(item), wire.listing(model, address, wire.Page(), 1, [example])))


def _upload(path: str) -> Operation:
    uploaded = _done(
        "They are stored.",
        "VossUploaded",
        {"uploadedfiles": [{"id": "5d1b6e0f5f0b4c0001a1b2c3", "name": "Users.xlsx"}]},
    )
    form = record({FILE_PART: BYTES}, more=True)
    body = Body(
        (Content(MULTIPART, form, {FILE_PART: "…"}),), description="One or more .xlsx files in parts of this name."
    )
    return _operation(
        "POST", path, "Upload workbooks; the last of a name wins", {202: uploaded, **_WITH_BODY}, _HIERARCHY, body=body
    )


_META = ("external_id", "external_reference", "callback_url", "callback_username", "callback_password")
_LOAD_BODY = record(
    {"bulkload_file": _WORDS},
    {
        "execute_immediately": FLAG,
        "execute_date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "execute_time": {"type": "string", "pattern": r"^\d\d:\d\d:\d\d$"},
        "execute_timezone": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[+-]?\d{1,4}$"}]},
        "request_meta": record({}, dict.fromkeys(_META, TEXT), more=True),
    },
    more=True,
)
_LOAD = _operation(
    "POST",
    "/api/tool/BulkLoad",
    "Load a workbook, at once or at a time",
    {
        200: _done("It will be done, or with `nowait=false` was done.", "VossAccepted", _ACCEPTED_EXAMPLE),
        **_missing("There is no uploaded file Users.xlsx; upload it to /api/uploadfiles/ first", 4042),
        **_WITH_BODY,
    },
    Parameter("method", "Always the same.", always(wire.METHOD), required=True, example=wire.METHOD),
    needed(_HIERARCHY),
    Parameter("nowait", "Whether to answer at once instead of when a load that starts now has ended.", _FLAG),
    body=_json_body(
        _LOAD_BODY,
        {
            "bulkload_file": "Users.xlsx",
            "execute_immediately": False,
            "execute_date": "2026-12-24",
            "execute_time": "22:00:00",
            "execute_timezone": 120,
        },
    ),
)

_NO_TRANSACTION = _missing(f"There is no transaction {ID}", 4041)
_POLLED = {ID: {"status": "Processing", "href": ADDRESS, "description": None}}


def _changes() -> tuple[Operation, ...]:
    """By either method: the links in answers are for GET."""
    ended = {409: _fault("It has ended.", 409, 4090, "The transaction has ended")}
    listed_again = _listing("VossTransactionSummary", "tool/Transaction", wire.TRANSACTION, A_SUMMARY)
    accepted = _done("It will stop, or has stopped.", "VossAccepted", _ACCEPTED_EXAMPLE)
    one = "/api/tool/Transaction/{pkid}"
    return tuple(
        operation
        for method in ("GET", "POST")
        for operation in (
            _operation(
                method,
                one + "/cancel",
                "Cancel a load",
                {200: accepted, **ended, **_NO_TRANSACTION, **_WRITES},
                _PKID,
            ),
            _operation(
                method,
                one + "/replay",
                "Load the same once more",
                {200: listed_again, **ended, **_NO_TRANSACTION, **_WRITES},
                _PKID,
                *_PAGE,
            ),
        )
    )


_TRANSACTIONS = (
    _operation(
        "GET",
        "/api/tool/Transaction",
        "List transactions, newest first",
        {200: _listing("VossTransactionSummary", "tool/Transaction", wire.TRANSACTION, A_SUMMARY)},
        *_PAGE,
        _HIERARCHY,
    ),
    _operation(
        "GET",
        "/api/tool/Transaction/{pkid}",
        "Show a transaction with its sub-transactions and its log",
        {200: Response("It.", json(ref("VossTransaction"), A_TRANSACTION)), **_NO_TRANSACTION},
        _PKID,
        *_PAGE,
        _HIERARCHY,
    ),
    _operation(
        "GET",
        "/api/tool/Transaction/poll",
        "How several transactions stand",
        {200: _done("By pkid.", "VossPoll", _POLLED), **_NO_TRANSACTION},
        Parameter(
            "transactions", f"Up to {wire.MOST_POLLED} pkids, with commas between them.", required=True, example=ID
        ),
        _HIERARCHY,
    ),
    _operation(
        "GET",
        "/api/tool/Transaction/{pkid}/poll",
        "How a transaction stands",
        {200: _done("By pkid.", "VossPoll", _POLLED), **_NO_TRANSACTION},
        _PKID,
    ),
    *_changes(),
)

_BULK_LOADS = "/api/data/BulkLoad"
_OTHER_CASE = "/api/data/Bulkload"
_NO_LOAD = _missing(f"There is no bulk load {ID}", 4043)
_NO_SCHEDULE = _missing(f"There is no schedule {ID}", 4044)
_DATA = (
    _operation(
        "GET",
        _BULK_LOADS,
        "List bulk loads",
        {200: _listing("VossBulkLoad", "data/BulkLoad", wire.BULK_LOAD, A_BULK_LOAD)},
        *_PAGE,
        also=(_OTHER_CASE,),
    ),
    _operation(
        "POST",
        _BULK_LOADS,
        "Make a bulk load",
        {
            201: Response("It was made.", json(ref("VossMade"), A_MADE)),
            **_missing("There is no uploaded file Users.xlsx; upload it to /api/uploadfiles/ first", 4042),
            **_WITH_BODY,
        },
        _HIERARCHY,
        body=_json_body(
            record({"name": _WORDS, "filename": _WORDS}, {"description": _WORDS}, more=True),
            {"name": "Users", "filename": "Users.xlsx"},
        ),
        also=(_OTHER_CASE,),
    ),
    _operation(
        "DELETE",
        _BULK_LOADS,
        "Remove several bulk loads",
        {200: _DONE, **_NO_LOAD, **_WITH_BODY},
        body=_json_body(
            record({"hrefs": {**listed(TEXT), "minItems": 1, "maxItems": wire.MOST_REMOVED}}, more=True),
            {"hrefs": [wire.BULK_LOAD + ID]},
        ),
        also=(_OTHER_CASE,),
    ),
    _operation(
        "GET",
        _BULK_LOADS + "/{pkid}",
        "Show a bulk load",
        {200: _done("It.", "VossBulkLoad", A_BULK_LOAD), **_NO_LOAD},
        _PKID,
        also=(_OTHER_CASE + "/{pkid}",),
    ),
    _operation(
        "DELETE",
        _BULK_LOADS + "/{pkid}",
        "Remove a bulk load",
        {200: _DONE, **_NO_LOAD, **_WRITES},
        _PKID,
        also=(_OTHER_CASE + "/{pkid}",),
    ),
    _operation(
        "GET",
        "/api/data/Schedule",
        "List loads that wait for their time",
        {200: _listing("VossSchedule", "data/Schedule", wire.SCHEDULE, A_SCHEDULE)},
        *_PAGE,
    ),
    _operation(
        "GET",
        "/api/data/Schedule/{pkid}",
        "Show a load that waits for its time",
        {200: Response("It.", json(ref("VossSchedule"), A_SCHEDULE)), **_NO_SCHEDULE},
        _PKID,
    ),
    _operation(
        "DELETE",
        "/api/data/Schedule/{pkid}",
        "Call off a load that waits for its time",
        {200: _DONE, **_NO_SCHEDULE, **_WRITES},
        _PKID,
    ),
    _operation(
        "GET",
        "/api/data/HierarchyNode",
        "List the hierarchy nodes that the settings name",
        {
            200: _listing(
                "VossHierarchyNode", "data/HierarchyNode", "/api/data/HierarchyNode/", wire.hierarchy_node("sys.hcs")
            )
        },
        *_PAGE,
    ),
)

DESCRIPTION = ApiDescription(
    "voss",
    "VOSS-4-UC's bulk load API: workbooks uploaded by name, loaded at once or at a time, followed as transactions.",
    (_upload("/api/uploadfiles"), _upload("/api/tool/UploadFile"), _LOAD, *_TRANSACTIONS, *_DATA),
    {
        "voss": {
            "type": "http",
            "scheme": "basic",
            "description": f"A key of scope `{SCOPE}` as the password of any user.",
        }
    },
    SCHEMAS,
)
