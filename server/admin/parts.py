"""Every part of the site, in one list."""

from server.admin.batch import BatchPages
from server.admin.batch_actions import BatchActionPages
from server.admin.batches import BatchesPages
from server.admin.failed import FailedPages
from server.admin.home import HomePages
from server.admin.site import MakePages

PARTS: tuple[MakePages, ...] = (
    HomePages,
    BatchesPages,
    BatchPages,
    BatchActionPages,
    FailedPages,
)
