"""The list of all dialects."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from server.dialects.folio import Folio
from server.dialects.haplo import Haplo
from server.dialects.learningbuilder import LearningBuilder
from server.dialects.native import Native
from server.dialects.voss import Voss
from server.engine.access.scopes import ADMIN, Scope
from server.engine.engine import Engine
from server.web.auth import Gate
from server.web.dialect import DescribedDialect


class MakeDialect(Protocol):
    """A dialect's class."""

    @property
    def scopes(self) -> Sequence[Scope]: ...

    def __call__(self, engine: Engine, gate: Gate) -> DescribedDialect: ...


DIALECTS: tuple[MakeDialect, ...] = (Haplo, Folio, LearningBuilder, Voss, Native)

BY_SESSION: tuple[MakeDialect, ...] = (Native,)
"""The read-only dialects, which a session of the admin site may use without a key."""


def scopes_of(dialects: Iterable[MakeDialect]) -> Mapping[str, str]:
    """What each scope opens, in words, by its name."""
    scopes = [*(scope for dialect in dialects for scope in dialect.scopes), ADMIN]
    return {scope.name: scope.opens for scope in scopes}


SCOPES = scopes_of(DIALECTS)
