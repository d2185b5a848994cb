"""Addresses that people can open, for answers that name a page."""

import re

from aiohttp import web

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?").fullmatch


def site_of(request: web.Request, public_url: str | None) -> str:
    """Where people reach this server: as configured, else as the client reached it."""
    if public_url is not None:
        return public_url.rstrip("/")
    host = request.headers.get("Host", "")
    return f"{request.scheme}://{host if _HOST(host) else 'localhost'}"
