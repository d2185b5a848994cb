"""What /livez, /readyz and /metrics say of themselves."""

from server.metrics.operation_names import NAMES
from server.web.description.api_description import (
    FLAG,
    JSON,
    PLAIN,
    TEXT,
    Answer,
    Content,
    Description,
    Operation,
    Schema,
    listed,
    plain,
    record,
)

_PROBLEMS = listed(record({"part": TEXT, "what": TEXT, "out": TEXT}))
_STATE: Schema = record({"ready": FLAG, "problems": _PROBLEMS, "warnings": _PROBLEMS})
_PROBLEM = {"part": "disk", "what": "5 bytes are free", "out": "delete files or lower [limits] min_free_bytes"}


def _state(description: str, words: str, *problems: object) -> Answer:
    document = {"ready": not problems, "problems": problems, "warnings": []}
    return Answer(description, (Content(PLAIN, TEXT, words), Content(JSON, _STATE, document)))


_LIVE = Operation("GET", "/livez", "Whether the server lives", {200: Answer("It does.", plain("ok"))}, keys=())
_READY = Operation(
    "GET",
    "/readyz",
    "Whether the server can do its work",
    {
        200: _state("It can.", "ready"),
        503: _state("It cannot: what is wrong, and the way out.", "{part}: {what}; {out}".format(**_PROBLEM), _PROBLEM),
    },
    keys=(),
    description="One line for each problem, or JSON for those who accept it.",
)
_METRICS = Operation(
    "GET",
    "/metrics",
    "Numbers for Prometheus",
    {
        200: Answer(
            "The numbers, in the form that is accepted.",
            (Content(PLAIN, TEXT, "penstock_jobs 0"), Content("application/openmetrics-text", TEXT, "# EOF")),
        ),
        401: Answer("No key, or a wrong one.", plain("no API key was sent"), {"WWW-Authenticate": "How to send one."}),
        403: Answer("The key may not do this.", plain("the API key does not have the scope native")),
        429: Answer("Too many wrong keys from this address; wait a minute.", plain("too many failed attempts")),
    },
    keys=("bearer", "basic", "session"),
)

DESCRIBED = Description(
    "metrics", "How the server is, for those who operate it.", (_LIVE, _READY, _METRICS), names=NAMES
)
