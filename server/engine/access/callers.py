"""For whom something is done, where tenants share one server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`user` is the id that the client gives its user, where it gives one."""

    tenant: str
    user: str | None = None
