"""The text of a log line, as commands, the site and the native API show it: in the form of Haplo's framework.

A dialect whose vendor writes logs otherwise makes a text of its own from the line's fields.
"""

from datetime import datetime

from storage.catalog.base import LogLine

_PREFIXES = {"exception": "EXCEPTION: Error during import: ", "cancelled": "CANCELLED: "}


def log_text(line: LogLine) -> str:
    """Returns the line as a sentence, without its level and its time."""
    if line.kind in ("start", "end"):
        return f"{line.kind.upper()}: {_javascript_date(line.created)}"
    of_record = "" if line.record is None else f" (record {line.record})"
    return f"{_PREFIXES.get(line.kind, '')}{line.message}{of_record}"


def _javascript_date(moment: datetime) -> str:
    """Returns the time as JavaScript writes a date, in UTC."""
    return f"{moment:%a %b %d %Y %H:%M:%S} GMT+0000 (UTC)"
