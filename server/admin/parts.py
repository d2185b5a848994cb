"""Every part of the site, in one list."""

from server.admin.home import HomePages
from server.admin.site import MakePages

PARTS: tuple[MakePages, ...] = (HomePages,)
