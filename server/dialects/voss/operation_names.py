"""What generated clients call the operations of this API."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "POST /api/uploadfiles/": "uploadFiles",
    "POST /api/tool/UploadFile/": "uploadFilesByTool",
    "POST /api/tool/BulkLoad/": "bulkLoad",
    "GET /api/tool/Transaction/": "listTransactions",
    "GET /api/tool/Transaction/{pkid}/": "getTransaction",
    "GET /api/tool/Transaction/poll/": "pollTransactions",
    "GET /api/tool/Transaction/{pkid}/poll/": "pollTransaction",
    "GET /api/tool/Transaction/{pkid}/cancel/": "cancelTransactionByGet",
    "GET /api/tool/Transaction/{pkid}/replay/": "replayTransactionByGet",
    "POST /api/tool/Transaction/{pkid}/cancel/": "cancelTransaction",
    "POST /api/tool/Transaction/{pkid}/replay/": "replayTransaction",
    "GET /api/data/BulkLoad/": "listBulkLoads",
    "POST /api/data/BulkLoad/": "createBulkLoad",
    "DELETE /api/data/BulkLoad/": "deleteBulkLoads",
    "GET /api/data/BulkLoad/{pkid}/": "getBulkLoad",
    "DELETE /api/data/BulkLoad/{pkid}/": "deleteBulkLoad",
    "GET /api/data/Schedule/": "listSchedules",
    "GET /api/data/Schedule/{pkid}/": "getSchedule",
    "DELETE /api/data/Schedule/{pkid}/": "deleteSchedule",
    "GET /api/data/HierarchyNode/": "listHierarchyNodes",
}
