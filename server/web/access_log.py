"""Logs one line for each request, never a query, a body or a credential."""

import logging

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

ROUTE = web.RequestKey("route", str)
KEY_ID = web.RequestKey("key_id", str)
REASON = web.RequestKey("reason", str)

LONGEST_TEXT = 300

_log = structlog.get_logger("penstock.access")


class AccessLog(AbstractAccessLogger):
    """Logs a request, its response and the reason for a refusal."""

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        self._log = _log.bind()  # bound once; binding for each line is slow

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if ROUTE not in request:
            return  # malformed: `MalformedRequests` logs it
        fields: dict[str, object] = {
            "method": request.method,
            "route": request[ROUTE] or f"no route: {shortened(request.path)}",
            "status": response.status,
            "ms": round(time * 1000, 1),
            "received": request.content.total_bytes,
            "sent": response.body_length,
            "client": request.remote,
        }
        for name, key in (("key", KEY_ID), ("reason", REASON)):
            if key in request:
                fields[name] = shortened(request[key])
        self._log.info("request", **fields)


class MalformedRequests(logging.Filter):
    """Logs one line where aiohttp would log a traceback, for bytes that are not HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return record.levelno >= logging.WARNING
        client = record.args[0] if isinstance(record.args, tuple) and record.args else None
        _log.warning("malformed request", status=400, client=client, reason=_plainly(error))
        return False


def access_logger() -> logging.Logger:
    """Tells aiohttp that logging is enabled; the lines go to structlog."""
    return logging.getLogger("penstock.access")


def protocol_logger() -> logging.Logger:
    """Returns the logger for aiohttp's protocol handler."""
    logger = logging.getLogger("penstock.http")
    logger.setLevel(logging.DEBUG)  # aiohttp logs a wrong method, such as TLS sent to this port, at this level
    if not any(isinstance(each, MalformedRequests) for each in logger.filters):
        logger.addFilter(MalformedRequests())
    return logger


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _plainly(error: HttpProcessingError) -> str:
    """Returns the kind of error without aiohttp's text, which quotes bytes that may hold a key."""
    if isinstance(error, LineTooLong):
        return "the request line or a header is too long"
    return f"the request is not valid HTTP ({type(error).__name__})"
