"""What a dialect is: one API of the outside world, spoken over the one engine."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from aiohttp import web

from server.engine.access.scopes import Scope
from server.engine.errors import EngineError
from server.mapping.language.processes import Process
from server.web.description.api_description import Description


class Dialect(Protocol):
    """* `name` is the word for this API in logs and in the documentation.
    * `prefixes` are the paths it answers for: everything below one is this dialect's, in any case, unknown paths too.
    * `routes` are its endpoints. A handler parses, makes one engine call and renders; it raises what the engine raises.
    * `refuse` renders an engine's refusal in the dialect's own shape, never with a status of 500.
    * `fail` renders what has no engine error: an unknown path, a wrong method, a fault of ours.
    """

    @property
    def name(self) -> str: ...

    @property
    def prefixes(self) -> Sequence[str]: ...

    def routes(self) -> Iterable[web.RouteDef]: ...

    def refuse(self, request: web.Request, error: EngineError) -> web.Response: ...

    def fail(self, request: web.Request, status: int, message: str) -> web.Response: ...


class Example(NamedTuple):
    """How a program calls a process: `scope` is what its key needs."""

    title: str
    address: str
    scope: str
    command: str


class DescribedDialect(Dialect, Protocol):
    """* `described` says all of its operations: each route of `routes` is one of them, or another spelling of one.
    * `scopes` are those that its keys may have.
    * `examples` show how programs call a process over this API, whose paths are below the address `base`.
    """

    @property
    def described(self) -> Description: ...

    @property
    def scopes(self) -> Sequence[Scope]: ...

    def examples(self, process: Process, base: str) -> Iterable[Example]: ...


def speaker(dialects: Sequence[Dialect], path: str) -> Dialect | None:
    """The dialect that answers for a path: the one with the longest prefix of whole segments."""
    candidates = [
        (len(prefix), dialect)
        for dialect in dialects
        for prefix in dialect.prefixes
        if _is_below(path.lower(), prefix.lower())
    ]
    return max(candidates, key=lambda pair: pair[0])[1] if candidates else None


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
