"""The list of all endpoints of FOLIO's modules."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from server.dialects.folio.auth import LoginApi, RequestAuth
from server.dialects.folio.file_extensions import ExtensionApi
from server.dialects.folio.job_executions import JobApi
from server.dialects.folio.job_logs import JobLogApi
from server.dialects.folio.multipart_uploads import PartApi
from server.dialects.folio.uploads_v1 import UploadsV1Api
from server.dialects.folio.uploads_v2 import UploadsV2Api

PREFIXES = ("/data-import", *LoginApi.prefixes, *JobApi.prefixes, *JobLogApi.prefixes)


class Api(Protocol):
    def routes(self) -> Iterable[web.RouteDef]: ...


def apis(auth: RequestAuth) -> tuple[Api, ...]:
    return (
        UploadsV1Api(auth),
        UploadsV2Api(auth),
        ExtensionApi(auth),
        PartApi(auth),
        LoginApi(auth),
        JobApi(auth),
        JobLogApi(auth),
    )
