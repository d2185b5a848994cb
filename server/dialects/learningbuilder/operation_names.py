"""What generated clients call the operations of this API."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "POST /API/WorkflowImportQueue/CreateBatch": "createBatch",
}
