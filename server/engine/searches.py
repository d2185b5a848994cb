"""Searches as a dialect hands them to the engine."""

from storage.catalog.search import Both as Both
from storage.catalog.search import Comparison as Comparison
from storage.catalog.search import Condition as Condition
from storage.catalog.search import Either as Either
from storage.catalog.search import Everything as Everything
from storage.catalog.search import Relation as Relation
from storage.catalog.search import Search as Search
from storage.catalog.search import SortKey as SortKey
from storage.catalog.search import Without as Without
