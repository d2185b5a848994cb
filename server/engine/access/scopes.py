"""What a key may open, by scope. Each dialect names its own scopes; these two are the server's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`opens` says in words what a key with this scope may use."""

    name: str
    opens: str


NATIVE = Scope("native", "this server's own API, which only reads")
ADMIN = Scope("admin", "everything, this site too")
OF_ALL_TENANTS = (NATIVE.name, ADMIN.name)  # these scopes show the data of every tenant
