"""The documents of the VOSS bulk load API: a class checks what clients send, or types what they get."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, WithJsonSchema
from typing_extensions import TypedDict

from server.engine.documents import Count
from server.engine.errors import RequestInvalid
from server.engine.vendors.voss.transaction_states import Status

Model = TypeVar("Model", bound=BaseModel)

LONGEST = 1024  # characters of a text

_DATE = "^[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])$"
_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
_ZONE = re.compile(r"[+-]?[0-9]{1,4}").fullmatch
_FARTHEST = 15 * 60  # minutes from UTC
_AN_ID = "b1f0a3de-6a3c-4a7f-9f52-2b1d1c0e7a11"


_TEXT = f"a text of at most {LONGEST} characters"
_RIGHT: Mapping[int | str, str] = {
    "execute_immediately": "true or false",
    "execute_timezone": "minutes relative to UTC, such as 0, 120 or -60",
    "execute_date": "a date as YYYY-MM-DD",
    "execute_time": "a time as HH:MM:SS",
    "request_meta": "a text",
}
"""What should stand in the fields of bodies; in all others, `_TEXT`."""


def json_object(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RequestInvalid(f"The body is not JSON: {error}; names and texts stand in double quotes") from None
    if not isinstance(document, dict):
        raise RequestInvalid("The body must be a JSON object")
    return document


def read(document: Mapping[str, Any], cls: type[Model]) -> Model:
    """Checks a body against its class; raises RequestInvalid for the first fault in the order of the fields."""
    try:
        return cls.model_validate(document)
    except ValidationError as error:
        raise RequestInvalid(_fault_text(error.errors(include_url=False)[0])) from None


def _fault_text(fault: Mapping[str, Any]) -> str:
    place, value = fault["loc"], None if fault["type"] == "missing" else fault["input"]
    if place[0] == "hrefs":
        return "hrefs must list the addresses of the resources to delete"
    if place == ("request_meta",):
        return "request_meta must be a JSON object"
    name = ".".join(map(str, place))
    if place[0] == "request_meta" and isinstance(value, str):
        return f"{name} has {len(value)} characters; at most {LONGEST} may be"
    return f"{name} is {_shown(value)}, should be {_RIGHT.get(place[0], _TEXT)}"


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    try:
        return orjson.dumps(value).decode()[:60]
    except orjson.JSONEncodeError:  # it is nested deeper than can be written
        return "a list or an object"


def _minutes(value: object) -> object:
    """Reads a zone that is sent as text: `"+120"` is 120 minutes."""
    return int(value) if isinstance(value, str) and _ZONE(value.strip(" ")) else value


Text = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x1f]*$")]
FileName = Annotated[Text, Field(examples=["Users.xlsx"])]
MetaText = Annotated[str, Field(max_length=LONGEST)]
Zone = Annotated[
    int,
    Field(ge=-_FARTHEST, le=_FARTHEST),
    BeforeValidator(_minutes),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[+-]?\d{1,4}$"}]}),
]


class StrictModel(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)


class VossRequestMeta(StrictModel):
    external_id: MetaText = ""
    external_reference: MetaText = ""
    callback_url: MetaText = ""
    callback_username: MetaText = ""
    callback_password: MetaText = ""


class VossLoad(StrictModel):
    """A load that starts at once."""

    bulkload_file: FileName
    request_meta: VossRequestMeta = VossRequestMeta()
    execute_immediately: bool = True


class VossScheduledLoad(VossLoad):
    """A load that starts at a given time, `execute_timezone` minutes east of UTC."""

    execute_immediately: Annotated[bool, Field(examples=[False])] = False
    execute_timezone: Annotated[Zone, Field(examples=[120])]
    execute_date: Annotated[str, Field(pattern=_DATE, examples=["2026-12-24"])]
    execute_time: Annotated[str, Field(pattern=_TIME, examples=["22:00:00"])]


class VossNewBulkLoad(StrictModel):
    name: Annotated[Text, Field(examples=["Users"])]
    filename: FileName
    description: Text = "-"


class VossHrefs(StrictModel):
    hrefs: Annotated[
        list[str], FailFast(), Field(min_length=1, examples=[["/api/data/BulkLoad/b1f0a3de6a3c4a7f9f522b1d"]])
    ]


Time = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$", examples=["2026-03-01T09:30:00.000000"])
]
Pkid = Annotated[str, Field(examples=[_AN_ID])]
Href = Annotated[str, Field(examples=["/api/tool/Transaction/" + _AN_ID])]
YesNo = Literal["Yes", "No"]


class VossFault(TypedDict):
    success: Literal[False]
    error_code: int
    error_message: str
    http_code: int
    transaction_id: str | None
    traceback: None


class VossDone(TypedDict):
    success: Literal[True]


class VossFile(TypedDict):
    id: Annotated[str, Field(examples=["5d1b6e0f5f0b4c0001a1b2c3"])]
    name: Annotated[str, Field(examples=["Users.xlsx"])]


class VossUploaded(TypedDict):
    uploadedfiles: list[VossFile]


class VossReferences(TypedDict):
    parent: list[Any]
    children: list[Any]


class VossListMeta(TypedDict):
    model_type: str
    uri: str
    references: VossReferences


class VossDataMeta(VossListMeta):
    hierarchy: str | None


class VossPagination(TypedDict):
    skip: Count
    limit: Count
    total: Count


class VossUri(TypedDict):
    summary_attrs: list[Any]
    uri: str


class VossAccepted(TypedDict):
    """A load that was accepted. A client that waited for its end gets the result too."""

    href: Href
    success: Literal[True]
    transaction_id: Pkid
    message: NotRequired[str | None]
    detail: NotRequired[str]
    status: NotRequired[Status]
    pkid: NotRequired[str]
    model_type: NotRequired[str]
    meta: NotRequired[VossUri]


class VossPolled(TypedDict):
    status: Status
    href: Href
    description: str | None


class VossTransactionFields(TypedDict):
    action: Annotated[str, Field(examples=["Execute"])]
    detail: Annotated[str, Field(examples=["[ 8/9 ] succeeded from [ 1 ] sheet in Users.xlsx."])]
    message: str | None
    pkid: Pkid
    status: Status
    submitted_time: Time
    href: Href
    username: str


class VossTransactionSummary(VossTransactionFields):
    """A line of a list of transactions or of sub-transactions."""

    transaction: Href


class VossLogLine(TypedDict):
    href: str
    log_id: str
    message: str
    severity: Annotated[str, Field(json_schema_extra={"enum": ["info", "warning", "error"]})]
    time: Time | None
    transaction_id: str


class VossResource(TypedDict):
    model_type: str
    hierarchy: str | None
    pkid: NotRequired[str | None]


class VossRows(TypedDict):
    """The rows of a load, which are the sub-transactions of the transaction at `href`."""

    href: Href
    total: Count


class VossTransactionData(VossTransactionFields):
    started_time: Time | None
    completed_time: Time | None
    duration: float | None
    rolled_back: YesNo
    priority: str
    resource: VossResource
    request_meta: dict[str, Any]
    late: YesNo
    log: list[VossLogLine]
    sub_transactions: list[VossTransactionSummary]
    parent: str | None
    submitter_host_name: str | None
    processor_host_name: str | None
    rows: NotRequired[VossRows]
    pagination: NotRequired[VossPagination]
    executed_by: NotRequired[str | None]
    scheduled_by: NotRequired[str]


VossAction = TypedDict("VossAction", {"class": str, "href": str, "method": str, "title": str})


class VossActions(TypedDict):
    replay: NotRequired[VossAction]
    cancel: NotRequired[VossAction]


class VossTransactionMeta(VossListMeta):
    summary_attrs: list[str]
    actions: VossActions


class VossTransaction(TypedDict):
    meta: VossTransactionMeta
    data: VossTransactionData


class VossBulkLoadData(TypedDict):
    pkid: Pkid
    name: str
    filename: str
    fileid: str | None
    description: str
    owner: str


class VossBulkLoad(TypedDict):
    meta: VossDataMeta
    data: VossBulkLoadData


class VossMadeMeta(VossUri):
    parent_id: str | None


class VossMade(VossDone):
    pkid: Pkid
    model_type: str
    meta: VossMadeMeta


class VossExecuteAt(TypedDict):
    """Date and time in the client's zone."""

    single_date: str
    single_time: str
    single_timezone: str


class VossScheduleData(TypedDict):
    pkid: Pkid
    name: str
    owner: str
    schedule_type: str
    active: bool
    skip_next: bool
    last_executed: str | None
    scheduled_resources: list[dict[str, Any]]
    single_execute: VossExecuteAt
    execute_utc: Time | None
    transaction: Href


class VossSchedule(TypedDict):
    meta: VossDataMeta
    data: VossScheduleData


class VossHierarchyNode(TypedDict):
    pkid: str
    name: str
    path: str
    hierarchy_path: str
