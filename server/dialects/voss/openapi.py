"""The description of the VOSS bulk load API."""

from server.dialects.voss import documents, wire
from server.dialects.voss.routes import FILE_PART, SCOPE
from server.web.description.api_description import (
    ASKS_FOR_KEY,
    BYTES,
    MULTIPART,
    NO_HEADERS,
    ApiDescription,
    Body,
    Content,
    Operation,
    Parameter,
    Response,
    Responses,
    Schema,
    Shape,
    always,
    in_path,
    json,
    listed,
    needed,
    record,
)

_ID = "b1f0a3de-6a3c-4a7f-9f52-2b1d1c0e7a11"
_PKID = in_path("pkid", "The pkid of the resource.", _ID)
_FORMAT = Parameter("format", "Clients send `json`; every response is JSON.")
_HIERARCHY = Parameter("hierarchy", "A hierarchy node: its pkid or its dotted path.", example="sys.hcs")
_FLAG: Schema = {"type": "string", "enum": ["true", "false", ""]}
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}
_LIMIT = f"The most items of a page: by default {wire.USUAL_LIMIT}, never more than {wire.MOST}."
_PAGE = (
    Parameter("skip", "The number of items to skip.", _NUMBER),
    Parameter("limit", _LIMIT, _NUMBER),
    Parameter("count", "Whether to count all items.", _FLAG),
)


def _fault(description: str, status: int, code: int, message: str, asks: bool = False) -> Response:
    fault = json(documents.VossFault, wire.fault(status, code, message))
    return Response(description, fault, ASKS_FOR_KEY if asks else NO_HEADERS)


_COMMON: Responses = {
    400: _fault("The request is refused.", 400, 4001, "skip=x is wrong, should be a whole number from 0"),
    401: _fault("The key is missing, unknown, expired or revoked.", 401, 4010, "no API key was sent", asks=True),
    403: _fault("The key may not do this, or not there.", 403, 4030, "the API key does not have the scope voss"),
    429: _fault("Too many wrong keys from this address; wait a minute.", 429, 4290, "too many failed attempts"),
}
_WRITES: Responses = {507: _fault("The disk is too full.", 507, 5070, "not enough disk space")}
_WITH_BODY: Responses = {
    408: _fault("The body came too slowly.", 408, 4080, "the client sent nothing for 60 seconds"),
    413: _fault("The body is too large.", 413, 4130, "the body is larger than 8388608 bytes"),
    **_WRITES,
}
_ENDED: Responses = {409: _fault("The transaction has ended.", 409, 4090, "The transaction has ended")}


def _missing(message: str, code: int) -> Responses:
    return {404: _fault("There is no such resource, or none that the key may see.", 404, code, message)}


_NO_TRANSACTION = _missing(f"There is no transaction {_ID}", 4041)
_NO_FILE = _missing("There is no uploaded file Users.xlsx; upload it to /api/uploadfiles/ first", 4042)
_NO_LOAD = _missing(f"There is no bulk load {_ID}", 4043)
_NO_SCHEDULE = _missing(f"There is no schedule {_ID}", 4044)


def _operation(
    name: str,
    method: str,
    path: str,
    summary: str,
    responses: Responses,
    *parameters: Parameter,
    body: Body | None = None,
    also: tuple[str, ...] = (),
) -> Operation:
    """Describes an operation. The documented path ends with a slash; without one it is the same endpoint."""
    placed = (_PKID,) if "{pkid}" in path else ()
    more = _WITH_BODY if body else _WRITES if method == "DELETE" else {}
    spellings = (path, *(each + end for each in also for end in ("/", "")))
    responses = {**responses, **_COMMON, **more}
    return Operation(
        name, method, path + "/", summary, responses, (*placed, *parameters, _FORMAT), body, also=spellings
    )


def _ok(shape: Shape, description: str = "The document.", status: int = 200) -> Responses:
    return {status: Response(description, json(shape))}


def _list(item: type) -> Responses:
    meta, pagination = documents.VossListMeta, documents.VossPagination
    return _ok(record({"meta": meta, "pagination": pagination, "resources": listed(item)}), "One page.")


def _body(shape: Shape) -> Body:
    return Body(json(shape), description="JSON, with any Content-Type.")


_WORKBOOKS = Body(
    (Content(MULTIPART, record({FILE_PART: BYTES}, more=True), {FILE_PART: "…"}),),
    description="One or more .xlsx files in parts of this name.",
)
_UPLOAD = "Upload workbooks; of several with one name the last counts"
_UPLOADED = _ok(documents.VossUploaded, "Stored.", 202)
_DONE = _ok(documents.VossDone, "Done.")
_LOADS = (
    _operation("uploadFiles", "POST", "/api/uploadfiles", _UPLOAD, _UPLOADED, _HIERARCHY, body=_WORKBOOKS),
    _operation("uploadFilesByTool", "POST", "/api/tool/UploadFile", _UPLOAD, _UPLOADED, _HIERARCHY, body=_WORKBOOKS),
    _operation(
        "bulkLoad",
        "POST",
        "/api/tool/BulkLoad",
        "Load a workbook, now or at a given time",
        {**_ok(documents.VossAccepted, "Accepted; with `nowait=false` the load has ended."), **_NO_FILE},
        Parameter("method", "Always this one.", always(wire.METHOD), required=True, example=wire.METHOD),
        needed(_HIERARCHY),
        Parameter("nowait", "Whether to answer at once, and not at the end of a load that starts now.", _FLAG),
        body=_body({"anyOf": [documents.VossScheduledLoad, documents.VossLoad]}),
    ),
)

