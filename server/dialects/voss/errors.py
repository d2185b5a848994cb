"""The refusals of this API: an HTTP status, a code that never changes, and a message."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from server.engine.errors import (
    AccessRefused,
    DiskFull,
    EngineError,
    KeyForbidden,
    KeyThrottled,
    NotFound,
    PartMissing,
    PartTooLarge,
    Refused,
    RequestInvalid,
    TooManyParts,
    UploadIncomplete,
    UploadMalformed,
    UploadTooLarge,
    UploadTooSlow,
)
from server.engine.vendors.voss.transaction_states import (
    BulkLoadNotFound,
    HierarchyForbidden,
    HierarchyUnknown,
    LoadFileNotFound,
    ScheduleNotFound,
    State,
    TransactionEnded,
    TransactionNotFound,
)


class NotAWorkbook(Refused):
    def __init__(self, filename: str) -> None:
        super().__init__(f"{filename or 'The file'} is not an .xlsx workbook; save it as .xlsx and upload it again")


class LoadFailed(Refused):
    """A load that failed as a whole while its client waited for the end."""

    def __init__(self, state: State) -> None:
        super().__init__(state.message or state.detail)
        self.transaction = state.transaction.id


class Fault(NamedTuple):
    status: int
    code: int
    words: Callable[[EngineError], str] = str


TABLE: Mapping[type[EngineError], Fault] = {
    EngineError: Fault(400, 4000),
    Refused: Fault(400, 4000),
    RequestInvalid: Fault(400, 4001),
    HierarchyUnknown: Fault(400, 4002),
    NotAWorkbook: Fault(400, 4003),
    LoadFailed: Fault(400, 4004),
    TransactionEnded: Fault(409, 4090),
    PartMissing: Fault(400, 4006, lambda _: "The form has no file; send it as the part uploadedfile with a filename"),
    UploadMalformed: Fault(400, 4007),
    UploadIncomplete: Fault(400, 4008),
    TooManyParts: Fault(400, 4009),
    AccessRefused: Fault(401, 4010),
    KeyForbidden: Fault(403, 4030),
    HierarchyForbidden: Fault(403, 4031),
    NotFound: Fault(404, 4040),
    TransactionNotFound: Fault(404, 4041),
    LoadFileNotFound: Fault(404, 4042, lambda error: f"{error}; upload it to /api/uploadfiles/ first"),
    BulkLoadNotFound: Fault(404, 4043),
    ScheduleNotFound: Fault(404, 4044),
    UploadTooSlow: Fault(408, 4080),
    UploadTooLarge: Fault(413, 4130),
    PartTooLarge: Fault(413, 4131),
    KeyThrottled: Fault(429, 4290),
    DiskFull: Fault(507, 5070),
}
