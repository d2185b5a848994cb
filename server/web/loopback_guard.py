"""Protects a server without keys (`--no-auth`) from pages of other sites.

Such a page can send requests to this machine, and may point its own name at it (DNS rebinding) to read the answers.
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

_WAY_OUT = "ask for 127.0.0.1 or localhost, or set [server] public_url to the address that is used"


def only_local(public_url: str | None) -> Middleware:
    """Returns a middleware that refuses requests from pages of other sites."""

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_ours(f"//{request.headers.get(hdrs.HOST, '')}", public_url):
            raise web.HTTPForbidden(reason=f"without keys this server answers to its own names alone; {_WAY_OUT}")
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not _is_ours(origin, public_url):
            raise web.HTTPForbidden(
                reason=f"without keys this server does nothing for pages of other sites; {_WAY_OUT}"
            )
        if request.headers.get("Sec-Fetch-Site") == "cross-site":  # an image or a link there sends no Origin
            raise web.HTTPForbidden(reason=f"without keys this server answers no pages of other sites; {_WAY_OUT}")
        return await handler(request)

    return guarding


def _is_ours(address: str, public_url: str | None) -> bool:
    """Whether the host of an address is a name of this server."""
    try:
        name = urlsplit(address).hostname or ""
        if public_url is not None and name and name == urlsplit(public_url).hostname:
            return True
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
