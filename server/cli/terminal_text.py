"""Client text for a terminal: characters that could control it are escaped as JSON does."""

import json
import re

# control characters except line end and tab, bidirectional marks, other line ends, lone surrogates
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Returns the text with its lines."""
    return _STEERING.sub(_escaped, text)


def one_line(text: str) -> str:
    """Returns the text as a part of one line."""
    return _IN_A_LINE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