_TRANSACTIONS = "/api/tool/Transaction"
_TRANSACTION = "/api/tool/Transaction/{pkid}"
_SUMMARIES = _list(documents.VossTransactionSummary)
_POLL: Schema = {"type": "object", "additionalProperties": documents.VossPolled}
_POLLED = {**_ok(_POLL, "The states, by pkid."), **_NO_TRANSACTION}
_IDS = Parameter("transactions", f"Up to {wire.MOST_POLLED} pkids, separated by commas.", required=True, example=_ID)


def _change(name: str, method: str, action: str, summary: str, ok: Responses, *parameters: Parameter) -> Operation:
    """Describes what ends or repeats a load, by either method: the links in responses are for GET."""
    responses = {**ok, **_ENDED, **_NO_TRANSACTION, **_WRITES}
    return _operation(name, method, f"{_TRANSACTION}/{action}", summary, responses, *parameters)


_CANCELED = _ok(documents.VossAccepted, "Canceled, or stopping.")
_CHANGES = tuple(
    operation
    for method, by in (("GET", "ByGet"), ("POST", ""))
    for operation in (
        _change("cancelTransaction" + by, method, "cancel", "Cancel a load", _CANCELED),
        _change("replayTransaction" + by, method, "replay", "Load the same again", _SUMMARIES, *_PAGE),
    )
)
_TOOLS = (
    _operation(
        "listTransactions", "GET", _TRANSACTIONS, "List transactions, newest first", _SUMMARIES, *_PAGE, _HIERARCHY
    ),
    _operation(
        "getTransaction",
        "GET",
        _TRANSACTION,
        "Show a transaction with its sub-transactions and its log",
        {**_ok(documents.VossTransaction), **_NO_TRANSACTION},
        *_PAGE,
        _HIERARCHY,
    ),
    _operation(
        "pollTransactions", "GET", _TRANSACTIONS + "/poll", "Show the state of transactions", _POLLED, _IDS, _HIERARCHY
    ),
    _operation("pollTransaction", "GET", _TRANSACTION + "/poll", "Show the state of a transaction", _POLLED),
    *_CHANGES,
)

_BULK_LOADS, _BULK_LOAD = "/api/data/BulkLoad", "/api/data/BulkLoad/{pkid}"
_ALIAS, _ONE_ALIAS = ("/api/data/Bulkload",), ("/api/data/Bulkload/{pkid}",)
_SCHEDULES, _SCHEDULE = "/api/data/Schedule", "/api/data/Schedule/{pkid}"
_BULK_LOAD_LIST, _A_BULK_LOAD = _list(documents.VossBulkLoad), {**_ok(documents.VossBulkLoad), **_NO_LOAD}
_MADE = {**_ok(documents.VossMade, "Created.", 201), **_NO_FILE}
_REMOVED, _REMOVED_SCHEDULE = {**_DONE, **_NO_LOAD}, {**_DONE, **_NO_SCHEDULE}
_NEW, _HREFS = _body(documents.VossNewBulkLoad), _body(documents.VossHrefs)
_SCHEDULE_LIST, _A_SCHEDULE = _list(documents.VossSchedule), {**_ok(documents.VossSchedule), **_NO_SCHEDULE}
_NODES = "List the hierarchy nodes that the settings name"
_NODE_LIST = _list(documents.VossHierarchyNode)
_DATA = (
    _operation("listBulkLoads", "GET", _BULK_LOADS, "List bulk loads", _BULK_LOAD_LIST, *_PAGE, also=_ALIAS),
    _operation("createBulkLoad", "POST", _BULK_LOADS, "Create a bulk load", _MADE, _HIERARCHY, body=_NEW, also=_ALIAS),
    _operation("deleteBulkLoads", "DELETE", _BULK_LOADS, "Delete bulk loads", _REMOVED, body=_HREFS, also=_ALIAS),
    _operation("getBulkLoad", "GET", _BULK_LOAD, "Show a bulk load", _A_BULK_LOAD, also=_ONE_ALIAS),
    _operation("deleteBulkLoad", "DELETE", _BULK_LOAD, "Delete a bulk load", _REMOVED, also=_ONE_ALIAS),
    _operation("listSchedules", "GET", _SCHEDULES, "List the scheduled loads", _SCHEDULE_LIST, *_PAGE),
    _operation("getSchedule", "GET", _SCHEDULE, "Show a scheduled load", _A_SCHEDULE),
    _operation("deleteSchedule", "DELETE", _SCHEDULE, "Cancel a scheduled load", _REMOVED_SCHEDULE),
    _operation("listHierarchyNodes", "GET", "/api/data/HierarchyNode", _NODES, _NODE_LIST, *_PAGE),
)

_KEY = f"A key of scope `{SCOPE}` as the password of any user."
DESCRIPTION = ApiDescription(
    "voss",
    "VOSS-4-UC's bulk load API: upload workbooks, load them now or at a given time, and follow the transactions.",
    (*_LOADS, *_TOOLS, *_DATA),
    {"voss": {"type": "http", "scheme": "basic", "description": _KEY}},
)
