"""Where log lines go: stderr, for people (console) or for programs (json). Imports nothing of ours."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog
from structlog.types import Processor

LogFormat = Literal["console", "json"]
GATHERED = "penstock.access"  # whose lines come in bursts


def _stamped(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """What structlog's TimeStamper writes, at a fifth of its price: each request has a line."""
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    return event


_SHARED: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    _stamped,
    structlog.processors.StackInfoRenderer(),
)


class _Lines(structlog.WriteLogger):
    """Our own lines go straight to stderr: the way round by `logging` costs a request three times as much."""

    def __init__(self, name: str = "penstock") -> None:
        super().__init__(sys.stderr)
        self.name = name


class _Gathered(_Lines):
    """Lines of one turn of the event loop are written together: a burst of answers costs one call, not one each."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lines: list[str] = []

    def msg(self, message: str) -> None:
        if not self._lines:
            try:
                asyncio.get_running_loop().call_soon(self._write_all)
            except RuntimeError:
                super().msg(message)
                return
        self._lines.append(message)

    def _write_all(self) -> None:
        lines, self._lines = self._lines, []
        super().msg("\n".join(lines))

    info = msg


def _logger(name: str = "penstock") -> _Lines:
    return _Gathered(name) if name == GATHERED else _Lines(name)


def configure_logs(kind: LogFormat, level: int = logging.INFO) -> None:
    """For this process: our own lines and those of libraries, in one form."""
    structlog.configure(
        processors=[*_SHARED, *_rendered(kind)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_logger,
    )
    handler = logging.StreamHandler(sys.stderr)
    processors = [_without_meta, *_rendered(kind)]
    handler.setFormatter(_FORMATTERS[kind](processors=processors, foreign_pre_chain=_SHARED))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def format_in_force() -> LogFormat:
    """What this process was told, for processes that it starts."""
    handlers = logging.getLogger().handlers
    return "json" if any(isinstance(handler.formatter, _JsonLines) for handler in handlers) else "console"


class _JsonLines(structlog.stdlib.ProcessorFormatter):
    """One JSON object a line."""


_FORMATTERS: Mapping[LogFormat, type[structlog.stdlib.ProcessorFormatter]] = {
    "json": _JsonLines,
    "console": structlog.stdlib.ProcessorFormatter,
}


def _rendered(kind: LogFormat) -> tuple[Processor, ...]:
    if kind == "json":
        return (_tracebacks, _json)
    if not sys.stderr.isatty():
        return (structlog.processors.ExceptionRenderer(), _plain)
    return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, sort_keys=False),)


_NUMBERS = (int, float)


def _plain(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    """A line for a file or a journal; what a client sent is made printable. A traceback follows on its own lines."""
    head = f"{event.pop('timestamp')} {event.pop('level', ''):<8} {event.pop('event')}"
    trace = "".join(f"\n{event.pop(name)}" for name in ("stack", "exception") if name in event)
    return " ".join([head, *(f"{name}={_shown(value)}" for name, value in event.items())]) + trace


def _shown(value: object) -> str:
    if type(value) in _NUMBERS:
        return str(value)
    text = str(value)
    return text if text.isprintable() and " " not in text and text else repr(text)


def _json(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # bytes of a client that are no text, or what is nested too deeply
        return json.dumps(event, default=str)


# without the local variables, which may hold keys
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_without_meta: Callable[..., Any] = structlog.stdlib.ProcessorFormatter.remove_processors_meta
