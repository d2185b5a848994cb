"""Every dialect the server speaks, in one list."""

from collections.abc import Callable

from server.dialects.folio import Folio
from server.dialects.haplo import Haplo
from server.dialects.learningbuilder import LearningBuilder
from server.dialects.native import Native
from server.dialects.voss import Voss
from server.engine.engine import Engine
from server.web.auth import Gate
from server.web.dialect import DescribedDialect

MakeDialect = Callable[[Engine, Gate], DescribedDialect]

DIALECTS: tuple[MakeDialect, ...] = (Haplo, Folio, LearningBuilder, Voss, Native)

BY_SESSION: tuple[MakeDialect, ...] = (Native,)
"""Read-only ones, which whoever is signed in at the admin site may use without a key."""
