"""The refusals of this API: one document with a code that never changes and a message with the way out.

EngineError
└── Refused
    └── RequestInvalid
        └── ParameterUnknown  ParameterRepeated  ParameterWrong
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from server.engine.batches.job_events import FeedClosed, FeedFull
from server.engine.errors import (
    AccessRefused,
    BatchFileNotFound,
    BatchNotFound,
    EngineError,
    JobNotFound,
    KeyForbidden,
    KeyMissing,
    KeyThrottled,
    NotFound,
    ProcessNotFound,
    Refused,
    RequestInvalid,
)
from server.engine.records.pages import RowNotFound, TableNotFound

_SHOWN = 80


class ParameterUnknown(RequestInvalid):
    def __init__(self, name: str, known: Collection[str]) -> None:
        which = f"it takes {', '.join(known)}" if known else "it takes none"
        super().__init__(f"there is no query parameter {shown(name)} here; {which}")


class ParameterRepeated(RequestInvalid):
    def __init__(self, name: str) -> None:
        super().__init__(f"the query parameter {name} is there more than once; send it once")


class ParameterWrong(RequestInvalid):
    """`name` is a query parameter, a part of the path or a header."""

    def __init__(self, name: str, value: str, right: str) -> None:
        super().__init__(f"{name} is {shown(value)}, should be {right}")


class Refusal(NamedTuple):
    status: int
    code: str


TABLE: Mapping[type[EngineError], Refusal] = {
    EngineError: Refusal(400, "refused"),
    Refused: Refusal(400, "refused"),
    RequestInvalid: Refusal(400, "request_invalid"),
    ParameterUnknown: Refusal(400, "parameter_unknown"),
    ParameterRepeated: Refusal(400, "parameter_repeated"),
    ParameterWrong: Refusal(400, "parameter_wrong"),
    AccessRefused: Refusal(401, "key_unknown"),
    KeyMissing: Refusal(401, "key_missing"),
    KeyForbidden: Refusal(403, "scope_missing"),
    KeyThrottled: Refusal(429, "too_many_wrong_keys"),
    NotFound: Refusal(404, "not_found"),
    BatchNotFound: Refusal(404, "batch_not_found"),
    BatchFileNotFound: Refusal(404, "file_not_found"),
    JobNotFound: Refusal(404, "job_not_found"),
    ProcessNotFound: Refusal(404, "process_not_found"),
    TableNotFound: Refusal(404, "table_not_found"),
    RowNotFound: Refusal(404, "row_not_found"),
    FeedFull: Refusal(503, "too_many_streams"),
    FeedClosed: Refusal(503, "stopping"),
}

FAILURES: Mapping[int, str] = {
    404: "path_unknown",
    405: "method_not_allowed",
    500: "server_fault",
    503: "server_busy",
}


def body(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}


def shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
