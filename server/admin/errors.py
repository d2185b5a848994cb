"""The status and the texts of the error page for each error of the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from server.engine.errors import (
    AccessRefused,
    DiskFull,
    EngineError,
    KeyForbidden,
    KeyMissing,
    KeyThrottled,
    KeyUnknown,
    NotFound,
    Refused,
    RequestInvalid,
    UploadTooLarge,
    UploadTooSlow,
)
from server.web.errors import Answer

TABLE: Mapping[type[EngineError], Answer] = {
    EngineError: Answer(400),
    NotFound: Answer(404),
    Refused: Answer(409),
    RequestInvalid: Answer(400),
    AccessRefused: Answer(403),
    KeyMissing: Answer(403, lambda _: "Enter a key. `penstock keys create NAME --scope admin` makes one."),
    KeyUnknown: Answer(403, lambda _: "This key is unknown, revoked or expired."),
    KeyForbidden: Answer(403, lambda _: "This key may not sign in: it needs the scope admin."),
    KeyThrottled: Answer(
        429,
        lambda _: (
            "This key is wrong, and there were too many wrong keys before it. Enter the right key, or wait a minute."
        ),
    ),
    UploadTooLarge: Answer(413),
    UploadTooSlow: Answer(408),
    DiskFull: Answer(507),
}

TITLES = {
    400: "That cannot be done",
    403: "Not allowed",
    404: "Nothing here",
    405: "Method not allowed",
    409: "That cannot be done now",
    413: "Too large",
    429: "Too many attempts",
    500: "Server error",
    503: "Busy",
    507: "The disk is full",
}


@dataclass(frozen=True, slots=True)
class WordsFor:
    """An error page."""

    status: int
    message: str

    def page(self, style: str) -> str:
        title = TITLES.get(self.status, "That did not work")
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{title} - Penstock</title><link rel="stylesheet" href="{escape(style)}"></head>'
            f'<body class="plain"><main id="main"><h1>{title}</h1><p>{escape(_sentence(self.message))}</p>'
            '<p><a href="/admin/">Home</a></p></main></body></html>'
        )


def _sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
