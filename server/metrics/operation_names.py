"""What generated clients call the operations of this API."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "GET /livez": "getLiveness",
    "GET /readyz": "getReadiness",
    "GET /metrics": "getMetrics",
}
