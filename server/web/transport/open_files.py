"""The limit of open files: each connection is one, and each upload one more."""

import resource

import structlog

MOST_CONNECTIONS = 20_000
RESERVED = 64  # databases, workers, the log
FILES_A_CONNECTION = 2

_log = structlog.get_logger(__name__)


def raise_open_files() -> None:
    """Raises the soft limit to the hard one, which is what the operator allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # some kernels refuse their own hard limit
        _log.warning("open file limit not raised", limit=soft, reason=str(error))
        return
    _log.info("open files", limit=hard, before=soft, connections=most_connections())


def most_connections() -> int:
    """Returns how many connections may be open at the same time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - RESERVED) // FILES_A_CONNECTION))
