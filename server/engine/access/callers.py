"""The tenant and the user that a request acts for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`user` is the id that the client gives its user, if any."""

    tenant: str
    user: str | None = None
