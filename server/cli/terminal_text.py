"""Text of clients on a terminal: what could steer it is shown as JSON would write it."""

import json
import re

# control characters but line end and tab, marks that turn the direction of writing, other line ends, lone surrogates
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text, its lines kept."""
    return _STEERING.sub(_escaped, text)


def one_line(text: str) -> str:
    """The text as a part of one line."""
    return _IN_A_LINE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
