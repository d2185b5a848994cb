"""The description of /livez, /readyz and /metrics."""

from server.web.description.api_description import (
    ASKS_FOR_KEY,
    FLAG,
    JSON,
    PLAIN,
    TEXT,
    ApiDescription,
    Content,
    Operation,
    Response,
    listed,
    plain,
    record,
)

_PROBLEMS = listed(record({"part": TEXT, "what": TEXT, "out": TEXT}))
_STATE = record({"ready": FLAG, "problems": _PROBLEMS, "warnings": _PROBLEMS})
_PROBLEM = {"part": "disk", "what": "5 bytes are free", "out": "delete files or lower [limits] min_free_bytes"}


def _state(description: str, words: str, *problems: object) -> Response:
    document = {"ready": not problems, "problems": problems, "warnings": []}
    return Response(description, (Content(PLAIN, TEXT, words), Content(JSON, _STATE, document)))


_LIVE = {200: Response("The server is alive.", plain("ok"))}
_READY = {
    200: _state("The server is ready.", "ready"),
    503: _state("The server is not ready.", "{part}: {what}; {out}".format(**_PROBLEM), _PROBLEM),
}
_NUMBERS = (Content(PLAIN, TEXT, "penstock_jobs 0"), Content("application/openmetrics-text", TEXT, "# EOF"))
_METRICS = {
    200: Response("The metrics, in the accepted format.", _NUMBERS),
    401: Response("No key, or a wrong one.", plain("no API key was sent"), ASKS_FOR_KEY),
    403: Response("The key may not do this.", plain("the API key does not have the scope native")),
    429: Response("Too many wrong keys from this address; wait a minute.", plain("too many failed attempts")),
}

DESCRIPTION = ApiDescription(
    "metrics",
    "The state of the server, for operators.",
    (
        Operation("getLiveness", "GET", "/livez", "Check that the server is alive", _LIVE, keys=()),
        Operation(
            "getReadiness",
            "GET",
            "/readyz",
            "Check that the server can do its work",
            _READY,
            keys=(),
            description="One line for each problem, or JSON for clients that accept it.",
        ),
        Operation(
            "getMetrics", "GET", "/metrics", "Metrics for Prometheus", _METRICS, keys=("bearer", "basic", "session")
        ),
    ),
)
