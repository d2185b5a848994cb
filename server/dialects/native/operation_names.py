"""What generated clients call the operations of this API."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "GET /api/v1/batches": "listBatches",
    "GET /api/v1/batches/{batch}": "getBatch",
    "GET /api/v1/batches/{batch}/files/{file}": "downloadBatchFile",
    "GET /api/v1/jobs": "listJobs",
    "GET /api/v1/jobs/{job}": "getJob",
    "GET /api/v1/jobs/{job}/log": "getJobLog",
    "GET /api/v1/jobs/{job}/outcomes": "listJobOutcomes",
    "GET /api/v1/records": "listTables",
    "GET /api/v1/records/{table}": "listRows",
    "GET /api/v1/records/{table}/{id}": "getRow",
    "GET /api/v1/processes": "listProcesses",
    "GET /api/v1/processes/{process}": "getProcess",
    "GET /api/v1/models": "listModels",
    "GET /api/v1/events": "followEvents",
}
