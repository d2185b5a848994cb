"""Addresses of pages, for responses that name one."""

import re

from aiohttp import web

is_host = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?").fullmatch
"""Whether a text is a host with or without a port."""

PREFIX = web.RequestKey("prefix", str)
"""The path that all links to this server begin with, from the public address or from the proxy's headers."""


def prefix_of(request: web.Request) -> str:
    prefix: str = request.get(PREFIX, "")
    return prefix


def is_over_tls(request: web.Request, public_url: str | None) -> bool:
    """Whether visitors connect over TLS, perhaps to a proxy; if so, their cookies are for TLS only."""
    return request.secure or (public_url or "").startswith("https:")


def site_of(request: web.Request, public_url: str | None) -> str:
    """Returns the public address: as configured, else as the client of this request reached it."""
    if public_url is not None:
        return public_url.rstrip("/")
    return f"{request.scheme}://{request.host if is_host(request.host) else 'localhost'}{prefix_of(request)}"
