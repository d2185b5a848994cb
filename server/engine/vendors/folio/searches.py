"""Searches as a dialect hands them to the engine."""

from storage.catalog.cql.conditions import Both as Both
from storage.catalog.cql.conditions import Comparison as Comparison
from storage.catalog.cql.conditions import Condition as Condition
from storage.catalog.cql.conditions import Either as Either
from storage.catalog.cql.conditions import Everything as Everything
from storage.catalog.cql.conditions import Relation as Relation
from storage.catalog.cql.conditions import Search as Search
from storage.catalog.cql.conditions import SortKey as SortKey
from storage.catalog.cql.conditions import Without as Without
