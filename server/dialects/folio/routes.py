"""All endpoints of FOLIO's modules, in one list."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from server.dialects.folio.auth import Desk, LoginApi
from server.dialects.folio.file_extensions import ExtensionApi
from server.dialects.folio.job_executions import JobApi
from server.dialects.folio.job_logs import JobLogApi
from server.dialects.folio.multipart_uploads import PartApi
from server.dialects.folio.uploads_v1 import DefinitionApi
from server.dialects.folio.uploads_v2 import LaterApi

PREFIXES = ("/data-import", *LoginApi.prefixes, *JobApi.prefixes, *JobLogApi.prefixes)


class Api(Protocol):
    def routes(self) -> Iterable[web.RouteDef]: ...


def apis(desk: Desk) -> tuple[Api, ...]:
    return (
        DefinitionApi(desk),
        LaterApi(desk),
        ExtensionApi(desk),
        PartApi(desk),
        LoginApi(desk),
        JobApi(desk),
        JobLogApi(desk),
    )
