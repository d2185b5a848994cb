"""Every page of the site is in its README."""

import re
from pathlib import Path

from aiohttp import web

from server.app import make_app
from tests.wire.admin.house import AdminHouse

README = (Path(__file__).parents[3] / "server/admin/README.md").read_text("utf-8")


async def test_every_page_is_described(admin: AdminHouse) -> None:
    paths = {_as_written(route) for route in make_app(admin.engine).router.routes()}
    assert [path for path in sorted(paths) if path.startswith("/admin") and not _is_described(path)] == []


def _is_described(path: str) -> bool:
    """In full, or as one of several that begin alike."""
    return f"{path}`" in README or f"`…/{path.rsplit('/', 1)[1]}`" in README


def _as_written(route: web.AbstractRoute) -> str:
    path = route.resource.canonical if route.resource else ""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper(), path)
