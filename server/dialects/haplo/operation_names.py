"""What generated clients call the operations of this API."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "POST /api/haplo-data-import-batch/control": "uploadControlFile",
    "POST /api/haplo-data-import-batch/batch": "createControlledBatch",
    "POST /api/haplo-data-import-batch/file": "addFileToControlledBatch",
    "POST /api/haplo-data-import-batch/schedule": "scheduleControlledBatch",
    "POST /api/haplo-data-import-standard-api/batch": "createStandardBatch",
    "POST /api/haplo-data-import-standard-api/file": "addFileToStandardBatch",
    "POST /api/haplo-data-import-standard-api/schedule": "scheduleStandardBatch",
    "POST /api/push-data/{url}": "pushData",
}
