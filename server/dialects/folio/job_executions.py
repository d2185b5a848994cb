"""The endpoints for job executions and job profiles (FOLIO: change-manager, data-import-profiles)."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from server.dialects.folio.auth import RequestAuth
from server.dialects.folio.endpoints import JSON, Endpoints, answer, nothing
from server.dialects.folio.wire import job_executions as jobs_wire
from server.dialects.folio.wire import uploads as wire
from server.dialects.folio.wire.bodies import FolioIds, FolioJobStatus, FolioJobUpdate, FolioNewJob, FolioProfile
from server.engine.access.callers import Caller
from server.engine.errors import JobExecutionNotFound
from server.engine.vendors.folio.job_executions import LARGEST_CHUNK, JobExecutions, Update
from server.web.body import read_bytes

JOBS = "/change-manager/jobExecutions"
ONE = JOBS + "/{job}"
PROFILES = "/data-import-profiles/jobProfiles"


class JobApi:
    prefixes = ("/change-manager", "/data-import-profiles")

    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    @property
    def _jobs(self) -> JobExecutions:
        return self._engine.folio.job_executions

    def routes(self) -> Iterable[web.RouteDef]:
        route = self._endpoints.route
        yield route("POST", JOBS, self.create, "create job execution", takes=JSON)
        yield route("DELETE", JOBS, self.delete, "delete job executions", takes=JSON)
        yield route("GET", ONE, self.get, "get job execution")
        yield route("PUT", ONE, self.update, "update job execution", takes=JSON)
        yield route("GET", ONE + "/children", self.children, "list job executions")
        yield route("PUT", ONE + "/status", self.set_status, "update job execution", takes=JSON)
        yield route("PUT", ONE + "/jobProfile", self.set_profile, "update job execution", takes=JSON)
        yield route("POST", ONE + "/records", self.add_records, "add records", takes=JSON)
        yield route("DELETE", ONE + "/records", self.cancel, "cancel job execution")
        yield route("GET", PROFILES, self.profiles, "list job profiles")
        yield route("GET", PROFILES + "/{profile}", self.profile, "get job profile")

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        new = await self._endpoints.read(request, FolioNewJob)
        profile = new.job_profile_info.stored() if new.job_profile_info else None
        made = await self._jobs.create(
            Caller(caller.tenant, new.user_id),
            source_type=new.source_type,
            names=[file.name for file in new.files or ()],
            parent=new.parent_job_id,
            profile=profile,
        )
        return answer(jobs_wire.made(made), 201)

    async def delete(self, request: web.Request, caller: Caller) -> web.Response:
        ids = (await self._endpoints.read(request, FolioIds)).ids
        return answer(jobs_wire.deleted(ids, await self._jobs.delete(caller.tenant, ids)))

    async def get(self, request: web.Request, caller: Caller) -> web.Response:
        return answer(jobs_wire.job(await self._engine.folio.job_queries.get(caller.tenant, request.match_info["job"])))

    async def update(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await self._endpoints.read(request, FolioJobUpdate)
        return await self._change(request, caller, Update(sent.file_name, sent.user_id, sent.status, sent.error_status))

    async def children(self, request: web.Request, caller: Caller) -> web.Response:
        offset, limit = jobs_wire.window(request.query, usual=wire.MOST)
        found, total = await self._engine.folio.job_queries.children(
            caller.tenant, request.match_info["job"], offset, limit
        )
        return answer(jobs_wire.jobs(found, total))

    async def set_status(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await self._endpoints.read(request, FolioJobStatus)
        return await self._change(request, caller, Update(status=sent.status, error_status=sent.error_status))

    async def _change(self, request: web.Request, caller: Caller, change: Update) -> web.Response:
        return answer(jobs_wire.job(await self._jobs.update(caller.tenant, request.match_info["job"], change)))

    async def set_profile(self, request: web.Request, caller: Caller) -> web.Response:
        profile = (await self._endpoints.read(request, FolioProfile)).stored()
        return answer(jobs_wire.job(await self._jobs.set_profile(caller.tenant, request.match_info["job"], profile)))

    async def add_records(self, request: web.Request, caller: Caller) -> web.Response:
        body = await read_bytes(self._engine.uploads, request, max_bytes=LARGEST_CHUNK)
        posted = await asyncio.to_thread(jobs_wire.records, body)  # many records take the parser a while
        await self._jobs.add_records(caller.tenant, request.match_info["job"], posted)
        return nothing()

    async def cancel(self, request: web.Request, caller: Caller) -> web.Response:
        await self._jobs.cancel(caller.tenant, request.match_info["job"])
        return nothing()

    async def profiles(self, request: web.Request, caller: Caller) -> web.Response:
        offset, limit = jobs_wire.window(request.query)
        page = jobs_wire.PROFILES[offset : offset + limit]
        return answer(wire.listed("jobProfiles", page, len(jobs_wire.PROFILES)))

    async def profile(self, request: web.Request, caller: Caller) -> web.Response:
        for profile in jobs_wire.PROFILES:
            if profile["id"] == request.match_info["profile"]:
                return answer(profile)
        raise ProfileNotFound(request.match_info["profile"])


class ProfileNotFound(JobExecutionNotFound):
    kind = "Job profile"
