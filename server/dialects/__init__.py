"""Every dialect the server speaks, in one list."""

from collections.abc import Callable

from server.dialects.folio import Folio
from server.dialects.haplo import Haplo
from server.dialects.learningbuilder import LearningBuilder
from server.dialects.voss import Voss
from server.engine.engine import Engine
from server.web.auth import Gate
from server.web.dialect import Dialect

MakeDialect = Callable[[Engine, Gate], Dialect]

DIALECTS: tuple[MakeDialect, ...] = (Haplo, Folio, LearningBuilder, Voss)
