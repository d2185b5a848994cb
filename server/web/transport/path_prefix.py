"""Adds the path of the public address to every link, redirect and cookie of a response.

Handlers and templates do not know this path: they write paths as the server has them.
"""

import re
from http.cookies import Morsel

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from server.web.links import prefix_of

# client text cannot match: templates write its quotes as `&#34;`
_ATTRIBUTE = re.compile(r'(\s(?:href|action|formaction|src|data-[a-z-]{1,20})=")(/(?!/))')


@web.middleware
async def prefixed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Adds the path of the public address to a response."""
    prefix = prefix_of(request)
    if not prefix:
        return await handler(request)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        _lead(error, prefix)
        raise
    if not response.prepared:
        _lead(response, prefix)
    return response


def _lead(response: web.StreamResponse, prefix: str) -> None:
    location = response.headers.get(hdrs.LOCATION, "")
    if location.startswith("/") and not location.startswith("//"):
        response.headers[hdrs.LOCATION] = prefix + location
    for cookie in response.cookies.values():
        _confine(cookie, prefix)
    if isinstance(response, web.Response) and response.content_type == "text/html" and response.text is not None:
        response.text = _ATTRIBUTE.sub(lambda found: f"{found[1]}{prefix}{found[2]}", response.text)


def _confine(cookie: Morsel[str], prefix: str) -> None:
    """Limits a cookie to the path, so that other programs on the host do not get it."""
    if cookie["path"].startswith("/"):
        cookie["path"] = prefix + cookie["path"]
