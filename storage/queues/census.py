"""How many jobs there are of each sort, as a function of a `Connection`; the index on these columns answers it."""

from sqlalchemy import Connection, func, select

from storage.queues.tables import jobs

_SORTS = (jobs.c.state, jobs.c.mode, jobs.c.kind)
_CENSUS = select(*_SORTS, func.count()).group_by(*_SORTS)


def census(connection: Connection) -> dict[tuple[str, str, str], int]:
    """Counts jobs by state, mode and kind."""
    return {(state, mode, kind): number for state, mode, kind, number in connection.execute(_CENSUS)}
