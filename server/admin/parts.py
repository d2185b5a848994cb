"""Every part of the site, in one list."""

from server.admin.batches.actions import BatchActionPages
from server.admin.batches.batch import BatchPages
from server.admin.batches.failed import FailedPages
from server.admin.batches.listing import BatchesPages
from server.admin.definitions.control_files import ControlFilesPages
from server.admin.definitions.models import ModelsPages
from server.admin.definitions.processes import ProcessesPages
from server.admin.imports.new_import import NewImportPages
from server.admin.imports.review import ReviewPages
from server.admin.operations.home import HomePages
from server.admin.operations.keys import KeyPages
from server.admin.operations.schedules import SchedulePages
from server.admin.operations.system import SystemPages
from server.admin.records.row import RecordsRowPages
from server.admin.records.tables import RecordsPages
from server.admin.site import MakePages

PARTS: tuple[MakePages, ...] = (
    HomePages,
    NewImportPages,
    ReviewPages,
    SchedulePages,
    KeyPages,
    SystemPages,
    BatchesPages,
    BatchPages,
    BatchActionPages,
    FailedPages,
    ControlFilesPages,
    ModelsPages,
    ProcessesPages,
    RecordsPages,
    RecordsRowPages,
)
