"""The protocol of a dialect: one API of another system, served by the one engine."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from aiohttp import web

from server.engine.access.scopes import Scope
from server.engine.errors import EngineError
from server.mapping.language.processes import Process
from server.web.description.api_description import ApiDescription


class Dialect(Protocol):
    """One API.

    * `name` is its name in logs and in the documentation.
    * `prefixes` are the paths it answers for. Every path below one belongs to the dialect, unknown paths too; case does
      not matter.
    * `routes` are its endpoints. A handler parses, makes one engine call and renders; it lets the
      engine's errors through.
    * `refuse` renders an engine's refusal in the dialect's own shape, never with a status of 500.
    * `fail` renders a failure without an engine error: an unknown path, a wrong method, a fault of the server.
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
    """A dialect that describes itself.

    * `description` has every operation: each route is one of them, or another spelling of one.
    * `scopes` are the scopes that its keys may have.
    * `examples` show how programs call a process over this API, whose paths are below the address `base`.
    """

    @property
    def description(self) -> ApiDescription: ...

    @property
    def scopes(self) -> Sequence[Scope]: ...

    def examples(self, process: Process, base: str) -> Iterable[Example]: ...


def dialect_for_path(dialects: Sequence[Dialect], path: str) -> Dialect | None:
    """Returns the dialect whose prefix of whole segments is the longest that the path begins with."""
    candidates = [
        (len(prefix), dialect)
        for dialect in dialects
        for prefix in dialect.prefixes
        if _is_below(path.lower(), prefix.lower())
    ]
    return max(candidates, key=lambda pair: pair[0])[1] if candidates else None


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
