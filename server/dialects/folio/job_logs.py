"""The endpoints for the results of job executions, record by record (FOLIO: metadata-provider)."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from server.dialects.folio.auth import RequestAuth
from server.dialects.folio.endpoints import Endpoints, answer
from server.dialects.folio.wire import job_executions as jobs_wire
from server.dialects.folio.wire import uploads as wire
from server.engine.access.callers import Caller
from server.engine.errors import JobExecutionNotFound
from server.engine.vendors.folio.job_queries import JobQueries, Row

PREFIX = "/metadata-provider"
EXECUTIONS = PREFIX + "/jobExecutions"
ENTRIES = PREFIX + "/jobLogEntries/{job}"


class JobLogApi:
    prefixes = (PREFIX,)

    def __init__(self, auth: RequestAuth) -> None:
        self._endpoints = Endpoints(auth)
        self._engine = auth.engine

    @property
    def _jobs(self) -> JobQueries:
        return self._engine.folio.job_queries

    def routes(self) -> Iterable[web.RouteDef]:
        route = self._endpoints.route
        yield route("GET", EXECUTIONS, self.executions, "list job executions")
        yield route("GET", EXECUTIONS + "/jobProfiles", self.profiles, "list job profiles")
        yield route("GET", EXECUTIONS + "/users", self.users, "list users")
        yield route("GET", ENTRIES, self.entries, "list log entries")
        yield route("GET", ENTRIES + "/records/{record}", self.entry, "get log entry")
        yield route("GET", PREFIX + "/journalRecords/{job}", self.journal, "list journal records")
        yield route("GET", PREFIX + "/incomingRecords/{record}", self.incoming, "get incoming record")
        yield route("GET", PREFIX + "/jobSummary/{job}", self.summary, "get job summary")

    async def executions(self, request: web.Request, caller: Caller) -> web.Response:
        filters, (offset, limit) = jobs_wire.filters(request.query), jobs_wire.window(request.query)
        return answer(jobs_wire.jobs(*await self._jobs.find(caller.tenant, filters, offset, limit)))

    async def profiles(self, request: web.Request, caller: Caller) -> web.Response:
        found = [dict(profile) for profile in await self._jobs.profiles(caller.tenant)]
        return answer(wire.listed("jobProfilesInfo", _page(request, found), len(found)))

    async def users(self, request: web.Request, caller: Caller) -> web.Response:
        found: list[wire.Document] = [
            {"userId": user, "jobUserFirstName": "", "jobUserLastName": user}
            for user in await self._jobs.users(caller.tenant)
        ]
        return answer(wire.listed("jobExecutionUsersInfo", _page(request, found), len(found)))

    async def entries(self, request: web.Request, caller: Caller) -> web.Response:
        """Lists the log entries of a job; an unknown job has none."""
        found, total = await self._records(request, caller)
        return answer(jobs_wire.log_entries(found, total))

    async def journal(self, request: web.Request, caller: Caller) -> web.Response:
        found, total = await self._records(request, caller)
        return answer(wire.listed("journalRecords", [jobs_wire.journal_record(record) for record in found], total))

    async def _records(self, request: web.Request, caller: Caller) -> tuple[Sequence[Row], int]:
        page, (offset, limit) = jobs_wire.log_page(request.query), jobs_wire.window(request.query)
        return await self._jobs.records(
            caller.tenant,
            request.match_info["job"],
            only_failed=page.only_failed,
            order=page.order,
            descending=page.descending,
            offset=offset,
            limit=limit,
        )

    async def entry(self, request: web.Request, caller: Caller) -> web.Response:
        found = await self._record(request, caller)
        if found.values["job"] != request.match_info["job"]:
            raise RecordNotFound(request.match_info["record"])
        return answer(jobs_wire.log_entry(found))

    async def incoming(self, request: web.Request, caller: Caller) -> web.Response:
        return answer(jobs_wire.incoming_record(await self._record(request, caller)))

    async def _record(self, request: web.Request, caller: Caller) -> Row:
        id = request.match_info["record"]
        found = await self._jobs.record(caller.tenant, jobs_wire.row_of(id))
        if found is None or jobs_wire.record_id(str(found.values["job"]), found.id) != id.lower():
            raise RecordNotFound(id)
        return found

    async def summary(self, request: web.Request, caller: Caller) -> web.Response:
        """Shows the summary of a job. Before its first record is stored, a job has none."""
        execution = await self._jobs.get(caller.tenant, request.match_info["job"])
        if not execution.read:
            raise SummaryNotFound(execution.id)
        return answer(jobs_wire.summary(execution))


class RecordNotFound(JobExecutionNotFound):
    kind = "Record"


class SummaryNotFound(JobExecutionNotFound):
    kind = "Summary of JobExecution"


def _page(request: web.Request, found: Sequence[object]) -> Sequence[object]:
    offset, limit = jobs_wire.window(request.query)
    return found[offset : offset + limit]
