"""Writes log lines to stderr, for people (console) or for programs (json). It imports no other module of Penstock.

Logging never raises and never waits for long, even when stderr fails: a full disk, a pipe whose reader died or
hangs, a closed file. Lines that cannot be written are counted, and the count is logged once there is room again.
"""

import asyncio
import json
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.types import Processor

LogFormat = Literal["console", "json"]
BATCHED = "penstock.access"  # the logger whose lines come in bursts
PATIENCE = 0.5  # seconds that a line waits for a reader that hangs; 0 while lines are being lost
_PIECE = select.PIPE_BUF  # what a pipe that has room takes in one write


def _stamped(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Adds the same timestamp as structlog's TimeStamper in a fifth of the time, because each request logs a line."""
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    return event


_SHARED: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    _stamped,
    structlog.processors.StackInfoRenderer(),
)


class Outlet:
    """Writes to the current `sys.stderr`. `lost` counts lost lines since the start; `why` is the last reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unreported = 0
        self._cut = False  # the last line was written in part
        self.lost = 0
        self.why = ""
        self.notice: Callable[[int, str], str] = _plain_notice

    def write(self, text: str) -> None:
        """Writes one or more lines; `text` has no final line end."""
        with self._lock:
            try:
                self._report()
                self._put(text)
            except (OSError, ValueError) as error:
                self._lose(text.count("\n") + 1, error)

    def _report(self) -> None:
        if self._unreported:
            self._put(self.notice(self._unreported, self.why))
            self._unreported = 0

    def _put(self, text: str) -> None:
        line = f"\n{text}\n" if self._cut else f"{text}\n"
        descriptor = _descriptor(sys.stderr)
        if descriptor is None:
            sys.stderr.write(line)
            sys.stderr.flush()
        else:
            self._put_bytes(descriptor, line.encode("utf-8", "backslashreplace"))
        self._cut = False

    def _put_bytes(self, descriptor: int, line: bytes) -> None:
        """Bypasses Python's buffer, which would retry forever what it could not write."""
        rest = memoryview(line)
        while rest:
            if not _has_room(descriptor, 0.0 if self._unreported else PATIENCE):
                raise TimeoutError("its reader hangs")
            written = os.writev(descriptor, [rest[:_PIECE]])
            rest = rest[written:]
            self._cut = bool(rest)

    def _lose(self, lines: int, error: Exception) -> None:
        self._unreported += lines
        self.lost += lines
        self.why = str(error) or type(error).__name__


def _descriptor(stream: Any) -> int | None:
    """Returns the file descriptor; None for a stream without one, as in tests."""
    if stream is None or stream.closed:
        raise ValueError("stderr is closed")
    try:
        return int(stream.fileno())
    except (OSError, ValueError):
        return None


def _has_room(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def _plain_notice(lines: int, why: str) -> str:
    return f"{lines} log lines could not be written: {why}"


OUTLET = Outlet()  # one for the process, as stderr is


def lost_lines() -> int:
    """Returns how many lines could not be written since this process started."""
    return OUTLET.lost


def keep_standard_files() -> None:
    """Opens /dev/null for standard streams that are closed, or a database would get their descriptor."""
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)


class _Lines:
    """Writes our own lines straight to stderr: through `logging` a request's line would cost three times as much."""

    def __init__(self, name: str = "penstock") -> None:
        self.name = name

    def msg(self, message: str) -> None:
        OUTLET.write(message)

    debug = info = warning = warn = error = critical = exception = fatal = failure = err = log = msg


class _BatchedLines(_Lines):
    """Writes the lines of one turn of the event loop together: a burst of responses costs one system call."""

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

    debug = info = warning = warn = error = critical = exception = fatal = failure = err = log = msg


class _Handler(logging.Handler):
    """Writes lines of libraries to the same outlet."""

    def __init__(self, render: Processor) -> None:
        super().__init__()
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        OUTLET.write(self.format(record))

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # a library's arguments do not match its format string
            event = {**_stamp_of("error"), "event": _unwritable(error), "logger": record.name}
            return str(self._render(None, "error", event))


