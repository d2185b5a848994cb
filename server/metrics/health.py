"""The answers of /readyz."""

from collections.abc import Sequence
from dataclasses import asdict

import orjson
from aiohttp import hdrs, web

from server.engine.operations.readiness import Problem, State

READY, NOT_READY = 200, 503


def rendered(state: State, accept: str) -> web.Response:
    status = READY if state.ready else NOT_READY
    if "application/json" in accept.lower():
        response = web.Response(status=status, body=_document(state), content_type="application/json")
    else:
        response = web.Response(status=status, text="\n".join(_lines(state)))
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def _document(state: State) -> bytes:
    def listed(problems: Sequence[Problem]) -> list[dict[str, str]]:
        return [asdict(problem) for problem in problems]

    return orjson.dumps({"ready": state.ready, "problems": listed(state.problems), "warnings": listed(state.warnings)})


def _lines(state: State) -> list[str]:
    first = ["ready"] if state.ready else [_line(problem) for problem in state.problems]
    return first + [f"warning: {_line(warning)}" for warning in state.warnings]


def _line(problem: Problem) -> str:
    return f"{problem.part}: {problem.what}; {problem.out}"
