"""Serves the site's own style sheets and scripts, at addresses that change when their content does.

aiohttp's `add_static(append_version=True)` would read and hash a file on the event loop each time a page links to it,
and sets neither `immutable` nor `nosniff`.
"""

import hashlib
from typing import NamedTuple

from aiohttp import web

from server.admin.rendering import FOLDER

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PREFIX = "/admin/static"


class Asset(NamedTuple):
    content: bytes
    kind: str
    version: str


class Assets:
    """The site's static files: a few KiB, read in a thread when the server starts."""

    def __init__(self) -> None:
        self._assets: dict[str, Asset] = {}

    def load(self) -> None:
        self._assets = {path.name: _read(path.read_bytes(), path.suffix) for path in (FOLDER / "static").iterdir()}

    def address(self, name: str) -> str:
        return f"{PREFIX}/{name}?v={self._assets[name].version}"

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        age = "public, max-age=31536000, immutable" if request.query.get("v") == asset.version else "no-cache"
        response = web.Response(body=asset.content, content_type=asset.kind, charset="utf-8")
        response.headers.update({"Cache-Control": age, "X-Content-Type-Options": "nosniff"})
        response.etag = asset.version
        return response


def _read(content: bytes, suffix: str) -> Asset:
    return Asset(content, KINDS[suffix], hashlib.sha256(content).hexdigest()[:12])