def _never_failing(processors: Sequence[Processor]) -> Processor:
    """Combines processors; a value that cannot be rendered costs only its own line."""

    def render(logger: Any, method: str, event: structlog.types.EventDict) -> Any:
        said = {name: event[name] for name in ("timestamp", "level", "logger") if name in event}
        try:
            return _through(processors, logger, method, event)
        except Exception as error:
            return _through(processors, logger, method, {**said, "event": _unwritable(error)})

    return render


def _through(processors: Sequence[Processor], logger: Any, method: str, event: Any) -> Any:
    for processor in processors:
        event = processor(logger, method, event)
    return event


def _unwritable(error: Exception) -> str:
    return f"a log line could not be rendered: {type(error).__name__}"


def _lost(lines: int, why: str) -> dict[str, object]:
    return {"event": "log lines could not be written", "logger": "penstock.logs", "lost": lines, "reason": why}


def _stamp_of(level: str) -> dict[str, object]:
    return dict(_stamped(None, level, {"level": level}))


def _logger(name: str = "penstock") -> _Lines:
    return _BatchedLines(name) if name == BATCHED else _Lines(name)


def configure_logs(kind: LogFormat, level: int = logging.INFO) -> None:
    """Configures logging of this process: our own lines and those of libraries, in one format."""
    render = _never_failing(_rendered(kind))
    structlog.configure(
        processors=[*_SHARED, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_logger,
    )
    OUTLET.notice = lambda lines, why: str(render(None, "warning", {**_stamp_of("warning"), **_lost(lines, why)}))
    handler = _Handler(render)
    handler.setFormatter(_FORMATTERS[kind](processors=[_without_meta, render], foreign_pre_chain=_SHARED))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def format_in_force() -> LogFormat:
    """Returns the format of this process, for processes that it starts."""
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
    if not _on_a_terminal():
        return (structlog.processors.ExceptionRenderer(), _plain)
    return (_visible, structlog.dev.ConsoleRenderer(exception_formatter=_clean_traceback, sort_keys=False))


def _on_a_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


_NUMBERS = (int, float)


def _plain(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    """Returns a line for a file or a journal, with client text made printable. A traceback follows on its own lines."""
    head = f"{event.pop('timestamp')} {event.pop('level', ''):<8} {_clean(str(event.pop('event')))}"
    trace = "".join(f"\n{_set_off(str(event.pop(name)))}" for name in ("stack", "exception") if name in event)
    return " ".join([head, *(f"{name}={_shown(value)}" for name, value in event.items())]) + trace


def _shown(value: object) -> str:
    if type(value) in _NUMBERS:
        return str(value)
    text = str(value)
    return text if text.isprintable() and " " not in text and text else repr(text)


def _clean(text: str) -> str:
    """Returns the text with line ends and control characters escaped as Python does."""
    return text if text.isprintable() else repr(text)[1:-1]


def _set_off(text: str) -> str:
    """Indents lines, so that text quoted by an error does not look like log lines."""
    return "\n".join(f"    {_clean(line)}" for line in text.split("\n"))


def _visible(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Escapes client text, so that it cannot control a terminal."""
    return {name: _clean(value) if isinstance(value, str) else value for name, value in event.items()}


def _clean_traceback(out: TextIO, exception: structlog.types.ExcInfo) -> None:
    raw = StringIO()
    structlog.dev.plain_traceback(raw, exception)
    out.write(_set_off(raw.getvalue()))


def _json(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    """Returns one JSON object. orjson does not escape all characters that end lines or control terminals."""
    try:
        line = orjson.dumps(event, default=str).decode()
    except TypeError:  # client bytes that are not text, or deep nesting
        return _ascii(event)
    return line if line.isprintable() else _ascii(event)


def _ascii(event: structlog.types.EventDict) -> str:
    return json.dumps(event, default=str).replace("\x7f", "\\u007f")


# without local variables, which may hold keys
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_without_meta: Callable[..., Any] = structlog.stdlib.ProcessorFormatter.remove_processors_meta
