"""Where log lines go: stderr, for people (console) or for programs (json). Imports nothing of ours."""

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal

import orjson
import structlog
from structlog.types import Processor

LogFormat = Literal["console", "json"]

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def configure_logs(kind: LogFormat, level: int = logging.INFO) -> None:
    """For this process: our own lines and those of libraries, in one form."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(kind))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def format_in_force() -> LogFormat:
    """What this process was told, for processes that it starts."""
    handlers = logging.getLogger().handlers
    return "json" if any(isinstance(handler.formatter, _JsonLines) for handler in handlers) else "console"


class _JsonLines(structlog.stdlib.ProcessorFormatter):
    """One JSON object a line."""


def _formatter(kind: LogFormat) -> logging.Formatter:
    if kind == "json":
        rendered: tuple[Processor, ...] = (_tracebacks, _json)
        return _JsonLines(processors=[_without_meta, *rendered], foreign_pre_chain=_SHARED)
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
    return structlog.stdlib.ProcessorFormatter(processors=[_without_meta, console], foreign_pre_chain=_SHARED)


def _json(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


# without the local variables, which may hold keys
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_without_meta: Callable[..., Any] = structlog.stdlib.ProcessorFormatter.remove_processors_meta
