"""The refusals of the Haplo APIs, in the vendor's words."""

from collections.abc import Mapping

from server.dialects.haplo.wire import FAILED_VALIDATION, ParameterWrong, control_problems, refusal
from server.engine.errors import (
    AccessRefused,
    ControlInvalid,
    DiskFull,
    EngineError,
    KeyForbidden,
    KeyThrottled,
    KeyUnknown,
    PartMissing,
    PartTooLarge,
    ProcessNotFound,
    Refused,
    UploadTooLarge,
    UploadTooSlow,
)
from server.web.errors import Answer


class PushRefused(Refused):
    """A push to an API that is unknown or disabled, or a request that is not a push."""


class PushForbidden(AccessRefused):
    """A valid key that is limited to other push APIs."""

    def __init__(self, url: str) -> None:
        super().__init__(f"the API key may not push to {url}")


UNAUTHORISED = refusal("UNAUTHORISED", "Unauthorised: You are not permitted to perform that action")
INVALID_KEY = refusal("INVALID-API-KEY", "Invalid API Key")
THROTTLED = refusal(
    "THROTTLE",
    "Too many failed API authentication attempts, API usage suspended. "
    "Pause requests to wait until restriction lifted.",
)


def _control(error: ControlInvalid) -> str:
    return "Uploaded file is not JSON" if error.not_json else control_problems(error.messages)


TABLE: Mapping[type[EngineError], Answer] = {
    EngineError: Answer(400),
    ControlInvalid: Answer(400, _control),
    ProcessNotFound: Answer(400, lambda error: f"Standard API not found: {error.name}"),
    AccessRefused: Answer(403, lambda _: UNAUTHORISED),
    KeyUnknown: Answer(403, lambda _: INVALID_KEY),
    KeyForbidden: Answer(403, lambda _: INVALID_KEY),
    KeyThrottled: Answer(403, lambda _: THROTTLED),
    ParameterWrong: Answer(400, lambda _: FAILED_VALIDATION),
    PartMissing: Answer(400, lambda _: FAILED_VALIDATION),
    PartTooLarge: Answer(413),
    UploadTooLarge: Answer(413),
    UploadTooSlow: Answer(408),
    DiskFull: Answer(507),
}
