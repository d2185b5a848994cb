"""Turns exceptions into responses: the one place where a request's failure is caught."""

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.engine.errors import DiskFull, EngineError, KeyThrottled, UploadIncomplete, UploadMalformed
from server.web.access_log import REASON, ROUTE
from server.web.dialect import Dialect, dialect_for_path
from storage.errors import StorageBusy, StorageFull

_log = structlog.get_logger(__name__)
_NO_TEXT = re.compile("[\ud800-\udfff]").search  # how aiohttp decodes bytes that are not text

FILES_SECONDS = 5

Row = TypeVar("Row")

WORDS = {
    404: "there is nothing at this path",
    405: "this path does not take {method} requests",
    413: "the request is too large",
    503: "the server is busy for a moment and has done nothing; try again soon",
    500: "something went wrong on the server; its log says what",
}


class Answer(NamedTuple):
    """One row of a dialect's table: the status, and how the error becomes the body."""

    status: int
    body: Callable[[Any], str] = str


def answer_to(table: Mapping[type[EngineError], Row], error: EngineError) -> Row:
    """Returns the row of the error's class or of its nearest base."""
    return next(table[cls] for cls in type(error).__mro__ if cls in table)


def catch_errors(dialects: Sequence[Dialect]) -> Middleware:
    """Returns a middleware that turns every exception into a response of the dialect that owns the path."""

    @web.middleware
    async def catching(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ROUTE] = _template(request)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _failed(dialects, request, error)
        except Exception as error:
            return _refused(dialects, request, error)

    return catching


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _refused(dialects: Sequence[Dialect], request: web.Request, raised: Exception) -> web.Response:
    wait = seconds_to_wait(raised)
    if wait is not None:
        _log.warning("busy", method=request.method, route=request[ROUTE], reason=str(raised))
        response = _failed(dialects, request, web.HTTPServiceUnavailable())
        response.headers[hdrs.RETRY_AFTER] = str(wait)
        return response
    error = _as_engine_error(raised)
    if error is None:
        _log.error("unexpected error", method=request.method, route=request[ROUTE], exc_info=raised)
        return _failed(dialects, request, web.HTTPInternalServerError())
    if _NO_TEXT(str(error)):
        return _failed(dialects, request, web.HTTPBadRequest(reason="a header holds bytes that are not UTF-8"))
    request[REASON] = str(error)
    dialect = dialect_for_path(dialects, request.path)
    if dialect is None:
        return web.Response(status=400, text=str(error))
    response = dialect.refuse(request, error)
    response.headers.update(retry_after(error))
    return response


def retry_after(error: Exception) -> Mapping[str, str]:
    """Returns the Retry-After header of an error that passes by itself."""
    return {hdrs.RETRY_AFTER: str(error.retry_after)} if isinstance(error, KeyThrottled) else {}


def seconds_to_wait(raised: Exception) -> int | None:
    """Returns the seconds to wait for a locked database or too many open files; None for other errors."""
    if isinstance(raised, StorageBusy):
        return raised.retry_after
    return FILES_SECONDS if isinstance(raised, OSError) and raised.errno in (errno.EMFILE, errno.ENFILE) else None


def _as_engine_error(raised: Exception) -> EngineError | None:
    """Returns a full disk or a broken connection as the upload error that dialects know."""
    if isinstance(raised, EngineError):
        return raised
    if isinstance(raised, StorageFull):
        return DiskFull(raised.free, raised.floor)
    if isinstance(raised, web.RequestPayloadError):
        return UploadMalformed("the body is not framed as its headers say")
    if isinstance(raised, ConnectionError):
        return UploadIncomplete("the client closed the connection before the request was complete")
    return None


def _failed(dialects: Sequence[Dialect], request: web.Request, error: web.HTTPException) -> web.Response:
    if request.method == hdrs.METH_OPTIONS and error.status == web.HTTPMethodNotAllowed.status_code:
        return web.Response(status=204, headers={hdrs.ALLOW: error.headers[hdrs.ALLOW]})
    message = WORDS.get(error.status, error.reason).format(method=request.method)
    request[REASON] = message
    dialect = dialect_for_path(dialects, request.path)
    if dialect is None:
        response = web.Response(status=error.status, text=message)
    else:
        response = dialect.fail(request, error.status, message)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
