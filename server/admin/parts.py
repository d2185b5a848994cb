"""Every part of the site, in one list."""

from server.admin.batch import BatchPages
from server.admin.batch_actions import BatchActionPages
from server.admin.batches import BatchesPages
from server.admin.control_files import ControlFilesPages
from server.admin.failed import FailedPages
from server.admin.home import HomePages
from server.admin.keys import KeyPages
from server.admin.models import ModelsPages
from server.admin.new_import import NewImportPages
from server.admin.processes import ProcessesPages
from server.admin.proposal import ProposalPages
from server.admin.records import RecordsPages
from server.admin.records_row import RecordsRowPages
from server.admin.schedules import SchedulePages
from server.admin.site import MakePages
from server.admin.system import SystemPages

PARTS: tuple[MakePages, ...] = (
    HomePages,
    NewImportPages,
    ProposalPages,
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
